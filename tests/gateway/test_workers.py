"""Several processes on one port: one allowance, one number of connections, and workers that end only with
their parent."""

import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qotgate.limits.shared_memory import SharedSlots, SharedWindow
from qotgate.limits.slots import ProcessSlots
from qotgate.limits.window import ProcessWindow, RateLimit
from qotgate.model import QotGateError
from qotgate.protocol.messages import ProtoId
from tests.support.commands import run_process
from tests.support.serving import ServingProcess, children, serving_process, until
from tests.support.websocket import websocket
from tests.support.wire import Wire, granted

pytestmark = pytest.mark.slow

FORK = multiprocessing.get_context("fork")
WORKERS = 3


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.tuples(st.floats(0, 20), st.sampled_from("ab"))))
def test_a_shared_allowance_grants_what_a_plain_one_grants(asked: list[tuple[float, str]]) -> None:
    clock = Clock()
    plain = ProcessWindow(RateLimit(3, 30), clock)
    shared = SharedWindow(RateLimit(3, 30), "ab", clock)
    for gap, key in asked:
        clock.now += gap
        assert shared.take(key) == plain.take(key)


def test_an_allowance_too_large_to_share_is_refused() -> None:
    with pytest.raises(QotGateError, match="at most 1000000 requests"):
        SharedWindow(RateLimit(1_000_001, 30), "a")


def test_processes_at_once_are_granted_the_limit_together() -> None:
    allowance = SharedWindow(RateLimit(5000, 3600), "a")
    granted = FORK.SimpleQueue()

    def ask() -> None:
        granted.put(sum(allowance.take("a") == 0 for _ in range(2500)))

    processes = [FORK.Process(target=ask) for _ in range(4)]
    for process in processes:
        process.start()
    assert sum(granted.get() for _ in processes) == 5000
    for process in processes:
        process.join(10)


def test_a_process_killed_while_it_asks_holds_nobody_up() -> None:
    allowance = SharedWindow(RateLimit(1_000_000, 3600), "a")

    def ask_on() -> None:
        while True:
            allowance.take("a")

    for _ in range(20):
        process = FORK.Process(target=ask_on)
        process.start()
        time.sleep(0.02)
        process.kill()
        process.join(10)
        # Would wait for ever if the lock were still held.
        assert allowance.take("a") == 0


def test_the_places_of_an_ended_worker_come_back() -> None:
    places = SharedSlots(3, 2)
    one, two = places.of(0), places.of(1)
    full = "too_many_connections"
    assert [one.acquire(), two.acquire(), two.acquire(), one.acquire()] == [None, None, None, full]
    one.release()
    assert [two.acquire(), one.acquire()] == [None, full]
    places.clear(1)
    assert [one.acquire(), one.acquire(), one.acquire(), one.acquire()] == [None, None, None, full]


def test_the_places_of_an_ended_worker_come_back_to_their_address() -> None:
    places = SharedSlots(5, 2, 2)
    one, two = places.of(0), places.of(1)
    assert [one.acquire(7), two.acquire(7), two.acquire(8), one.acquire(7)] == [
        None,
        None,
        None,
        "too_many_of_address",
    ]
    places.clear(1)
    assert [one.acquire(7), one.acquire(7), one.acquire(8), one.acquire(8)] == [
        None,
        "too_many_of_address",
        None,
        None,
    ]
    one.release(7)
    assert [two.acquire(7), one.acquire(7), two.acquire(9)] == [None, "too_many_of_address", None]
    assert two.acquire(10) == "too_many_connections"


@given(st.lists(st.tuples(st.sampled_from(["take", "give back"]), st.integers(0, 1), st.integers(1, 3))))
def test_shared_places_are_those_of_one_process(steps: list[tuple[str, int, int]]) -> None:
    plain, shared = ProcessSlots(4, 2), SharedSlots(4, 2, 2)
    workers = [shared.of(0), shared.of(1)]
    taken: set[tuple[int, int, int]] = set()
    for number, (step, worker, address) in enumerate(steps):
        if step == "take":
            lack = plain.acquire(address)
            assert workers[worker].acquire(address) == lack
            if lack is None:
                taken.add((worker, address, number))
            continue
        for one in [one for one in taken if one[:2] == (worker, address)][:1]:
            plain.release(address)
            workers[worker].release(address)
            taken.remove(one)


