"""``qotgate serve``: run the gateway."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from qotgate.cli.options import Database, Funds, Lang, Tables, WindowDays
from qotgate.model import QotGateError
from qotgate.serving.configuration import Configuration
from qotgate.serving.settings import read_settings


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
    upstream: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="OpenD that answers all but the gateway's own questions; none unless given.",
            show_default=False,
        ),
    ] = None,
    upstream_rsa_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The RSA key (PKCS#1 PEM) that OpenD has.", show_default=False),
    ] = None,
    upstream_encryption: Annotated[
        str | None,
        typer.Option(
            metavar="aes_cbc|aes_ecb|ftaes_ecb",
            help="The cipher towards OpenD with that key; aes_cbc unless given.",
            show_default=False,
        ),
    ] = None,
    upstream_for: Annotated[
        str | None,
        typer.Option(
            metavar="3426,...",
            help="Those of the gateway's own questions (3423 to 3426) that OpenD answers, too.",
            show_default=False,
        ),
    ] = None,
    upstream_trade: Annotated[
        bool | None,
        typer.Option(
            "--upstream-trade",
            help="Pass on trading requests; from other machines only over encrypted connections.",
            show_default=False,
        ),
    ] = None,
    upstream_cache: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where OpenD's answers that do not change are kept; nowhere unless given.",
            show_default=False,
        ),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --upstream, record there what OpenD says, without what is personal.",
            show_default=False,
        ),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Answer from a recording in place of OpenD.", show_default=False),
    ] = None,
    replay_speed: Annotated[
        float | None,
        typer.Option(
            help="How many times as fast as they were recorded pushes come; 1 unless given, 0 for at once.",
            show_default=False,
        ),
    ] = None,
    replay_strict: Annotated[
        bool | None,
        typer.Option("--replay-strict", help="Take requests only in the recorded order.", show_default=False),
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
    handover: Annotated[
        Path | None,
        typer.Option(
            metavar="SOCKET",
            help="Where to take over from a gateway that serves, and to be taken over by the next; "
            "nowhere unless given. Linux only.",
            show_default=False,
        ),
    ] = None,
    drain_seconds: Annotated[
        float | None,
        typer.Option(
            help="Seconds that answers under way are given when it stops; 5 unless given.", show_default=False
        ),
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(
            metavar="debug|info|warning|error",
            help="What is logged; info unless given, and debug has a line for each request.",
            show_default=False,
        ),
    ] = None,
    log_format: Annotated[
        str | None,
        typer.Option(
            metavar="text|json",
            help="Lines of text or of JSON; text on a terminal and JSON elsewhere unless given.",
            show_default=False,
        ),
    ] = None,
    slow_seconds: Annotated[
        float | None,
        typer.Option(
            help="Seconds from which on a request is logged as slow; 1 unless given, 0 for never.",
            show_default=False,
        ),
    ] = None,
    lang: Lang = None,
    db: Database = None,
    tables: Tables = None,
) -> None:
    """Answer the published clients on TCP, on WebSocket where asked to, and browsers on HTTP, until Ctrl-C or
    SIGTERM."""
    flags = dict(locals())
    configuration = Configuration.of(read_settings(**flags))
    if configuration.settings.workers > 1:
        if sys.platform == "win32":
            raise QotGateError("--workers takes 1 on this system, which cannot fork.")
        # Imported late, as it needs what not every system has.
        from qotgate.serving.workers import serve_by_workers

        serve_by_workers(configuration, flags)
    else:
        from qotgate.serving.alone import serve_alone

        serve_alone(configuration, flags)
