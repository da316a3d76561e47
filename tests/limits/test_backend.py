"""One allowance over all gateways on one store: the rule, its clock, and the behaviour while the store is
away."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from qotgate import QuoteClient, Unavailable
from qotgate.limits import allowance as allowances
from qotgate.limits.allowance import Allowance, BackendLink
from qotgate.limits.redis import TAKE, TIME, BackendAway, RedisBackend
from qotgate.limits.window import ProcessWindow, RateLimit, Taken
from qotgate.model import QotGateError, RateLimited, Refused
from qotgate.protocol.messages import ProtoId
from qotgate.serving.gateway_options import gateway_options
from qotgate.serving.settings import read_settings
from tests.support.commands import run_process
from tests.support.limit_stores import StoreServer, with_tls
from tests.support.parts import faketime_library
from tests.support.serving import Serving, serving, serving_process, until
from tests.support.websocket import websocket
from tests.support.wire import Wire, free_port, granted

MICRO = 1_000_000
AWAY = "The limit store, which counts the requests of all gateways"
OVER = "Qot_GetArkStockDynamic (3424) takes at most 60 requests in 30 seconds"
NEW = itertools.count()


class Clock:
    now = 1_000_000_000 * MICRO

    def __call__(self) -> int:
        return self.now


class Script:
    """The store's script with a clock set by the test."""

    def __init__(self, client: Redis, limit: int, window: int) -> None:
        self._run = client.register_script(TAKE.replace(TIME, "{ARGV[5], ARGV[6]}"))
        self._limit, self._window = limit, window
        # Keys of earlier examples remain.
        self._prefix = f"test{next(NEW)}"

    def take(self, now: int, *keys: str, anyway: int = 0) -> list[tuple[int, int, int]]:
        arguments = [self._limit, self._window, anyway, now, now // MICRO, now % MICRO]
        moment, *rest = self._run(keys=[f"{self._prefix}:{key}" for key in keys], args=arguments)
        assert moment == now
        numbers = iter(rest)
        return list(zip(numbers, numbers, numbers, strict=True))


GAPS = st.integers(0, 20 * MICRO) | st.sampled_from([0, 1, 30 * MICRO - 1, 30 * MICRO, 30 * MICRO + 1])
SAME_STORE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@SAME_STORE
@given(
    asked=st.lists(st.tuples(GAPS, st.lists(st.sampled_from("ab"), max_size=5)), max_size=40),
    most=st.integers(1, 4),
)
def test_the_store_grants_what_a_plain_allowance_grants(
    redis_server: StoreServer, asked: list[tuple[int, list[str]]], most: int
) -> None:
    clock = Clock()
    plain = ProcessWindow(RateLimit(most, 30 * MICRO), clock)
    with redis_server.client() as client:
        script = Script(client, most, 30 * MICRO)
        for gap, keys in asked:
            clock.now += gap
            # Requests sent together are counted in order, each with the remainder at its own turn.
            assert script.take(clock.now, *keys) == [(plain.take(key), *plain.left(key)) for key in keys]


@SAME_STORE
@given(st.lists(st.tuples(GAPS, st.integers(0, 100 * MICRO) | st.just(0)), max_size=40))
def test_a_clock_that_is_set_back_grants_nothing_and_blocks_for_no_longer_than_a_window(
    redis_server: StoreServer, steps: list[tuple[int, int]]
) -> None:
    passed, behind, moments = 0, 0, []
    with redis_server.client() as client:
        script = Script(client, 3, 30 * MICRO)
        for gap, back in steps:
            passed, behind = passed + gap, behind + back
            wait = script.take(Clock.now + passed - behind, "a")[0][0]
            assert 0 <= wait <= 30 * MICRO
            if not wait:
                moments.append(passed)
                assert len([moment for moment in moments if moment + 30 * MICRO > passed]) <= 3


def test_more_than_the_limit_may_be_told_and_counts(redis_server: StoreServer) -> None:
    with redis_server.client() as client:
        script, now = Script(client, 2, 30), Clock.now
        script.take(now, "a", "a", "a", anyway=1)
        script.take(now + 10, "a", anyway=1)
        # At most one of the earlier ones may be younger than the window: the one at +10 and the last at 0.
        assert script.take(now + 20, "a") == [(10, 0, 10)]
        assert script.take(now + 30, "a") == [(0, 0, 10)]
        assert script.take(now + 31, "a") == [(9, 0, 9)]


def test_a_limit_that_another_gateway_has_lower_or_higher(redis_server: StoreServer) -> None:
    with redis_server.client() as client:
        wide, narrow = Script(client, 4, 30), Script(client, 2, 30)
        narrow._prefix = wide._prefix
        now = Clock.now
        assert [wait for wait, *_ in wide.take(now, "a", "a", "a")] == [0, 0, 0]
        assert narrow.take(now + 1, "a") == [(29, 0, 29)]
        assert [wait for wait, *_ in wide.take(now + 2, "a", "a")] == [0, 28]


def test_gateways_at_once_are_granted_the_limit_together_and_keys_expire(redis_server: StoreServer) -> None:
    async def scenario() -> None:
        stores = [RedisBackend(redis_server.url, RateLimit(500, 60)) for _ in range(3)]
        loop = asyncio.get_running_loop()

        async def ask(store: RedisBackend) -> list[Taken]:
            return [
                taken
                for _ in range(25)
                for taken in await store.take([store.key("a")] * 10, loop.time() + 30)
            ]

        answers = [taken for answer in await asyncio.gather(*map(ask, stores * 4)) for taken in answer]
        assert len(answers) == 3000
        assert sorted(taken.left for taken in answers if not taken.wait) == list(range(500))
        assert all(0 < taken.wait <= 60 for taken in answers if taken.wait)
        for store in stores:
            await store.close()

    asyncio.run(scenario())
    with redis_server.client() as client:
        (key,) = client.keys("*")
        assert 0 < client.pttl(key) <= 61_000
        assert client.llen(key) == 500


def test_what_the_window_has_left_behind_is_not_kept(redis_server: StoreServer) -> None:
    async def scenario() -> None:
        store = RedisBackend(redis_server.url, RateLimit(50, 0.05))
        loop = asyncio.get_running_loop()
        for _ in range(40):
            await store.take([store.key("a")] * 10, loop.time() + 30)
            await asyncio.sleep(0.005)
        with redis_server.client() as client:
            assert client.llen(store.key("a")) <= 50
        until(lambda: not redis_server.client().keys("*"))
        await store.close()

    asyncio.run(scenario())


@contextmanager
def gateways(sample_url: str, *options: tuple[str, ...]) -> Iterator[list[Serving]]:
    with ExitStack() as opened:
        yield [opened.enter_context(serving_process(sample_url, "--lang", "en", *each)) for each in options]


PUBLISHED = """
import sys
from concurrent.futures import ThreadPoolExecutor
from futu import OpenQuoteContext
with OpenQuoteContext(host="127.0.0.1", port=int(sys.argv[1])) as context:
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: context.get_ark_stock_dynamic("US.TSLA"), range(20)))
for code, answer in answers:
    assert code == 0 or "takes at most 60 requests" in answer, answer
# The client writes to stdout, at any time.
print(sum(code == 0 for code, _ in answers), file=open(sys.argv[2], "w"))
"""


@pytest.mark.slow
def test_two_gateways_and_four_workers_grant_sixty_together(
    sample_url: str, redis_server: StoreServer, tmp_path: Path
) -> None:
    # A long window: the machine may be slow.
    options = ("--limit-store", redis_server.url, "--rate-limit", "60/600s", "--limit-store-down", "refuse")
    two = ("--workers", "2", *options)
    with gateways(sample_url, two, two) as both, ExitStack() as opened, ThreadPoolExecutor() as threads:
        wires = [opened.enter_context(Wire(gateway.port)) for gateway in both for _ in range(4)]
        clients = [opened.enter_context(QuoteClient(port=gateway.port)) for gateway in both]

        def own(client: QuoteClient) -> int:
            given = 0
            for _ in range(20):
                try:
                    given += client.ark_dynamic("US.TSLA").net_shares == 76041
                except RateLimited:
                    continue
            return given

        def published(gateway: Serving) -> int:
            # Its own: two that make one folder at once make the published package fail.
            home = tmp_path / str(gateway.port)
            home.mkdir()
            counted = home / "counted"
            told = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", PUBLISHED, str(gateway.port), counted],
                env={**os.environ, "HOME": str(home)},
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert told.returncode == 0, told.stderr
            return int(counted.read_text())

        counts = [
            *(threads.submit(published, gateway) for gateway in both),
            *(threads.submit(own, client) for client in clients),
            threads.submit(granted, wires, 5),
        ]
        assert sum(count.result(120) for count in counts) == 60
        with redis_server.client() as store:
            assert store.llen("qotgate:allowance:600s:wire:3424") == 60
            assert store.dbsize() == 1


def test_thousands_pipelined_on_one_connection(sample_url: str, redis_server: StoreServer) -> None:
    options = ("--limit-store", redis_server.url, "--rate-limit", "700/600s")
    with serving(sample_url, *options) as gateway, Wire(gateway.port) as wire:
        question = wire.request(ProtoId.Qot_GetArkStockDynamic, security={"market": 11, "code": "TSLA"})
        time_question = wire.request(ProtoId.KeepAlive, time=1)
        with ThreadPoolExecutor(1) as threads:
            threads.submit(wire.send, (question * 9 + time_question) * 500)
            answers = [wire.answer() for _ in range(5000)]
        dynamics = [answer for answer in answers if "netShares" in str(answer) or answer.retType]
        assert len(dynamics) == 4500
        assert sum(answer.retType == 0 and answer.s2c.netShares == 76041 for answer in dynamics) == 700


@pytest.mark.slow
def test_websocket_and_http_share_over_gateways_too(sample_url: str, redis_server: StoreServer) -> None:
    options = ("--limit-store", redis_server.url, "--rate-limit", "3/600s")
    each = (*options, "--websocket-port", "0", "--http-port", "0")
    with gateways(sample_url, each, each) as (one, two), websocket(one) as client:
        client.init("")
        assert [client.dynamic().retType for _ in range(2)] == [0, 0]
        with Wire(two.port) as wire:
            assert [wire.dynamic().retType for _ in range(2)] == [0, -1]
        assert client.dynamic().retType == -1
        path = "/api/v1/ratings/changes?count=1"
        answers = [httpx.get(f"{gateway.pages}{path}") for gateway in (one, two, one, two)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["RateLimit"].split(";")[1] for answer in answers] == [
            "r=2",
            "r=1",
            "r=0",
            "r=0",
        ]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 601


def test_a_connections_own_allowance_needs_no_store(sample_url: str, redis_server: StoreServer) -> None:
    options = (
        "--limit-store",
        redis_server.url,
        "--rate-limit",
        "1/600s",
        "--rate-limit-scope",
        "connection",
    )
    with serving(sample_url, *options) as gateway:
        for _ in range(2):
            with Wire(gateway.port) as wire:
                assert [wire.dynamic().retType for _ in range(2)] == [0, -1]
    with redis_server.client() as client:
        assert client.dbsize() == 0


def metric(gateway: Serving, name: str) -> float:
    lines = httpx.get(f"{gateway.pages}/metrics").text.splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name} "))


