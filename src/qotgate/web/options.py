"""The options of HTTP. They import no part of the pages, which take longer to import than the gateway."""

from dataclasses import dataclass

from qotgate.limits.window import RateLimit
from qotgate.model import QotGateError, is_loopback
from qotgate.web.signing import WebhookOptions

TOKEN_LEAST = 16


@dataclass(frozen=True, slots=True)
class WebOptions:
    """Options of HTTP. ``token`` is required from callers, None for no token. ``rate_limit`` limits the API's
    own requests, by interface, None for no limit; with ``free_research``, local requests for research tables
    do not count.

    Raises QotGateError for unsafe options.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None
    rate_limit: RateLimit | None = None
    free_research: bool = False
    max_connections_per_address: int | None = None
    webhook: WebhookOptions | None = None

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise QotGateError(
                f"--http-host {self.host} is open to other machines: name a token with --http-token."
            )
        if self.token is not None and len(self.token) < TOKEN_LEAST:
            raise QotGateError(f"--http-token takes at least {TOKEN_LEAST} characters.")
