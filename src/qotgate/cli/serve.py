"""``qotgate serve``: run the gateway."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import structlog
import typer

from qotgate.cli.options import Database, Lang, Tables, open_questions
from qotgate.cli.settings import Settings, read_settings
from qotgate.gateway import Gateway, GatewayOptions
from qotgate.gateway.allowance import RateLimit
from qotgate.service.questions import Questions


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 127.0.0.1 unless given.", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port; 11111 unless given, 0 for a free one.", show_default=False)
    ] = None,
    rate_limit: Annotated[
        str | None,
        typer.Option(
            metavar="N/SECONDSs|off",
            help="First-page requests allowed per interface; 60/30s unless given.",
            show_default=False,
        ),
    ] = None,
    rate_limit_scope: Annotated[
        str | None,
        typer.Option(
            metavar="gateway|connection",
            help="Whom the limit counts: the whole gateway unless given.",
            show_default=False,
        ),
    ] = None,
    max_connections: Annotated[
        int | None, typer.Option(help="Connections at once; 128 unless given.", show_default=False)
    ] = None,
    request_limit: Annotated[
        int | None,
        typer.Option(help="Bytes of the longest request; 1048576 unless given.", show_default=False),
    ] = None,
    keep_alive_interval: Annotated[
        int | None,
        typer.Option(
            help="Seconds between signs of life; after three in silence a connection is dropped. "
            "10 unless given.",
            show_default=False,
        ),
    ] = None,
    funds: Annotated[
        str | None,
        typer.Option(help="ARK funds to sum, comma separated; the active ones unless given."),
    ] = None,
    window_days: Annotated[
        int | None,
        typer.Option(help="Calendar days that a dynamic looks back on; 30 unless given.", show_default=False),
    ] = None,
    lang: Lang = None,
    db: Database = None,
    tables: Tables = None,
) -> None:
    """Answer the published clients on TCP, until Ctrl-C or SIGTERM."""
    settings = read_settings(
        host=host,
        port=port,
        rate_limit=rate_limit,
        rate_limit_scope=rate_limit_scope,
        max_connections=max_connections,
        request_limit=request_limit,
        keep_alive_interval=keep_alive_interval,
        funds=funds,
        window_days=window_days,
        lang=lang,
        db=db,
        tables=tables,
    )
    configure_log()
    options = gateway_options(settings)
    with open_questions(settings) as questions:
        run_loop(run_gateway(questions, options, lambda found: _announce(found, settings)))


def gateway_options(settings: Settings) -> GatewayOptions:
    """The gateway's share of the options. Raises QotGateError."""
    return GatewayOptions(
        host=settings.host,
        port=settings.port,
        max_connections=settings.max_connections,
        keep_alive_interval=settings.keep_alive_interval,
        request_limit=settings.request_limit,
        rate_limit=RateLimit.parse(settings.rate_limit),
        rate_limit_scope=settings.rate_limit_scope,
        lang=settings.lang,
    )


async def run_gateway(
    questions: Questions, options: GatewayOptions, listening: Callable[[list[str]], bool]
) -> None:
    """Serve until SIGINT or SIGTERM.

    ``listening`` is called in a thread with the addresses, HOST:PORT, once the gateway serves; where it
    gives False, the gateway stops.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    gateway = Gateway(questions, options)
    try:
        addresses = await gateway.start()
        if await asyncio.to_thread(listening, [f"{host}:{port}" for host, port in addresses]):
            await stopped.wait()
    finally:
        await gateway.stop()


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run ``main`` in the fastest event loop that the platform has."""
    loop_factory = None
    if sys.platform != "win32":
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main)


def configure_log() -> None:
    """Log lines to standard error: coloured on a terminal, JSON elsewhere."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _announce(addresses: list[str], settings: Settings) -> bool:
    where = " and ".join(addresses)
    typer.echo(f"qotgate listens on {where} and answers from {settings.db}; Ctrl-C stops it.")
    sys.stdout.flush()
    return True