def changes(path: Path) -> list[str]:
    """The log's lines about the store."""
    events = [json.loads(line)["event"] for line in path.read_text().splitlines() if line.startswith("{")]
    return [event for event in events if event.startswith("limit store")]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def by_store(decided: str) -> str:
    return f'qotgate_limit_store_decisions_total{{by="{decided}"}}'


@pytest.mark.slow
def test_refuse(sample_url: str, redis_server: StoreServer, log: Path) -> None:
    options = ("--limit-store", redis_server.url, "--limit-store-down", "refuse", "--http-port", "0")
    with (
        log.open("w") as stderr,
        serving_process(sample_url, *options, "--lang", "en", stderr=stderr.fileno()) as gateway,
        serving_process(sample_url, *options) as in_chinese,
        Wire(gateway.port) as wire,
        Wire(in_chinese.port) as other,
    ):
        page = wire.ask(ProtoId.Qot_GetRatingChange, market=11, count=1).s2c.nextPage
        assert metric(gateway, "qotgate_limit_store_up") == 1
        redis_server.stop()
        for _ in range(50):
            answer = wire.dynamic()
            assert (answer.retType, answer.retMsg[: len(AWAY)]) == (-1, AWAY)
        assert other.dynamic().retMsg.startswith("为所有网关统一计数的限频存储（--limit-store）无响应")
        # Requests that do not count need no store.
        assert wire.ask(ProtoId.Qot_GetRatingChange, market=11, count=1, page=page).retType == 0
        assert wire.ask(ProtoId.GetGlobalState, userID=0).retType == 0
        refused = httpx.get(f"{gateway.pages}/api/v1/ratings/changes")
        assert (refused.status_code, refused.json()["code"]) == (503, "limit_store_away")
        assert refused.headers["Retry-After"] == "1"
        assert httpx.get(f"{gateway.pages}/ratings").status_code == 200
        assert metric(gateway, "qotgate_limit_store_up") == 0
        assert metric(gateway, by_store("refused")) == 51
        assert metric(gateway, "qotgate_limit_store_failures_total") >= 1
        with QuoteClient(port=gateway.port) as client, pytest.raises(Unavailable, match=AWAY):
            client.ark_dynamic("US.TSLA")
        redis_server.start()
        until(lambda: wire.dynamic().retType == 0)
        assert metric(gateway, "qotgate_limit_store_up") == 1
        assert metric(gateway, by_store("local")) == 0
        until(lambda: changes(log) == ["limit store away", "limit store back"])


