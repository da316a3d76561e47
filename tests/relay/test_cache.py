"""Which of OpenD's answers are cached, and for how long."""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from qotgate.model import QotGateError
from qotgate.protocol.frame import JSON, PROTOBUF, Frame
from qotgate.relay.cache import DAY, RULES, AnswerCache
from qotgate.relay.opend import OpenD, OpenDOptions, own_login
from tests.relay.test_link import SECURITY, Listener, asked
from tests.support.opend import ScriptedOpenD, scripted_opend
from tests.support.opend_messages import message, request, response

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()
LAST_SETTLED = "2026-03-08"
KLINE = {
    "rehabType": 0,
    "klType": 2,
    "security": SECURITY,
    "beginTime": "2025-01-01",
    "endTime": "2025-03-01",
}


def kline(end: str = LAST_SETTLED, rehab: int = 0, **more: Any) -> Frame:
    body = request(
        3103, rehabType=rehab, klType=2, security=SECURITY, beginTime="2026-01-01", endTime=end, **more
    )
    return Frame(3103, PROTOBUF, 1, body)


@pytest.mark.parametrize(
    ("frame", "kept"),
    [
        (kline(), True),
        (kline(rehab=2), True),
        (kline(f"{LAST_SETTLED} 23:59:59"), True),
        (kline("2026-03-09"), False),
        (kline(rehab=1), False),
        (kline(nextReqKey=b"more"), True),
        (kline("soon"), False),
        (kline()._replace(body_format=JSON), False),
        (kline()._replace(body=b"\xff\xff"), False),
        (kline()._replace(proto_id=3203), False),
        (
            Frame(3219, PROTOBUF, 1, request(3219, market=2, beginTime="2025-01-01", endTime=LAST_SETTLED)),
            True,
        ),
        (
            Frame(3219, PROTOBUF, 1, request(3219, market=2, beginTime="2025-01-01", endTime="2026-12-31")),
            False,
        ),
        (Frame(3202, PROTOBUF, 1, request(3202, securityList=[SECURITY])), True),
    ],
)
def test_what_cannot_change_is_kept(tmp_path: Path, frame: Frame, kept: bool) -> None:
    cache = AnswerCache(tmp_path, now=lambda: NOW)
    assert (cache.rule(frame) is not None) is kept


def with_cache(folder: Path, work: Callable[[AnswerCache], Any], **options: Any) -> None:
    async def main() -> None:
        cache = AnswerCache(folder, **options)
        await cache.open()
        try:
            await work(cache)
        finally:
            await cache.close()

    asyncio.run(main())


def answer(ret_type: int = 0, **s2c: Any) -> bytes:
    kind = message("Qot_RequestHistoryKL.Response")
    return bytes(kind(retType=ret_type, s2c={"security": SECURITY, **s2c}).SerializeToString())


def test_answers_outlast_a_restart_and_grow_old(tmp_path: Path) -> None:
    times = [NOW]
    found: list[bytes | None] = []

    async def keep(cache: AnswerCache) -> None:
        await cache.keep("one", kline(), answer())

    async def find(cache: AnswerCache) -> None:
        found.append(await cache.find("one", kline()._replace(serial=9)))
        found.append(await cache.find("another user", kline()))
        found.append(await cache.find("one", kline(rehab=2)))
        times[0] += RULES[3103].max_age + 1
        found.append(await cache.find("one", kline()))
        # With a clock set back it would stay cached for longer.
        times[0] = NOW - DAY
        found.append(await cache.find("one", kline()))

    with_cache(tmp_path / "new" / "folder", keep, now=lambda: times[0])
    with_cache(tmp_path / "new" / "folder", find, now=lambda: times[0])
    assert found == [answer(), None, None, None, None]


@pytest.mark.parametrize("body", [answer(-1), b"\xff"])
def test_an_answer_that_failed_is_not_kept(tmp_path: Path, body: bytes) -> None:
    async def work(cache: AnswerCache) -> None:
        await cache.keep("one", kline(), body)
        assert await cache.find("one", kline()) is None

    with_cache(tmp_path, work)


def test_a_page_is_given_where_all_behind_it_are_kept(tmp_path: Path) -> None:
    times = [NOW]
    first, second, third = kline(), kline(nextReqKey=b"2"), kline(nextReqKey=b"3")
    pages = [answer(nextReqKey=b"2"), answer(nextReqKey=b"3"), answer(name="last")]

    async def work(cache: AnswerCache) -> None:
        async def found() -> list[bytes | None]:
            return [await cache.find("one", frame) for frame in (first, second, third)]

        await cache.keep("one", first, pages[0])
        await cache.keep("one", second, pages[1])
        assert await found() == [None, None, None]
        await cache.keep("one", third, pages[2])
        assert await found() == pages
        assert await cache.find("one", kline(maxAckKLNum=10)) is None
        # When read again, the same pages may have other keys.
        again = answer(nextReqKey=b"two")
        await cache.keep("one", first, again)
        assert await found() == [None, pages[1], pages[2]]
        await cache.keep("one", kline(nextReqKey=b"two"), pages[2])
        assert await found() == [again, pages[1], pages[2]]
        # The oldest page decides.
        times[0] += RULES[3103].max_age
        await cache.keep("one", kline(nextReqKey=b"two"), pages[2])
        assert await cache.find("one", first) == again
        times[0] += 1
        assert await cache.find("one", first) is None

    with_cache(tmp_path, work, now=lambda: times[0])


