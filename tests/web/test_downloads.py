"""Whole lists are made two at a time; other requests do not wait for them."""

import asyncio
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from qotgate.web import downloads
from qotgate.web.downloads import MAX_DOWNLOADS, Downloads


def test_sixty_callers_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    now = most = done = 0
    hold = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal now, most, done
        if scope["query_string"] == b"count=5":
            done += 100
            return
        now += 1
        most = max(most, now)
        await hold.wait()
        now -= 1
        done += 1

    async def scenario() -> None:
        one = Downloads(app)
        statuses: list[int] = []

        async def send(message: Any) -> None:
            statuses.append(message.get("status", 0))

        def ask(query: bytes) -> "asyncio.Task[None]":
            scope = {"type": "http", "query_string": query, "path": "/api/v1/ratings/changes", "headers": []}
            return asyncio.create_task(one(scope, None, send))  # type: ignore[arg-type]

        asked = [ask(b"market=US&count=all") for _ in range(60)]
        await ask(b"count=5")
        assert (most, done) == (MAX_DOWNLOADS, 100)
        hold.set()
        await asyncio.gather(*asked)
        assert (most, done) == (MAX_DOWNLOADS, 160)
        monkeypatch.setattr(downloads, "WAIT_SECONDS", 0.05)
        hold.clear()
        asked = [ask(b"count=all") for _ in range(3)]
        await asked[2]
        assert statuses[0] == 503
        hold.set()
        await asyncio.gather(*asked)

    asyncio.run(scenario())