@pytest.mark.slow
def test_local(sample_url: str, redis_server: StoreServer, log: Path) -> None:
    options = ("--limit-store", redis_server.url, "--http-port", "0", "--rate-limit", "60/600s")
    with (
        log.open("w") as stderr,
        serving_process(sample_url, *options, "--workers", "2", stderr=stderr.fileno()) as one,
        serving_process(sample_url, *options) as two,
        ExitStack() as opened,
    ):
        of_one = [opened.enter_context(Wire(one.port)) for _ in range(8)]
        of_two = [opened.enter_context(Wire(two.port)) for _ in range(2)]
        assert granted(of_one, 3) == 24
        assert granted(of_two, 3) == 6
        redis_server.stop()
        # Each gateway continues with its own count, which includes the grants of the store: 36 are left of
        # 60, and 54, over all workers and for any number of clients.
        assert granted(of_one, 10) == 36
        assert granted(of_two, 50) == 54
        assert metric(two, by_store("local")) == 100
        assert metric(two, by_store("refused")) == 0
        redis_server.start()
        until(lambda: metric(two, "qotgate_limit_store_up") == metric(one, "qotgate_limit_store_up") == 1)
        # The store has lost its counts, and got the grants made without it.
        until(lambda: redis_server.client().llen("qotgate:allowance:600s:wire:3424") == 90)
        assert granted([*of_one, *of_two], 5) == 0
        until(lambda: sorted(changes(log)) == ["limit store away"] * 2 + ["limit store back"] * 2)


