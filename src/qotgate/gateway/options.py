"""The options of a gateway, filled in by the command line, the demo and the tests."""

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from qotgate.limits.allowance import WhenDown
from qotgate.limits.window import DEFAULT_LIMIT, RateLimit
from qotgate.model import Language
from qotgate.protocol.frame import REQUEST_LIMIT

if TYPE_CHECKING:
    from qotgate.protocol.cipher import RsaKey


@dataclass(frozen=True, slots=True)
class WebSocketOptions:
    """Options of the WebSocket side. ``key_md5`` is the hexadecimal MD5 of the key that clients must send,
    None for no key; ``tls`` makes it wss. ``origins`` are the web sites whose pages may connect, besides the
    pages of this machine."""

    host: str = "127.0.0.1"
    port: int = 33333
    key_md5: str | None = None
    tls: ssl.SSLContext | None = None
    origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """Options of a gateway. Times are in seconds, sizes in bytes; ``rate_limit`` None is no limit."""

    host: str = "127.0.0.1"
    port: int = 11111
    max_connections: int = 128
    max_connections_per_address: int | None = None
    keep_alive_interval: int = 10
    request_limit: int = REQUEST_LIMIT
    rate_limit: RateLimit | None = DEFAULT_LIMIT
    free_research: bool = False
    """Whether local clients read research tables without counting towards the limit."""
    rate_limit_scope: Literal["gateway", "connection"] = "gateway"
    limit_store: str | None = field(default=None, repr=False)
    """URL of the Redis where gateways count requests together; it may contain a password."""
    limit_store_down: WhenDown = "local"
    lang: Language = "zh"
    rsa_key: "RsaKey | None" = None
    allow_plaintext: bool = False
    websocket: WebSocketOptions | None = None
    drain_seconds: float = 5.0
    """Time that pending answers get when the gateway stops."""
    log_requests: bool = False
    """Whether to log each request."""
    slow_seconds: float = 1.0
    """Requests that take longer are logged in any case; 0 for never."""
