"""Two gateways on one PostgreSQL and one Redis, behind HAProxy, under load while each part fails in turn.

Every request ends with a correct answer or with an error that names the cause; the allowance is exact; no row
is lost or repeated.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pytest

from qotgate import ConnectionLost, QotGateError, QuoteClient, RateLimited, Timeout
from qotgate.model import Security
from qotgate.model.sentences import SENTENCES
from qotgate.protocol.messages import ProtoId
from qotgate.service.ark.dynamics import ark_stock_dynamic
from qotgate.service.loading import find_files, load
from qotgate.service.questions import Questions
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.support.databases import PostgreSQL
from tests.support.haproxy import Front, haproxy
from tests.support.limit_stores import StoreServer
from tests.support.paths import SAMPLE
from tests.support.serving import QOTGATE, ServingProcess, serving_process, until
from tests.support.wire import Wire

pytestmark = pytest.mark.slow

ALLOWED = 4000
OPTIONS = (
    *("--rate-limit", f"{ALLOWED}/3600s", "--limit-store-down", "refuse", "--lang", "en"),
    *("--http-port", "0", "--websocket-port", "0"),
)
CODE = "US.TSLA"
PAUSE = 0.05
CALLERS = 4
PUBLISHED = ("futu", "moomoo")
DOCUMENTED = {SENTENCES[key]["en"] for key in ("store", "limit_store_away")}
NOTICE = """FUND,Date,Direction,Ticker,CUSIP,Name,Shares,% of ETF
ARKK,06/23/2026,Sell,TSLA,88160R101,TESLA INC,5000,0.1
"""
SCRIPT = """
import json, pathlib, sys, time
from {package} import *
stop = pathlib.Path(sys.argv[2])
context = OpenQuoteContext(host="127.0.0.1", port=int(sys.argv[1]))
# Not to standard output, where the client logs from its other threads.
out = open(sys.argv[3], "w")
while not stop.exists():
    begun = time.time()
    ret, found = context.get_ark_stock_dynamic("{code}")
    told = found if ret else [found["net_shares"], found["last_transaction_time"]]
    print(json.dumps([ret, told, begun]), file=out, flush=True)
    time.sleep({pause})