@pytest.mark.slow
def test_a_store_that_forgot_does_not_make_a_gateway_grant_more(
    sample_url: str, redis_server: StoreServer
) -> None:
    options = ("--limit-store", redis_server.url, "--http-port", "0", "--rate-limit", "60/600s")
    with serving_process(sample_url, *options) as gateway, Wire(gateway.port) as wire:
        assert granted([wire], 24) == 24
        redis_server.stop()
        assert granted([wire], 1) == 1
        redis_server.start()
        until(lambda: metric(gateway, "qotgate_limit_store_up") == 1)
        assert granted([wire], 100) == 35


@pytest.mark.slow
@pytest.mark.parametrize("down", ["local", "refuse"])
def test_a_store_that_hangs_holds_nobody_up(sample_url: str, redis_server: StoreServer, down: str) -> None:
    options = (
        "--limit-store",
        redis_server.url,
        "--limit-store-down",
        down,
        "--http-port",
        "0",
        "--lang",
        "en",
    )
    with (
        serving_process(sample_url, *options) as gateway,
        Wire(gateway.port) as wire,
        Wire(gateway.port) as other,
    ):
        question = wire.request(ProtoId.Qot_GetArkStockDynamic, security={"market": 11, "code": "TSLA"})
        assert wire.dynamic().retType == 0
        redis_server.hang()
        # The wires give up after ten seconds, the gateway on the store after one.
        wire.send(question * 300)
        assert other.ask(ProtoId.GetGlobalState, userID=0).retType == 0
        answers = [wire.answer() for _ in range(300)]
        assert sum(answer.retType == 0 for answer in answers) == (59 if down == "local" else 0)
        sentence = OVER if down == "local" else AWAY
        assert all(answer.retMsg.startswith(sentence) for answer in answers if answer.retType)
        assert metric(gateway, "qotgate_limit_store_up") == 0
        redis_server.go_on()
        until(lambda: metric(gateway, "qotgate_limit_store_up") == 1)
        # The requests that a resumed store finds in its queue are expired, and are not counted.
        assert wire.dynamic().retMsg.startswith(OVER) == (down == "local")
        assert gateway.stop() == 0


