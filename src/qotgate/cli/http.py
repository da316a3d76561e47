"""HTTP beside the gateway: the API and the pages, where they are wanted and their port is free."""

from typing import TYPE_CHECKING

import typer

from qotgate.cli.settings import Settings
from qotgate.gateway import Gateway
from qotgate.gateway.allowance import RateLimit
from qotgate.model import QotGateError
from qotgate.service.questions import Questions

if TYPE_CHECKING:
    from qotgate.web.server import WebServer
    from qotgate.web.site import WebOptions

DEFAULT_PORT = 8080


def web_options(settings: Settings) -> "WebOptions":
    """The pages' share of the options. Raises QotGateError where they are not safe."""
    from qotgate.web.site import WebOptions

    token = settings.http_token
    return WebOptions(
        host=settings.http_host,
        port=DEFAULT_PORT if settings.http_port is None else settings.http_port,
        token=token.get_secret_value() if token else None,
        max_connections_per_address=settings.max_connections_per_address,
        rate_limit=RateLimit.parse(settings.rate_limit),
    )


async def start_http(questions: Questions, settings: Settings, gateway: Gateway) -> "WebServer | None":
    """Serve HTTP in the running event loop; None where it is not wanted, or nobody named a port and the
    default one is taken. Raises QotGateError."""
    if settings.no_http:
        return None
    # Imported late: a command that serves nothing would take twice as long to start.
    from qotgate.web.server import WebServer

    options = web_options(settings)
    server = WebServer(questions, options, gateway)
    try:
        await server.start()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        if settings.http_port is not None:
            raise QotGateError(
                f"Cannot serve HTTP on {options.host}:{options.port}: {reason}; name another --http-port."
            ) from error
        typer.echo(
            f"qotgate: no pages: {options.host}:{options.port} cannot be used ({reason}); "
            "name an --http-port.",
            err=True,
        )
        return None
    return server
