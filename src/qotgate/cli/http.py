"""HTTP beside the gateway: the API and the pages, where they are wanted and their port is free."""

import socket
from typing import TYPE_CHECKING

import typer

from qotgate.cli.settings import Settings
from qotgate.gateway import Gateway
from qotgate.gateway.listening import listen
from qotgate.limits.window import RateLimit
from qotgate.model import QotGateError
from qotgate.service.questions import Questions

if TYPE_CHECKING:
    from qotgate.web.server import WebServer
    from qotgate.web.site import WebOptions

DEFAULT_PORT = 8080


def listen_for_http(settings: Settings, *, share: bool = False) -> list[socket.socket]:
    """Listen for HTTP; nothing where it is not wanted, or nobody named a port and the default one is taken.

    Raises QotGateError.
    """
    if settings.no_http:
        return []
    web_options(settings)
    host, port = settings.http_host, http_port(settings)
    try:
        (found,) = listen(host, port, share=share)
    except QotGateError as error:
        reason = str(error).partition(": ")[2].rpartition(";")[0]
        if settings.http_port is not None:
            raise QotGateError(
                f"Cannot serve HTTP on {host}:{port}: {reason}; name another --http-port."
            ) from error
        typer.echo(
            f"qotgate: no pages: {host}:{port} cannot be used ({reason}); name an --http-port.", err=True
        )
        return []
    for one in found[1:]:
        one.close()
    return found[:1]


def http_port(settings: Settings) -> int:
    return DEFAULT_PORT if settings.http_port is None else settings.http_port


def make_http(questions: Questions, settings: Settings, gateway: Gateway) -> "WebServer":
    """What serves HTTP, once it is started. Raises QotGateError."""
    from qotgate.web.server import WebServer

    return WebServer(questions, web_options(settings), gateway)


def web_options(settings: Settings) -> "WebOptions":
    """HTTP's share of the options. Raises QotGateError for options that are not safe."""
    # Imported late: a command that serves nothing would take twice as long to start.
    from qotgate.web.site import WebOptions

    token = settings.http_token
    return WebOptions(
        host=settings.http_host,
        port=http_port(settings),
        token=token.get_secret_value() if token else None,
        max_connections_per_address=settings.max_connections_per_address,
        rate_limit=RateLimit.parse(settings.rate_limit),
    )