@pytest.mark.slow
def test_killed_and_started_under_load_the_count_is_exact(
    sample_url: str, new_store: Callable[..., StoreServer]
) -> None:
    store = new_store(aof=True)
    options = ("--limit-store", store.url, "--limit-store-down", "refuse", "--rate-limit", "400/600s")
    with (
        gateways(sample_url, options, ("--workers", "2", *options)) as both,
        ExitStack() as opened,
        ThreadPoolExecutor() as threads,
    ):
        wires = [opened.enter_context(Wire(gateway.port)) for gateway in both for _ in range(3)]

        def ask(wire: Wire) -> tuple[int, int]:
            given = refused = 0
            for _ in range(3000):
                answer = wire.dynamic()
                if answer.retType == 0:
                    assert answer.s2c.netShares == 76041
                    given += 1
                elif "takes at most 400 requests" in answer.retMsg:
                    break
                else:
                    assert answer.retMsg.startswith(AWAY)
                    refused += 1
                    time.sleep(0.005)
            return given, refused

        asked = [threads.submit(ask, wire) for wire in wires]
        until(lambda: store.client().llen("qotgate:allowance:600s:wire:3424") > 100)
        for _ in range(2):
            store.stop(signal.SIGKILL)
            time.sleep(0.2)
            store.start()
        given, refused = (sum(numbers) for numbers in zip(*(one.result(120) for one in asked), strict=True))
        assert refused > 0
        counted = store.client().llen("qotgate:allowance:600s:wire:3424")
        # The requests that the killed store counted without answering: at most those pending each time.
        assert counted == 400
        assert 400 - 2 * len(wires) <= given <= 400


@pytest.fixture
def faketime() -> str:
    return faketime_library()


@pytest.mark.slow
@pytest.mark.parametrize("offset", ["-400d", "+400d"])
def test_a_gateways_wrong_clock_changes_nothing(
    sample_url: str, redis_server: StoreServer, faketime: str, monkeypatch: pytest.MonkeyPatch, offset: str
) -> None:
    options = ("--limit-store", redis_server.url, "--rate-limit", "10/600s", "--limit-store-down", "refuse")
    with ExitStack() as opened:
        right = opened.enter_context(serving_process(sample_url, *options))
        monkeypatch.setenv("LD_PRELOAD", faketime)
        monkeypatch.setenv("FAKETIME", offset)
        wrong = opened.enter_context(serving_process(sample_url, *options))
        monkeypatch.delenv("LD_PRELOAD")
        one, two = (opened.enter_context(Wire(gateway.port)) for gateway in (right, wrong))
        state = two.ask(ProtoId.GetGlobalState, userID=0).s2c
        assert abs(abs(state.time - time.time()) - 400 * 86400) < 3600
        answers = [wire.dynamic() for _ in range(6) for wire in (one, two)]
        assert [answer.retType for answer in answers] == [0] * 10 + [-1] * 2
        assert [
            float(answer.retMsg.split("请 ")[1].split(" ")[0]) for answer in answers[10:]
        ] == pytest.approx([600, 600], abs=60)


