"""The id of an HTTP request: in its answer, on an error page, and in the log.

A caller may send an id, so that its log and the gateway's refer to the same request; an id that is unsafe in
a log or a header is replaced.
"""

import re
import secrets
from contextvars import ContextVar

from starlette.datastructures import Headers
from starlette.types import Scope

HEADER = "X-Request-ID"
_HARMLESS = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

current: ContextVar[str] = ContextVar("qotgate_request_id", default="")
"""The id of the current request."""


def id_of(scope: Scope) -> str:
    """The caller's own id, else a new one."""
    brought = Headers(scope=scope).get(HEADER, "")
    return brought if _HARMLESS.fullmatch(brought) else secrets.token_hex(8)


def peer_of(scope: Scope) -> str:
    """The client's address, as HOST:PORT."""
    host, port = scope.get("client") or ("", 0)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
