"""The HTTP API and the pages on the sample: for any request, no answer reports a failure of the gateway, each
has the headers that restrict the browser, and each has the type that it names."""

import asyncio
import csv
import io
import json
from functools import cache
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp

from fuzz.sessions import sample_questions
from qotgate.gateway import Gateway, GatewayOptions
from qotgate.web.app import make_app
from qotgate.web.options import WebOptions
from qotgate.web.safety import HEADERS
from qotgate.web.site import Site

STATUSES = {200, 204, 303, 304, 307, 400, 401, 404, 405, 406, 421, 422}
HEADERS_MOST = 8


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


@cache
def _app() -> ASGIApp:
    async def make() -> ASGIApp:
        questions = sample_questions()
        gateway = Gateway(questions, GatewayOptions(rate_limit=None))
        return make_app(Site(questions, WebOptions(), gateway))

    return _loop().run_until_complete(make())


def take_http(data: bytes) -> None:
    """Lines as in HTTP: the method and the path with its query, then headers, then a blank line and a
    body."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    method, _, whole = first.partition(b" ")
    path, _, query = whole.partition(b"?")
    # /events has no end; the server itself refuses text that is not ASCII.
    if _unquoted(path) == "/events" or not first.isascii():
        return
    headers = [(b"host", b"localhost")]
    for line in lines[:HEADERS_MOST]:
        name, colon, value = line.partition(b":")
        if colon:
            headers.append((name.strip().lower(), value.strip()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method.decode("latin-1").upper() or "GET",
        "scheme": "http",
        "path": _unquoted(path),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8080),
    }
    app = _app()
    status, told, answer = _loop().run_until_complete(_ask(app, scope, body))
    assert status in STATUSES, (status, answer)
    for header in HEADERS:
        assert header.lower().encode() in told, header
    kind = told.get(b"content-type", b"").split(b";")[0]
    if scope["method"] == "HEAD" or not answer:
        return
    if kind.endswith(b"json"):
        json.loads(answer)
    if kind == b"application/problem+json":
        assert json.loads(answer)["status"] == status
    elif kind == b"text/csv":
        rows = list(csv.reader(io.StringIO(answer.decode(), newline="")))
        assert {len(row) for row in rows} <= {len(rows[0])}


def _unquoted(path: bytes) -> str:
    """Unquotes as uvicorn does."""
    return unquote(path.decode("ascii", "ignore"))


async def _ask(app: ASGIApp, scope: dict[str, Any], body: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Any] = []
    given = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return given.pop() if given else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, *pieces = sent
    return start["status"], dict(start["headers"]), b"".join(piece.get("body", b"") for piece in pieces)