@pytest.mark.slow
def test_it_starts_without_the_store_and_finds_it_later(sample_url: str, tmp_path: Path) -> None:
    store = StoreServer(tmp_path)
    log = tmp_path / "gateway.log"
    options = ("--limit-store", store.url, "--limit-store-down", "refuse", "--lang", "en")
    with (
        log.open("w") as stderr,
        serving_process(sample_url, *options, stderr=stderr.fileno()) as gateway,
        Wire(gateway.port) as wire,
    ):
        assert wire.dynamic().retMsg.startswith(AWAY)
        until(lambda: changes(log) == ["limit store away"])
        store.start()
        try:
            until(lambda: wire.dynamic().retType == 0)
        finally:
            store.stop()


SECRET = "a/secret?#@word"
QUOTED = "a%2Fsecret%3F%23%40word"


@pytest.mark.slow
def test_a_password_is_taken_and_told_nobody(
    sample_url: str, new_store: Callable[..., StoreServer], log: Path
) -> None:
    store = new_store(options=("--requirepass", SECRET))
    url = store.url.replace("//", f"//:{QUOTED}@")
    options = ("--limit-store", url, "--rate-limit", "2/600s", "--http-port", "0")
    with (
        log.open("w") as stderr,
        serving_process(sample_url, *options, stderr=stderr.fileno()) as gateway,
        Wire(gateway.port) as wire,
    ):
        assert [wire.dynamic().retType for _ in range(3)] == [0, 0, -1]
        assert store.client(url).llen("qotgate:allowance:600s:wire:3424") == 2
        store.stop()
        assert wire.dynamic().retType == -1
        until(lambda: changes(log) == ["limit store away"])
        metrics = httpx.get(f"{gateway.pages}/metrics").text
    told = log.read_text()
    assert f"redis://127.0.0.1:{store.port}/0" in told
    assert all(word not in told + metrics for word in ("secret", SECRET, QUOTED))


@pytest.mark.slow
def test_a_store_that_comes_to_refuse_the_gateway_is_told_as_that(
    sample_url: str, redis_server: StoreServer, log: Path
) -> None:
    options = ("--limit-store", redis_server.url)
    with (
        log.open("w") as stderr,
        serving_process(sample_url, *options, stderr=stderr.fileno()) as gateway,
        Wire(gateway.port) as wire,
        redis_server.client() as admin,
    ):
        assert wire.dynamic().retType == 0
        admin.config_set("requirepass", SECRET)
        admin.client_kill_filter(_type="normal", skipme=True)
        assert wire.dynamic().retType == 0
        until(lambda: changes(log) == ["limit store away", "limit store refuses"])
        admin.config_set("requirepass", "")
        until(lambda: changes(log)[2:] == ["limit store back"])


