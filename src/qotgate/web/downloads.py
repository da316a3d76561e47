"""Limits the work for whole lists (``count=all``) and research tables: they are made in parts, a few at a
time.

A caller holds a slot while a part of its list is made, and none while it reads. So a slow reader occupies its
connection and one part in memory, and delays no other. (A reader that stops is disconnected; see
:mod:`qotgate.web.connections`.)
"""

import asyncio
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qotgate.web.problems import problem

RESEARCH_PATH = "/api/v1/research/"
MAX_DOWNLOADS = 2
"""Parts of whole lists made at once."""
WAIT_SECONDS = 30.0
"""Time that a caller waits for its first slot."""


class Downloads:
    """Makes requests for a whole list take turns; other requests pass."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._turns = asyncio.Semaphore(MAX_DOWNLOADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_whole(scope):
            await self._app(scope, receive, send)
            return
        turn = _Turn(self._turns)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await turn.acquire()
        except TimeoutError:
            detail = f"{MAX_DOWNLOADS} whole lists are being made: ask again in a moment, or page by page."
            await problem(503, detail, headers={"Retry-After": "10"})(scope, receive, send)
            return

        async def send_out_of_turn(message: Message) -> None:
            turn.release()
            await send(message)
            if message.get("more_body", message["type"] == "http.response.start"):
                await turn.acquire()

        try:
            await self._app(scope, receive, send_out_of_turn)
        finally:
            turn.release()


def _is_whole(scope: Scope) -> bool:
    """Whether a request is for a whole list."""
    if scope["path"].startswith(RESEARCH_PATH):
        return True
    return parse_qs(scope["query_string"].decode("latin-1")).get("count") == ["all"]


class _Turn:
    """One of the slots, or none."""

    def __init__(self, turns: asyncio.Semaphore) -> None:
        self._turns = turns
        self._taken = False

    async def acquire(self) -> None:
        await self._turns.acquire()
        self._taken = True

    def release(self) -> None:
        if self._taken:
            self._taken = False
            self._turns.release()