@pytest.fixture
def gateway(sample_url: str) -> Iterator[ServingProcess]:
    if not Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").exists():
        pytest.skip("the system does not list a process's children")
    with serving_process(
        sample_url, "--workers", str(WORKERS), "--websocket-port", "0", "--lang", "en"
    ) as gateway:
        yield gateway


def test_sixty_are_granted_over_all_workers_and_through_the_death_of_one(gateway: ServingProcess) -> None:
    workers = children(gateway.process.pid)
    assert len(workers) == WORKERS
    with ExitStack() as opened:
        wires = [opened.enter_context(Wire(gateway.port)) for _ in range(24)]
        assert granted(wires, 2) == 48
        os.kill(workers[0], signal.SIGKILL)
        until(lambda: len(set(children(gateway.process.pid)) - {workers[0]}) == WORKERS)
        alive = [wire for wire in wires if not lost(wire)]
        # The kernel spreads 24 connections over three workers: none of them may get all, or none.
        assert 0 < len(alive) < 24
        more = [opened.enter_context(Wire(gateway.port)) for _ in range(12)]
        assert granted(alive + more, 5) == 12
        with websocket(gateway) as client:
            client.init("")
            answer = client.dynamic()
            assert (answer.retType, "at most 60 requests in 30 seconds" in answer.retMsg) == (-1, True)
    assert gateway.stop() == 0


def lost(wire: Wire) -> bool:
    try:
        return wire.ask(ProtoId.KeepAlive, time=1).retType != 0
    except (EOFError, OSError):
        return True


def test_the_connections_of_all_workers_are_counted_together(sample_url: str) -> None:
    options = ("--workers", "2", "--max-connections", "5", "--lang", "en")
    with serving_process(sample_url, *options) as gateway, ExitStack() as opened:
        for _ in range(5):
            opened.enter_context(Wire(gateway.port))
        with Wire(gateway.port, init=False) as sixth:
            answer = sixth.ask(ProtoId.InitConnect, clientVer=1, clientID="sixth")
            assert (answer.retType, "already serves 5 connections" in answer.retMsg) == (-1, True)
        for worker in children(gateway.process.pid):
            os.kill(worker, signal.SIGKILL)

        def all_places_again() -> bool:
            with suppress(OSError, EOFError, AssertionError), ExitStack() as again:
                for _ in range(5):
                    again.enter_context(Wire(gateway.port))
                return True
            return False

        until(all_places_again)


def test_sigterm_drains_all_workers(gateway: ServingProcess) -> None:
    with ExitStack() as opened:
        wires = [opened.enter_context(Wire(gateway.port)) for _ in range(12)]
        for wire in wires:
            wire.send(wire.request(ProtoId.GetGlobalState, userID=0) * 20)
            assert wire.answer().retType == 0
        assert gateway.stop() == 0
        for wire in wires:
            answers = 1
            while not wire.closed():
                answers += 1
            assert answers == 20
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", gateway.port), 1)


def test_workers_end_with_their_parent(gateway: ServingProcess) -> None:
    workers = children(gateway.process.pid)
    gateway.process.kill()
    gateway.process.wait(10)
    until(lambda: not any(Path(f"/proc/{worker}/cmdline").exists() for worker in workers))


def test_it_is_announced_once(sample_url: str) -> None:
    with serving_process(sample_url, "--workers", "2") as gateway:
        assert gateway.stop() == 0
        assert gateway.process.stdout is not None
        assert gateway.process.stdout.read() == ""


def test_a_port_that_another_has_is_refused(gateway: ServingProcess, sample_url: str) -> None:
    for workers in (1, 2):
        done = run_process("serve", "--workers", workers, "--port", gateway.port, "--db", sample_url)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"qotgate: Cannot listen on 127.0.0.1:{gateway.port}: ")