def test_pages_that_name_one_another_end(tmp_path: Path) -> None:
    async def work(cache: AnswerCache) -> None:
        await cache.keep("one", kline(), answer(nextReqKey=b"2"))
        await cache.keep("one", kline(nextReqKey=b"2"), answer(nextReqKey=b"2"))
        assert await cache.find("one", kline()) is None

    with_cache(tmp_path, work)


def test_what_another_version_has_kept_is_dropped(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "opend_answers.sqlite3") as connection:
        connection.execute("CREATE TABLE answers (key BLOB PRIMARY KEY, body BLOB)")
    connection.close()

    async def work(cache: AnswerCache) -> None:
        await cache.keep("one", kline(), answer())
        assert await cache.find("one", kline()) == answer()

    with_cache(tmp_path, work)


def test_all_pages_are_read_from_the_cache_on_another_connection(tmp_path: Path) -> None:
    async def pages(opend: OpenD) -> list[bytes]:
        session = await opend.open(own_login(), Listener(), secure=True)
        session.resume()
        found, key = [], b""
        while key or not found:
            more = {"nextReqKey": key} if key else {}
            got = await asked(session, 3103, 1 + len(found), **KLINE, maxAckKLNum=10, **more)
            assert isinstance(got, Frame)
            found.append(got.body)
            key = response(3103, got.body).s2c.nextReqKey
        return found

    async def work(opend: OpenD, _session: Any) -> None:
        first = await pages(opend)
        assert len(first) == 5
        assert await pages(opend) == first
        assert opend.counts["cached"] == 5

    with scripted_opend() as scripted:
        through(scripted, tmp_path, work)
        assert scripted.asked[3103] == 5


def test_what_was_not_asked_for_longest_goes(tmp_path: Path) -> None:
    times = [NOW]

    def numbered(number: int) -> Frame:
        return kline(maxAckKLNum=number + 1)

    async def work(cache: AnswerCache) -> None:
        body = answer(name="x" * 1000)
        for number in range(11):
            times[0] += 1
            await cache.keep("one", numbered(number), body)
            assert await cache.find("one", numbered(0)) is not None
        # The bound is below eleven of them.
        assert [number for number in range(11) if await cache.find("one", numbered(number))] == [
            *(0, *range(3, 11))
        ]

    with_cache(tmp_path, work, max_bytes=len(answer(name="x" * 1000)) * 10 + 100, now=lambda: times[0])


def test_a_folder_that_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    async def work(_cache: AnswerCache) -> None:
        raise AssertionError

    with pytest.raises(QotGateError, match=r"--upstream-cache .*file cannot be used"):
        with_cache(tmp_path / "file", work)


def test_a_cache_that_fails_later_costs_no_answer(tmp_path: Path) -> None:
    async def work(opend: OpenD, session: Any) -> None:
        assert opend.cache is not None
        assert opend.cache._connection is not None
        await opend.cache._run(lambda: opend.cache._connection.execute("DROP TABLE answers"))
        for _ in range(2):
            got = await asked(session, 3202, securityList=[SECURITY])
            assert isinstance(got, Frame)
        assert opend.counts["cached"] == 0

    with scripted_opend() as scripted:
        through(scripted, tmp_path, work)


def through(scripted: ScriptedOpenD, folder: Path, work: Callable[[OpenD, Any], Any]) -> None:
    async def main() -> None:
        opend = OpenD(OpenDOptions("127.0.0.1", scripted.port, cache=folder))
        await opend.start()
        session = await opend.open(own_login(), Listener(), secure=True)
        session.resume()
        try:
            await work(opend, session)
        finally:
            await opend.close()

    asyncio.run(main())


def test_opend_is_asked_once_and_again_after_a_restart(tmp_path: Path) -> None:
    async def work(opend: OpenD, session: Any) -> None:
        for serial in (4, 5):
            got = await asked(session, 3202, serial, securityList=[SECURITY])
            assert isinstance(got, Frame)
            assert got.serial == serial
            assert response(3202, got.body).s2c.staticInfoList[0].basic.name == "Name of TSLA"

    with scripted_opend() as scripted:
        for _ in range(2):
            through(scripted, tmp_path, work)
        assert scripted.asked[3202] == 1
