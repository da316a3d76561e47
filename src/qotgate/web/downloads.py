"""Whole lists, asked for by ``count=all``: a few at a time, since making one takes much memory."""

import asyncio
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from qotgate.web.problems import problem

MAX_DOWNLOADS = 2
"""Whole lists that are made at once."""
WAIT_SECONDS = 30.0
"""How long a caller waits for its turn."""


class Downloads:
    """Lets requests for a whole list take turns; others pass."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._turns = asyncio.Semaphore(MAX_DOWNLOADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if parse_qs(scope["query_string"].decode("latin-1")).get("count") != ["all"]:
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            detail = f"{MAX_DOWNLOADS} whole lists are being made: ask again in a moment, or page by page."
            await problem(503, detail, headers={"Retry-After": "10"})(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._turns.release()
