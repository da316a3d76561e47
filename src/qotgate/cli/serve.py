"""``qotgate serve``: run the gateway."""

import asyncio
import gc
import signal
import ssl
import sys
from collections.abc import Callable, Coroutine
from hashlib import md5
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qotgate.cli.http import start_http
from qotgate.cli.log import configure_log
from qotgate.cli.options import Database, Funds, Lang, Tables, WindowDays, open_questions
from qotgate.cli.settings import Settings, read_settings
from qotgate.gateway import Gateway, GatewayOptions, WebSocketOptions
from qotgate.gateway.allowance import RateLimit
from qotgate.model import QotGateError
from qotgate.protocol.cipher import RsaKey
from qotgate.service.questions import Questions
from qotgate.store.database import shown

if TYPE_CHECKING:
    from qotgate.gateway.shared import SharedLimits

OTHER_FILES = 128
"""Files that a gateway opens beside its connections: the database, pipes, a certificate; generously."""


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
    limit_store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Redis or Valkey where all gateways on it count one allowance, redis://HOST:PORT/NUMBER; "
            "with a password, rather name it as QOTGATE_LIMIT_STORE.",
            show_default=False,
        ),
    ] = None,
    limit_store_down: Annotated[
        str | None,
        typer.Option(
            metavar="local|refuse",
            help="While that is away: the gateway's own allowance, unless given, or refuse what counts.",
            show_default=False,
        ),
    ] = None,
    max_connections: Annotated[
        int | None, typer.Option(help="Connections at once; 128 unless given.", show_default=False)
    ] = None,
    max_connections_per_address: Annotated[
        int | None,
        typer.Option(help="Connections at once from one address; any unless given.", show_default=False),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that serve together, on the same ports and within the same limits; "
            "1 unless given.",
            show_default=False,
        ),
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
    funds: Funds = None,
    window_days: WindowDays = None,
    rsa_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="RSA key (PKCS#1 PEM) that clients encrypt with.", show_default=False
        ),
    ] = None,
    allow_plaintext: Annotated[
        bool | None,
        typer.Option(
            "--allow-plaintext", help="With a key, take clients without it too.", show_default=False
        ),
    ] = None,
    websocket_port: Annotated[
        int | None,
        typer.Option(
            help="Port for JavaScript clients, 33333 in their examples; off unless given.", show_default=False
        ),
    ] = None,
    websocket_host: Annotated[
        str | None, typer.Option(help="Its address; 127.0.0.1 unless given.", show_default=False)
    ] = None,
    websocket_key: Annotated[
        str | None, typer.Option(help="Key that its clients must name.", show_default=False)
    ] = None,
    websocket_key_md5: Annotated[
        str | None,
        typer.Option(help="That key's MD5 in hexadecimal, instead of the key.", show_default=False),
    ] = None,
    websocket_origins: Annotated[
        str | None,
        typer.Option(
            metavar="ORIGIN,...|*",
            help="Web sites whose pages may connect; those of this machine unless given.",
            show_default=False,
        ),
    ] = None,
    websocket_cert: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Certificate (PEM) for wss.", show_default=False),
    ] = None,
    websocket_private_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The certificate's private key (PEM).", show_default=False),
    ] = None,
    http_port: Annotated[
        int | None,
        typer.Option(help="Port of the pages and the HTTP API; 8080 unless given.", show_default=False),
    ] = None,
    http_host: Annotated[
        str | None, typer.Option(help="Its address; 127.0.0.1 unless given.", show_default=False)
    ] = None,
    http_token: Annotated[
        str | None,
        typer.Option(help="Token that callers must know, required beyond loopback.", show_default=False),
    ] = None,
    no_http: Annotated[
        bool | None, typer.Option("--no-http", help="Serve no pages and no HTTP API.", show_default=False)
    ] = None,
    lang: Lang = None,
    db: Database = None,
    tables: Tables = None,
) -> None:
    """Answer the published clients on TCP, on WebSocket where asked to, and browsers on HTTP, until Ctrl-C or
    SIGTERM."""
    settings = read_settings(**locals())
    options = gateway_options(settings)
    allow_files(options.max_connections)
    if settings.workers > 1:
        if sys.platform == "win32":
            raise QotGateError("--workers takes 1 on this system, which cannot fork.")
        # Imported late, as it needs what not every system has.
        from qotgate.cli.workers import serve_by_workers

        serve_by_workers(settings, options)
        return
    configure_log()
    with open_questions(settings) as questions:
        run_loop(run_gateway(questions, options, lambda found: announce(found, settings), http=settings))