context.close()
"""


@dataclass
class Outcomes:
    """The outcomes of requests: correct answers with the time of each request, and errors."""

    answers: list[tuple[tuple[int, str], float]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


def ask_on(port: int, stop: Event) -> Outcomes:
    """Our own client, one question after the other."""
    outcomes = Outcomes()
    with QuoteClient(port=port) as client:
        while not stop.wait(PAUSE):
            begun = time.time()
            try:
                found = client.ark_dynamic(CODE)
            except (ConnectionLost, Timeout, RateLimited) as error:
                outcomes.errors[type(error).__name__] += 1
            except QotGateError as error:
                outcomes.errors[str(error)] += 1
            else:
                told = (found.net_shares, str(found.last_transaction_day))
                outcomes.answers.append((told, begun))
    return outcomes


def walk_on(port: int, stop: Event) -> list[tuple[str, ...]]:
    """Walk all upgrades, page by page, again and again. Returns the codes of each complete walk."""
    walks = []
    with QuoteClient(port=port) as client:
        while not stop.wait(PAUSE):
            try:
                pages = client.rating_changes("US", "UPGRADE", page_size=1)
                walks.append(tuple(str(row.security) for row in pages))
            except QotGateError:
                continue
    return walks


@contextmanager
def published(package: str, port: int, folder: Path) -> Iterator[Callable[[], Outcomes]]:
    """A published client in its own process. The call ends it and returns the outcomes of its requests."""
    stop, told = folder / f"{package}.stop", folder / f"{package}.out"
    script = SCRIPT.format(package=package, code=CODE, pause=PAUSE)
    command = [sys.executable, "-W", "ignore", "-c", script, str(port), str(stop), str(told)]
    environment = {**os.environ, "HOME": str(folder)}
    told.touch()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:

        def end() -> Outcomes:
            stop.touch()
            assert process.wait(60) == 0, told.read_text()[-2000:]
            outcomes = Outcomes()
            for line in told.read_text().splitlines():
                ret, found, begun = json.loads(line)
                if ret == 0:
                    outcomes.answers.append(((found[0], found[1]), begun))
                else:
                    assert ret == -1
                    outcomes.errors[found] += 1
            return outcomes

        try:
            until(lambda: told.read_text().startswith("[0"))
            yield end
        finally:
            process.kill()


class Cluster:
    """The parts, each of which can be stopped and restarted."""

    def __init__(self, held: ExitStack, url: str, redis: StoreServer) -> None:
        self._held = held
        self._options = ("--limit-store", redis.url, *OPTIONS)
        self._url = url
        self.asked = Counter[bool]()
        self.gateways = [held.enter_context(serving_process(url, *self._options)) for _ in range(2)]
        self.front: Front = held.enter_context(haproxy(self.gateways))

    def kill(self, number: int) -> None:
        self.gateways[number].process.kill()
        self.gateways[number].process.wait()

    def bring_back(self, number: int) -> None:
        """Restart it on the same ports."""
        gone = self.gateways[number]
        ports = ("--port", str(gone.port))
        for option, address in (("--http-port", gone.pages), ("--websocket-port", gone.websocket)):
            assert address
            ports += (option, address.rstrip("/;").rpartition(":")[2])
        back: ServingProcess = self._held.enter_context(serving_process(self._url, *self._options, *ports))
        self.gateways[number] = back

    def wait_for_answer(self) -> None:
        """Wait until both gateways answer."""

        def answers() -> bool:
            return all(self._answers(gateway.port) for gateway in self.gateways)

        until(answers)

    def _answers(self, port: int) -> bool:
        with Wire(port) as wire:
            answered: bool = wire.dynamic().retType == 0
        self.asked[answered] += 1
        return answered


def expected(folder: Path, reference: Reference, *paths: Path) -> tuple[int, str]:
    """The answer after one more load by a separate process."""
    store = Store.open(f"sqlite:///{folder / 'expected.db'}")
    load(store, reference, find_files(paths))
    found = ark_stock_dynamic(Questions(store, reference), Security.parse(CODE))
    store.close()
    return found.net_shares, str(found.last_transaction_day)


@pytest.mark.parametrize("new_store", ["redis-server"], indirect=True)
def test_each_part_is_taken_away_under_load(
    postgresql_alone: PostgreSQL,
    new_store: Callable[..., StoreServer],
    reference: Reference,
    tmp_path: Path,
) -> None:
    database, redis = postgresql_alone, new_store(aof=True)
    url = database.new()
    store = Store.open(url)
    load(store, reference, find_files([SAMPLE]))
    store.close()
    (tmp_path / "notice.csv").write_text(NOTICE)
    before, after = (
        expected(tmp_path, reference, SAMPLE),
        expected(tmp_path, reference, tmp_path / "notice.csv"),
    )
    assert before != after
    stop = Event()
    with ExitStack() as held:
        cluster = Cluster(held, url, redis)
        port = cluster.front.port
        with QuoteClient(port=port) as client:
            upgrades = tuple(str(row.security) for row in client.rating_changes("US", "UPGRADE"))
            assert len(set(upgrades)) > 1
        ends = [held.enter_context(published(package, port, tmp_path)) for package in PUBLISHED]
        pool = held.enter_context(ThreadPoolExecutor(CALLERS + 1))
        held.callback(stop.set)
        asking = [pool.submit(ask_on, port, stop) for _ in range(CALLERS)]
        walking = pool.submit(walk_on, port, stop)

        time.sleep(1)
        cluster.kill(0)
        time.sleep(1)
        cluster.bring_back(0)
        cluster.wait_for_answer()

        subprocess.run(
            [*QOTGATE, "load", "--db", url, str(tmp_path / "notice.csv")], check=True, capture_output=True
        )
        loaded = time.time()
        time.sleep(1.5)

        database.stop()
        time.sleep(1)
        database.start()
        cluster.wait_for_answer()

        redis.stop(signal.SIGKILL)
        time.sleep(1)
        redis.start()
        cluster.wait_for_answer()

        cluster.kill(1)
        cluster.bring_back(1)
        cluster.wait_for_answer()
        time.sleep(1)

        stop.set()
        outcomes = [*(future.result(60) for future in asking), *(end() for end in ends)]
        walks = walking.result(60)

        told = {answer for found in outcomes for answer, _ in found.answers}
        assert told == {before, after}
        for found in outcomes:
            assert found.answers, found.errors
            assert all(answer == after for answer, asked in found.answers if asked > loaded + 1)
            # Each completed.
            assert found.answers[-1][0] == after
        errors = Counter(sum((found.errors for found in outcomes[:CALLERS]), Counter()))
        assert set(errors) <= {*DOCUMENTED, "ConnectionLost", "Timeout"}
        # The database and the store were away, and no client got another error.
        assert DOCUMENTED & set(errors)
        assert walks
        assert set(walks) == {upgrades}

        answered = sum(len(found.answers) for found in outcomes)
        failed = sum(sum(found.errors.values()) for found in outcomes)
        exact(cluster, redis, answered, failed)


def exact(cluster: Cluster, redis: StoreServer, answered: int, failed: int) -> None:
    """Check that the store counted each answered request, and at most as many failed ones as there were;
    without a fault, both gateways together grant exactly the allowance."""
    (key,) = redis.client().keys(f"*{ProtoId.Qot_GetArkStockDynamic.value}*")
    counted = redis.client().llen(key)
    # This test's own requests until both gateways answered count too.
    answered, failed = answered + cluster.asked[True], failed + cluster.asked[False]
    assert answered <= counted <= answered + failed
    with ThreadPoolExecutor(4) as pool:
        ports = [gateway.port for gateway in cluster.gateways] * 2
        granted = sum(pool.map(ask_all, ports))
    assert granted == ALLOWED


def ask_all(port: int) -> int:
    """Ask an unused interface more often than the limit allows. Returns the number of granted requests."""
    with Wire(port) as wire:
        packets = [wire.request(ProtoId.Qot_GetArkFundHolding) for _ in range(ALLOWED // 2)]
        granted = 0
        for start in range(0, len(packets), 50):
            some = packets[start : start + 50]
            wire.send(b"".join(some))
            for _ in some:
                answer = wire.answer()
                granted += answer.retType == 0
                assert answer.retType == 0 or "at most 4000 requests" in answer.retMsg
        return granted
