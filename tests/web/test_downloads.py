"""Whole lists are made in parts, as they are read, two parts at a time; other requests do not wait for
them."""

import asyncio
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import httpx
import polars as pl
import pytest
from starlette.types import Message, Receive, Scope, Send

from qotgate.service.loading.unloading import unload
from qotgate.service.ratings.changes import rating_listing
from qotgate.service.reference import Reference
from qotgate.store import Store
from qotgate.web import api, downloads
from qotgate.web.app import make_app
from qotgate.web.downloads import MAX_DOWNLOADS, Downloads
from tests.support.in_process import run_alone, web_in_process

CHANGES = "/api/v1/ratings/changes"
NOTES = "ticker,firm,rating,price_target,date\n"


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
            return asyncio.create_task(one(scope, None, send))

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


def test_a_caller_who_reads_has_no_turn() -> None:
    read = asyncio.Event()
    made = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal made
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(3):
            made += 1
            await send({"type": "http.response.body", "body": b"part", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def scenario() -> None:
        one = Downloads(app)

        async def slow(message: Message) -> None:
            if message.get("body"):
                await read.wait()

        async def quick(message: Message) -> None:
            pass

        def ask(send: Send) -> "asyncio.Task[None]":
            scope = {"type": "http", "query_string": b"count=all", "path": CHANGES, "headers": []}
            return asyncio.create_task(one(scope, None, send))

        asked = [ask(slow) for _ in range(60)]
        await asyncio.wait_for(ask(quick), 20)
        assert made == 60 + 3
        for gone in asked[:30]:
            gone.cancel()
        read.set()
        done = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(one) for one in done] == [asyncio.CancelledError] * 30 + [type(None)] * 30
        assert one._turns._value == MAX_DOWNLOADS

    asyncio.run(scenario())


class Reader:
    """Reads an answer message by message into ``body``."""

    def __init__(self, app: Any, query: str) -> None:
        self.status, self.body = 0, b""
        self.gone = asyncio.Event()
        self._sent: asyncio.Queue[Message] = asyncio.Queue()
        self._taken = asyncio.Semaphore(0)
        path, _, query = f"{CHANGES}{query}".partition("?")
        headers = [(b"host", b"127.0.0.1")]
        scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode()}
        scope |= {"headers": headers, "asgi": {"spec_version": "2.3"}, "client": ("127.0.0.1", 1)}
        scope |= {"server": ("127.0.0.1", 80), "scheme": "http", "root_path": "", "state": {}}
        self.answered = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        await self._sent.put(message)
        await self._taken.acquire()

    async def take(self) -> None:
        """Read one message."""
        message = await asyncio.wait_for(self._sent.get(), 20)
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")
        self._taken.release()

    async def rest(self) -> None:
        while not self.answered.done() or not self._sent.empty():
            if self._sent.empty():
                await asyncio.sleep(0.001)
            else:
                await self.take()
        await self.answered


def notes(first: int, last: int, day: str = "2026-06-01") -> str:
    return NOTES + "".join(f"AA{number},UBS,Buy,{number},{day}\n" for number in range(first, last))


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Parts of two rows; yields the number of rows of each part made."""
    made: list[int] = []
    plain = rating_listing

    def counted(*arguments: Any, **options: Any) -> Any:
        found = plain(*arguments, **options)
        made.append(len(found.rows))
        return found

    monkeypatch.setattr(api, "PART_ROWS", 2)
    monkeypatch.setattr(api, "rating_listing", counted)
    return made


def test_a_part_is_made_when_the_one_before_is_read(
    store: Store, load_text: Callable[..., Any], parts: list[int]
) -> None:
    load_text(notes=notes(10, 19))

    async def scenario() -> None:
        async with web_in_process(store.url) as (_, site):
            app = make_app(site)
            gone, slow = Reader(app, "?count=all"), Reader(app, "?count=all")
            await gone.take()
            await gone.take()
            await slow.take()
            while len(parts) < 3:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.05)
            assert parts == [2, 2, 2]
            gone.gone.set()
            await gone.answered
            # A load in between belongs to a later state of the data.
            await asyncio.to_thread(load_text, later=notes(30, 40, "2026-06-02"))
            await slow.rest()
            assert parts[3:] == [2, 2, 2, 1]
            told = json.loads(slow.body)
            assert (told["all_count"], told["next_page"]) == (9, None)
            assert [row["security"] for row in told["rows"]] == [f"US.AA{n}" for n in range(18, 9, -1)]

    run_alone(scenario())


def test_whole_lists_are_the_same_in_each_format(
    store: Store, load_text: Callable[..., Any], parts: list[int]
) -> None:
    load_text(notes=notes(10, 15) + "=Z,UBS,Buy,,2026-06-03\n")

    async def scenario() -> None:
        async with web_in_process(store.url) as (web, _):
            for query in ("?count=all", "?count=all&security=US.AA12", "?count=all&security=US.NONE"):
                rows = (await web.get(f"{CHANGES}{query}")).json()["rows"]
                csv = (await web.get(f"{CHANGES}.csv{query}")).content
                parquet = (await web.get(f"{CHANGES}.parquet{query}")).content
                for table in (pl.read_csv(csv), pl.read_parquet(BytesIO(parquet))):
                    assert table["security"].to_list() == [row["security"] for row in rows]
                assert csv.count(b"security,name") == 1
            first = (await web.get(f"{CHANGES}?count=2")).json()
            rest = (await web.get(CHANGES, params={"count": "all", "page": first["next_page"]})).json()
            whole = (await web.get(f"{CHANGES}?count=all")).json()
            assert first["rows"] + rest["rows"] == whole["rows"]
            assert len(whole["rows"]) == whole["all_count"] == rest["all_count"] == 5

    run_alone(scenario())


def test_a_list_whose_file_is_taken_out_meanwhile_is_broken_off(
    store: Store,
    load_text: Callable[..., Any],
    reference: Reference,
    parts: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    number = load_text(notes=notes(10, 19)).number

    async def scenario() -> None:
        async with web_in_process(store.url) as (web, site):
            slow = Reader(make_app(site), ".csv?count=all")
            await slow.take()
            await asyncio.to_thread(unload, store, reference, load_id=number)
            await slow.rest()
            # No end was sent.
            assert (slow.status, slow.body.count(b"\n")) == (200, 3)
            assert (await web.get(f"{CHANGES}?count=all")).status_code == 404

    run_alone(scenario())
    assert "answer broken off" in caplog.text


def test_an_error_of_the_first_part_is_an_answer(store: Store) -> None:
    async def scenario() -> list[httpx.Response]:
        async with web_in_process(store.url) as (web, _):
            return [await web.get(f"{CHANGES}{suffix}?count=all") for suffix in ("", ".csv", ".parquet")]

    for answer in run_alone(scenario()):
        assert (answer.status_code, answer.json()["code"]) == (404, "no_notes")