def allow_files(connections: int) -> None:
    """Let the process open a file for each of ``connections``, and as many more as may be: one that is not
    through with TLS has no place yet, and takes a file. Raises QotGateError."""
    if sys.platform == "win32":
        return
    import resource

    wanted = connections + OTHER_FILES
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return
    if most == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(allowed, wanted), most))
        return
    if wanted > most:
        raise QotGateError(
            f"--max-connections {connections} takes {wanted} open files, and the system allows {most}; "
            "raise that with ulimit -n."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def gateway_options(settings: Settings) -> GatewayOptions:
    """The gateway's share of the options. Raises QotGateError."""
    rate_limit = RateLimit.parse(settings.rate_limit)
    if settings.limit_store is not None and rate_limit is None:
        raise QotGateError("--limit-store has nothing to count with --rate-limit off: leave one of them out.")
    return GatewayOptions(
        host=settings.host,
        port=settings.port,
        max_connections=settings.max_connections,
        max_connections_per_address=settings.max_connections_per_address,
        keep_alive_interval=settings.keep_alive_interval,
        request_limit=settings.request_limit,
        rate_limit=rate_limit,
        rate_limit_scope=settings.rate_limit_scope,
        limit_store=settings.limit_store.get_secret_value() if settings.limit_store else None,
        limit_store_down=settings.limit_store_down,
        lang=settings.lang,
        rsa_key=RsaKey.load(settings.rsa_key) if settings.rsa_key else None,
        allow_plaintext=settings.allow_plaintext,
        websocket=_websocket_options(settings),
    )


def _websocket_options(settings: Settings) -> WebSocketOptions | None:
    if settings.websocket_port is None:
        return None
    cert, private_key = settings.websocket_cert, settings.websocket_private_key
    if (cert is None) != (private_key is None):
        raise QotGateError("--websocket-cert and --websocket-private-key go together.")
    if cert is None and not _is_loopback(settings.websocket_host):
        raise QotGateError(
            f"--websocket-host {settings.websocket_host} is open to other machines: "
            "name a certificate with --websocket-cert and --websocket-private-key."
        )
    key_md5 = settings.websocket_key_md5
    if settings.websocket_key is not None and key_md5 is not None:
        raise QotGateError("--websocket-key and --websocket-key-md5 name one key: give one of them.")
    if settings.websocket_key is not None:
        # The interface's own form of a password; MD5 hides it from a glance, no more.
        key_md5 = md5(settings.websocket_key.get_secret_value().encode(), usedforsecurity=False).hexdigest()
    tls = None if cert is None or private_key is None else _tls(cert, private_key)
    return WebSocketOptions(
        settings.websocket_host, settings.websocket_port, key_md5, tls, settings.websocket_origins
    )


def _tls(cert: Path, private_key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, private_key)
    except OSError as error:  # of which ssl.SSLError is one
        raise QotGateError(
            f"The certificate {cert} and private key {private_key} cannot be used: {error.strerror or error}."
        ) from error
    return context


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def run_gateway(
    questions: Questions,
    options: GatewayOptions,
    listening: Callable[[list[str]], bool],
    limits: "SharedLimits | None" = None,
    orphaned: int | None = None,
    http: Settings | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    ``listening`` is called in a thread with the addresses once the gateway serves; where it
    gives False, the gateway stops. ``limits`` are shared with other processes; ``orphaned`` is a file
    descriptor that ends the gateway when it can be read. ``http`` are the options of the pages and the HTTP
    API, None where another process serves them.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    if orphaned is not None:
        loop.add_reader(orphaned, stopped.set)
    gateway = Gateway(questions, options, limits)
    pages = None
    try:
        addresses = await gateway.start()
        if http is not None:
            pages = await start_http(questions, http, gateway)
            addresses += [pages.url] if pages else []
        # What is there now stays; looking through it again and again would only cause pauses.
        gc.freeze()
        if await asyncio.to_thread(listening, addresses):
            await stopped.wait()
    finally:
        if pages is not None:
            await pages.stop()
        await gateway.stop()


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run ``main`` in the fastest event loop that the platform has."""
    loop_factory = None
    if sys.platform != "win32":
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main)


def announce(addresses: list[str], settings: Settings) -> bool:
    """Print where the gateway listens, and a warning where others may listen in."""
    where = " and ".join(addresses)
    typer.echo(f"qotgate listens on {where} and answers from {shown(settings.db)}; Ctrl-C stops it.")
    sys.stdout.flush()
    if (settings.rsa_key is None or settings.allow_plaintext) and not _is_loopback(settings.host):
        typer.echo(
            f"qotgate: warning: {settings.host} is open to other machines, and not all is encrypted: whoever "
            "reaches the port can ask, and whoever is on the way can read and change answers. "
            "Name a key with --rsa-key, and leave out --allow-plaintext.",
            err=True,
        )
    return True
