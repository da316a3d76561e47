"""Keys, certificates, and files with secrets: strong enough, still valid, and readable by their owner
alone."""

import os
import stat
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from qotgate.doctor.finding import Finding, fail, ok, warn
from qotgate.protocol.cipher import RsaKey

PKCS1 = b"-----BEGIN RSA PRIVATE KEY-----"
SOON = timedelta(days=21)
RSA_GOOD_BITS = 2048


def secret_file(check: str, path: Path) -> Iterator[Finding]:
    """Whether other users may read a file with a secret."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        yield fail(check, f"{path} cannot be read: {error.strerror}.", f"See to {path} and its folders.")
        return
    others = [
        name
        for name, bits in (("read", stat.S_IROTH), ("written", stat.S_IWOTH | stat.S_IWGRP))
        if mode & bits and _reached(path)
    ]
    if sys.platform == "win32":
        return
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        yield ok(check, f"{path} is handed over read-only.")
    elif others:
        yield fail(
            check,
            f"{path} can be {' and '.join(others)} by other users of this machine.",
            f"chmod 600 {path}",
        )
    else:
        yield ok(check, f"{path} is for its owner alone ({stat.filemode(mode)}).")


def _reached(path: Path) -> bool:
    """Whether other users can access the folders down to ``path``."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)


def rsa_key(path: Path) -> Iterator[Finding]:
    """The key that clients encrypt with. Raises QotGateError for an invalid key."""
    bits = RsaKey.load(path).bits
    yield from secret_file("RSA key", path)
    content = path.read_bytes()
    if not content.lstrip().startswith(PKCS1):
        yield fail(
            "RSA key",
            f"{path} is not in PKCS#1: the gateway takes it, the published clients do not.",
            f"openssl rsa -traditional -in {path} -out NEW.pem, or make one with qotgate keygen",
        )
    elif bits < RSA_GOOD_BITS:
        yield warn(
            "RSA key",
            f"{path} has {bits} bits, which the published clients accept, and which are weak.",
            "Add TLS, a VPN or an SSH tunnel on a network that you do not trust (docs/clients.md).",
        )
    else:
        yield ok("RSA key", f"{path} has {bits} bits.")


def certificate(path: Path, now: datetime | None = None) -> Iterator[Finding]:
    """The certificate of wss: its validity, and its names."""
    check = "certificate"
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        yield fail(check, f"{path} cannot be read as a certificate: {error}.", "Name a certificate in PEM.")
        return
    now = now or datetime.now(UTC)
    begins, ends = found.not_valid_before_utc, found.not_valid_after_utc
    if now < begins:
        yield fail(check, f"{path} is valid only from {begins:%Y-%m-%d} on.", "Check the machine's clock.")
    elif now > ends:
        yield fail(
            check, f"{path} has been invalid since {ends:%Y-%m-%d}.", "Renew it, then restart the gateway."
        )
    elif now > ends - SOON:
        yield warn(
            check, f"{path} is valid until {ends:%Y-%m-%d} only.", "Renew it, then restart the gateway."
        )
    else:
        yield ok(check, f"{path} is valid until {ends:%Y-%m-%d}.")
    names = _names(found)
    if names:
        yield ok(check, f"{path} is for {', '.join(names)}.")
    else:
        yield fail(
            check,
            f"{path} names no host (subjectAltName): clients take it for none.",
            "Make a certificate with the names that clients connect to.",
        )


def _names(found: x509.Certificate) -> list[str]:
    try:
        value = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = [str(address) for address in value.get_values_for_type(x509.IPAddress)]
    return [*value.get_values_for_type(x509.DNSName), *addresses]
