"""``qotgate keygen``: make an RSA key for gateway and clients."""

import os
from pathlib import Path

import click

from qotgate.cli import options
from qotgate.model import QotGateError
from qotgate.protocol.cipher import RSA_BITS, RsaKey


@click.command()
@click.argument("file", type=options.PATH, metavar="FILE", help="Where to write it; must not exist.")
@click.option(
    "--bits",
    default=1024,
    metavar="NUMBER",
    show_default=True,
    help="1024, which the published clients accept, or 2048.",
)
def keygen(file: Path, bits: int) -> None:
    """Make the RSA private key that `serve --rsa-key` and its clients share (PKCS#1 PEM, mode 0600)."""
    if bits not in RSA_BITS:
        raise QotGateError(f"--bits takes {' or '.join(map(str, RSA_BITS))}, not {bits}.")
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise QotGateError(f"{file} cannot be made: {error.strerror}.") from error
    with os.fdopen(descriptor, "wb") as target:
        target.write(RsaKey.generate(bits).pem())
    click.echo(f"Wrote {file}: give it to `qotgate serve --rsa-key` and to each client; keep it secret.")
