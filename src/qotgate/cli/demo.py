"""``qotgate demo``: the sample data, a gateway on it, and some answers."""

import tempfile
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

import click

from qotgate.cli import options
from qotgate.cli.words import say
from qotgate.gateway import GatewayOptions
from qotgate.model import ACTIVE_FUNDS, Market, QotGateError
from qotgate.service.loading import find_files, load
from qotgate.service.reference import load_reference
from qotgate.serving.alone import run_alone
from qotgate.serving.configuration import Configuration
from qotgate.serving.listening import Listening, listen_for
from qotgate.serving.log import configure_log
from qotgate.serving.opening import open_questions, open_store
from qotgate.serving.running import run_loop
from qotgate.serving.settings import read_settings
from qotgate.serving.sockets import Sockets, listen_for_http

CODES = ("US.TSLA", "US.ROKU", "US.ZM", "US.COIN")


@click.command()
@click.option(
    "--port", type=int, metavar="NUMBER", help="Port, 0 for a free one; default 11111 if it is free."
)
@click.option("--once", is_flag=True, envvar="DEMO_ONCE", show_envvar=True, help="Stop after the answers.")
@options.lang
def demo(port: int | None, once: bool, lang: str | None) -> None:
    """Load the synthetic sample into a temporary database, serve it, and ask a few questions.

    Your own database is not changed.
    """
    configure_log()
    with tempfile.TemporaryDirectory(prefix="qotgate-demo-") as folder:
        # Fixed options where the user's could break the demo: a key, for example, would lock its own client
        # out.
        database = f"sqlite:///{Path(folder) / 'demo.db'}"
        settings = read_settings(
            port=port, lang=lang, db=database, funds=ACTIVE_FUNDS, window_days=30, no_http=once or None
        )
        gateway = GatewayOptions(port=settings.port, lang=settings.lang)
        reference = load_reference(settings.tables)
        with open_store(settings) as store, as_file(files("qotgate") / "sample") as sample:
            report = load(store, reference, find_files([sample]))
        rows = sum(report.rows.values())
        click.echo(say("Loaded {files} synthetic files: {rows} rows.", files=report.read, rows=rows))
        with open_questions(settings) as questions:
            listening = _listen(gateway, named=port is not None)
            listening.http.extend(listen_for_http(settings))
            configuration = Configuration(settings, gateway, reference, {})
            run_loop(
                run_alone(
                    questions,
                    configuration,
                    Sockets([listening], None),
                    listening=lambda found: _talk(found, once=once),
                )
            )


def _listen(gateway: GatewayOptions, *, named: bool) -> Listening:
    try:
        return listen_for(gateway)
    except QotGateError:
        if named:
            raise
        taken = "Port {port} is taken, as by an OpenD of your own: the demo takes a free one."
        click.echo(say(taken, port=gateway.port))
        return listen_for(replace(gateway, port=0))


def _talk(addresses: list[str], *, once: bool) -> bool:
    host, port = addresses[0].rsplit(":", 1)
    click.echo(say("The gateway listens on {address}.", address=addresses[0]))
    _ask(host, int(port))
    if not once:
        stays = (
            'It stays up for scripts on futu-api, moomoo-api or qotgate: OpenQuoteContext(host="{host}", '
            "port={port}). Ctrl-C stops it."
        )
        click.echo("\n" + say(stays, host=host, port=port))
        for page in addresses[1:]:
            click.echo(say("Its pages: {page}", page=page))
    return not once


def _ask(host: str, port: int) -> None:
    # Imported late: other commands need no client.
    from qotgate import RET_OK, OpenQuoteContext

    with OpenQuoteContext(host=host, port=port) as quote:
        for code in CODES:
            ret, data = quote.get_ark_stock_dynamic(code)
            if ret != RET_OK:
                raise QotGateError(data)
            click.echo(f"\n>>> get_ark_stock_dynamic({code!r})")
            for name, value in data.items():
                click.echo(f"{name}: {value}")
        _, table, _, all_count = quote.get_rating_change(Market.US, count=2)
        if isinstance(table, str):
            raise QotGateError(table)
        click.echo(
            f"\n>>> get_rating_change(Market.US, count=2)   # {say('{count} in all', count=all_count)}"
        )
        click.echo(table.to_string())