@pytest.mark.parametrize(("password", "workers"), [("", "1"), (":wrong%20word@", "2")])
def test_a_store_that_refuses_the_gateway_is_an_error_at_once(
    sample_url: str, new_store: Callable[..., StoreServer], password: str, workers: str
) -> None:
    url = new_store(options=("--requirepass", SECRET)).url.replace("//", f"//{password}")
    done = run_process(
        "serve", "--port", 0, "--no-http", "--workers", workers, "--db", sample_url, "--limit-store", url
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("qotgate: The limit store redis://127.0.0.1:")
    assert "refuses this gateway" in line
    assert "wrong" not in line.replace("WRONGPASS", "")


@pytest.mark.parametrize(
    "url",
    [
        "secret",
        "http://:secret@127.0.0.1",
        "redis://",
        "redis://:secret@/0",
        "redis://:sec#ret@127.0.0.1",
        "redis://:sec/ret@127.0.0.1",
        "redis://sec?ret@127.0.0.1",
        "redis://:secret@127.0.0.1:x",
        "redis://:secret@127.0.0.1:99999",
        "redis://:secret@127.0.0.1/secret",
        "redis://:secret@127.0.0.1?secret=1",
        "redis://:secret@127.0.0.1?socket_timeout=secret",
        "redis://[secret",
        "unix://",
    ],
)
def test_a_url_that_is_none_is_one_sentence_without_it(url: str) -> None:
    with pytest.raises(QotGateError, match=r"^--limit-store takes redis://") as error:
        RedisBackend(url, RateLimit(60, 30))
    assert "ret" not in str(error.value)


def test_a_store_without_a_limit_or_the_library_is_one_sentence(sample_url: str, tmp_path: Path) -> None:
    with pytest.raises(QotGateError, match="has nothing to count with --rate-limit off"):
        gateway_options(read_settings(limit_store="redis://127.0.0.1", rate_limit="off"))
    with pytest.raises(QotGateError, match="at most 1000000 requests"):
        RedisBackend("redis://127.0.0.1", RateLimit(1_000_001, 30))
    (tmp_path / "redis.py").write_text("raise ModuleNotFoundError(name='redis')\n")
    options = ("serve", "--port", 0, "--no-http", "--db", sample_url)
    without = {"PYTHONPATH": str(tmp_path), "QOTGATE_LIMIT_STORE": "redis://:secret@127.0.0.1"}
    assert run_process(*options, env=without).stderr == (
        "qotgate: --limit-store takes the Python package redis: pip install 'qotgate[redis]'.\n"
    )


def test_other_ways_to_the_store(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = map(str, certificate)
    tls_port = str(free_port())
    socket = tmp_path / "redis.sock"
    tls = ("--tls-port", tls_port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no")
    store = StoreServer(tmp_path, with_tls(), options=("--unixsocket", str(socket), *tls))
    secure = f"127.0.0.1:{tls_port}/0?ssl_ca_certs={cert}"
    urls = [
        store.url,
        store.url.replace("redis", "valkey"),
        f"unix://{socket}",
        f"rediss://{secure}",
        f"valkeys://{secure}",
    ]

    async def scenario() -> list[Taken]:
        taken = []
        for url in urls:
            limit_store = RedisBackend(url, RateLimit(4, 600))
            taken += await limit_store.take([limit_store.key("a")], asyncio.get_running_loop().time() + 10)
            await limit_store.close()
        return taken

    store.start()
    try:
        taken = asyncio.run(scenario())
    finally:
        store.stop()
    assert [one.left for one in taken] == [3, 2, 1, 0, 0]
    assert [one.wait > 0 for one in taken] == [False] * 4 + [True]


def test_those_who_wait_for_the_store_are_bounded(
    redis_server: StoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowances, "MAX_WAITING", 5)

    async def scenario() -> None:
        limit = RateLimit(100, 600)
        link = BackendLink(RedisBackend(redis_server.url, limit), "refuse")
        allowance = Allowance(limit, "wire", link=link)
        asked = [asyncio.ensure_future(allowance.take("a")) for _ in range(8)]
        await asyncio.sleep(0)
        assert [one.done() for one in asked] == [False] * 5 + [True] * 3
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [isinstance(answer, Refused) for answer in answers] == [False] * 5 + [True] * 3
        assert link.up
        assert dict(link.decisions) == {"store": 5, "local": 0, "refused": 3}
        # No request waits for ever on a closed link.
        late = asyncio.ensure_future(allowance.take("a"))
        await asyncio.sleep(0)
        await link.close()
        with pytest.raises(Refused):
            await late
        with pytest.raises(Refused):
            await allowance.take("a")

    asyncio.run(scenario())


def test_what_is_granted_for_want_of_room_is_told_the_store(
    redis_server: StoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowances, "MAX_WAITING", 5)

    async def scenario() -> None:
        limit = RateLimit(100, 600)
        link = BackendLink(RedisBackend(redis_server.url, limit), "local")
        allowance = Allowance(limit, "wire", link=link)
        answers = await asyncio.gather(*(allowance.take("a") for _ in range(8)))
        assert [answer.wait for answer in answers] == [0] * 8
        assert dict(link.decisions) == {"store": 5, "local": 3, "refused": 0}
        await asyncio.to_thread(
            until, lambda: redis_server.client().llen("qotgate:allowance:600s:wire:a") == 8
        )
        await link.close()

    asyncio.run(scenario())


def test_something_else_on_the_port_is_a_store_that_is_away(sample_gateway: Serving) -> None:
    async def scenario() -> None:
        store = RedisBackend(f"redis://127.0.0.1:{sample_gateway.port}", RateLimit(1, 30))
        with pytest.raises(BackendAway):
            await store.take(["a"], asyncio.get_running_loop().time() + 1)
        await store.close()

    asyncio.run(scenario())
