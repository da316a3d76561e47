"""Many threads and tasks, and a gateway that is killed meanwhile: every call ends, and leaves nothing
behind."""

import asyncio
import gc
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from qotgate import AsyncQuoteClient, OpenQuoteContext, QotGateError, QuoteClient
from tests.support.serving import Serving, client_threads, serving_process, until
from tests.support.wire import free_port

SHARES = {"US.TSLA": 76041, "US.ROKU": 29500, "US.COIN": 0}
CODES = list(SHARES)
KILLS = 3
PATIENCE = 90
"""Seconds in which a gateway starts even on a busy machine."""


def sockets() -> int:
    links = []
    for file in Path("/proc/self/fd").iterdir():
        try:
            links.append(file.readlink())
        except OSError:
            continue
    return sum(str(link).startswith("socket:") for link in links)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    gc.collect()
    before = client_threads(), sockets()
    yield
    # The watchers of lost connections end by themselves soon after.
    until = time.monotonic() + PATIENCE
    while (client_threads() > before[0] or sockets() > before[1]) and time.monotonic() < until:
        gc.collect()
        time.sleep(0.05)
    assert client_threads() <= before[0]
    assert sockets() <= before[1]


def test_64_threads_on_one_client(sample_gateway: Serving) -> None:
    with QuoteClient(port=sample_gateway.port) as client, ThreadPoolExecutor(64) as threads:
        asked = CODES * 1000
        answers = list(threads.map(client.ark_dynamic, asked))
        connection = client._link._connection
        assert connection is not None
        assert not connection._waiting
        assert len(connection._followers) < 64
    assert [answer.net_shares for answer in answers] == [SHARES[code] for code in asked]


def test_threads_that_ask_one_and_threads_that_ask_many(sample_gateway: Serving) -> None:
    with QuoteClient(port=sample_gateway.port) as client, ThreadPoolExecutor(16) as threads:
        many = [threads.submit(client.ark_dynamics, CODES * 100) for _ in range(8)]
        one = [threads.submit(client.ark_dynamic, "US.ROKU") for _ in range(200)]
        pages = [threads.submit(client.rating_changes("US", page_size=1).rows) for _ in range(8)]
        for table in many:
            assert [row.net_shares for row in table.result()] == list(SHARES.values()) * 100
        assert {answer.result().net_shares for answer in one} == {29500}
        assert {len(page.result()) for page in pages} == {5}


@pytest.mark.slow
def test_10000_tasks_on_one_client(sample_gateway: Serving) -> None:
    async def ask() -> list[int]:
        async with AsyncQuoteClient(port=sample_gateway.port, timeout=PATIENCE) as client:
            answers = await asyncio.gather(*(client.ark_dynamic(CODES[i % 3]) for i in range(10_000)))
        return [answer.net_shares for answer in answers]

    assert asyncio.run(ask()) == [SHARES[CODES[i % 3]] for i in range(10_000)]


def kill_and_restart(
    url: str, port: int, outcomes: Counter[str], stop: threading.Event, done: threading.Event
) -> None:
    """Run gateways on ``port``. Each is killed while it answers, except the last, which sets stop and serves
    until all calls have ended."""
    for _ in range(KILLS):
        with serving_process(url, "--port", str(port), "--rate-limit", "off") as gateway:
            seen, until = outcomes["right"], time.monotonic() + PATIENCE
            while outcomes["right"] < seen + 50 and time.monotonic() < until:
                time.sleep(0.01)
            os.kill(gateway.process.pid, 9)
    with serving_process(url, "--port", str(port), "--rate-limit", "off"):
        stop.set()
        done.wait(2 * PATIENCE)


def first_answer(port: int) -> None:
    """Wait for the first gateway to listen."""

    def listens() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    until(listens, PATIENCE)


@pytest.mark.slow
def test_a_gateway_killed_under_threads(sample_url: str) -> None:
    port, stop, done = free_port(), threading.Event(), threading.Event()
    outcomes: Counter[str] = Counter()

    def ask(client: QuoteClient, number: int) -> None:
        while not stop.is_set():
            code = CODES[number % 3]
            try:
                outcomes["right" if client.ark_dynamic(code).net_shares == SHARES[code] else "wrong"] += 1
            except QotGateError as error:
                outcomes[type(error).__name__] += 1

    with QuoteClient(port=port, timeout=PATIENCE) as client, ThreadPoolExecutor(17) as threads:
        killer = threads.submit(kill_and_restart, sample_url, port, outcomes, stop, done)
        first_answer(port)
        # A client that has never had an answer would report that there is no gateway.
        assert client.ark_dynamic("US.TSLA").net_shares == SHARES["US.TSLA"]
        for asker in [threads.submit(ask, client, number) for number in range(16)]:
            asker.result(timeout=2 * PATIENCE)
        assert client.ark_dynamic("US.TSLA").net_shares == SHARES["US.TSLA"]
        done.set()
        killer.result(timeout=PATIENCE)
    # Each gateway answered, and the next one answered the calls that waited.
    assert set(outcomes) == {"right"}
    assert outcomes["right"] > 100


@pytest.mark.slow
def test_a_gateway_killed_under_tasks(sample_url: str) -> None:
    port, stop, done = free_port(), threading.Event(), threading.Event()
    outcomes: Counter[str] = Counter()

    async def ask(client: AsyncQuoteClient, number: int) -> None:
        while not stop.is_set():
            code = CODES[number % 3]
            try:
                answer = await client.ark_dynamic(code)
                outcomes["right" if answer.net_shares == SHARES[code] else "wrong"] += 1
            except QotGateError as error:
                outcomes[type(error).__name__] += 1

    async def main() -> None:
        killer = asyncio.create_task(
            asyncio.to_thread(kill_and_restart, sample_url, port, outcomes, stop, done)
        )
        await asyncio.to_thread(first_answer, port)
        async with AsyncQuoteClient(port=port, timeout=PATIENCE) as client:
            assert (await client.ark_dynamic("US.TSLA")).net_shares == SHARES["US.TSLA"]
            async with asyncio.timeout(2 * PATIENCE):
                await asyncio.gather(*(ask(client, number) for number in range(200)))
            assert (await client.ark_dynamic("US.TSLA")).net_shares == SHARES["US.TSLA"]
        done.set()
        await killer

    asyncio.run(main())
    assert set(outcomes) == {"right"}
    assert outcomes["right"] > 100


@pytest.mark.slow
def test_a_gateway_killed_under_a_drop_in(sample_url: str) -> None:
    port = free_port()
    with serving_process(sample_url, "--port", str(port)) as gateway, OpenQuoteContext(port=port) as context:
        context.set_sync_query_connect_timeout(0.2)
        assert context.get_ark_stock_dynamic("US.TSLA")[0] == 0
        gateway.process.kill()
        gateway.process.wait()
        for _ in range(3):
            ret, sentence = context.get_ark_stock_dynamic("US.TSLA")
            assert (ret, sentence.startswith("ERROR. ")) == (-1, True)
        with serving_process(sample_url, "--port", str(port)):
            context.set_sync_query_connect_timeout(None)
            assert context.get_ark_stock_dynamic("US.TSLA")[1]["net_shares"] == SHARES["US.TSLA"]
