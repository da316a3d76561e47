"""Reads the body of a request in full before anything else handles the request, or refuses it.

Only two small forms and agents' messages have bodies. A larger or incomplete body is refused for every method
and path, before tokens, routes or the database are involved.
"""

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qotgate.web.problems import problem

MAX_BODY = 4096
"""Largest body of a request, in bytes."""
LARGER = {"/mcp": 1 << 16}
"""The same for paths with longer messages."""
CLOSE = {"Connection": "close"}

log = structlog.get_logger()


class Bodies:
    """Passes requests on with their whole body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        most = LARGER.get(scope["path"], MAX_BODY)
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or length != "0":
            body, more = b"", True
            too_large = len(length) > len(str(most)) or int(length) > most
            while more and not too_large:
                message = await receive()
                if message["type"] == "http.disconnect":
                    log.debug("request broken off", path=scope["path"])
                    await problem(400, "The request ended before its body did.")(scope, receive, send)
                    return
                body += message.get("body", b"")
                more = message.get("more_body", False)
                too_large = len(body) > most
            if too_large:
                refusal = problem(413, f"A request's body has at most {most} bytes here.", headers=CLOSE)
                await refusal(scope, receive, send)
                return
            receive = _again(body, receive)
        await self._app(scope, receive, send)


def _again(body: bytes, receive: Receive) -> Receive:
    """A receive function that returns the body, and then whatever else arrives."""
    given = False

    async def read() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return read
