"""Servers that break the protocol, and interrupted callers: each call ends, and leaves nothing behind."""

import asyncio
import gc
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from qotgate import (
    AsyncQuoteClient,
    ConnectionLost,
    ProtocolError,
    QotGateError,
    QuoteClient,
    RateLimited,
    Timeout,
)
from qotgate.client.questions import ask as question
from qotgate.protocol.body import encode
from qotgate.protocol.frame import PROTOBUF, Frame, FrameParser
from qotgate.protocol.messages import RESPONSES, ProtoId
from qotgate.protocol.names import STATE_FIELDS
from tests.support.serving import Serving, client_threads

Answer = Callable[[int, int], bytes]
"""Returns the bytes of the answer to a proto id and serial."""


def response(proto_id: int, serial: int, **fields: Any) -> bytes:
    return Frame(
        proto_id, PROTOBUF, serial, encode(RESPONSES[ProtoId(proto_id)](**fields), PROTOBUF)
    ).encode()


def started(serial: int) -> bytes:
    s2c = {"serverVer": 1, "loginUserID": 1, "connID": 1, "connAESKey": "0" * 16, "keepAliveInterval": 10}
    return response(1001, serial, retType=0, s2c=s2c)


@contextmanager
def server(answer: Answer) -> Iterator[int]:
    """A server that does InitConnect, and then answers as the test requires."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve(peer: socket.socket) -> None:
        parser = FrameParser()
        with peer:
            while not over.is_set():
                try:
                    data = peer.recv(1 << 16)
                    if not data:
                        return
                    for packet in parser.feed(data):
                        known = packet.proto_id, packet.serial
                        reply = started(packet.serial) if packet.proto_id == 1001 else answer(*known)
                        peer.sendall(reply)
                        if not reply:
                            peer.shutdown(socket.SHUT_RDWR)
                except OSError:
                    return

    def accept() -> None:
        while not over.is_set():
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(peer,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def dynamic(proto_id: int, serial: int, **s2c: Any) -> bytes:
    return response(proto_id, serial, retType=0, s2c=s2c)


WRONG: dict[str, Answer] = {
    "no s2c": lambda proto_id, serial: response(proto_id, serial, retType=0),
    "a day that is none": lambda proto_id, serial: dynamic(proto_id, serial, lastTransactionTime="soon"),
    "not a message": lambda proto_id, serial: Frame(proto_id, PROTOBUF, serial, b"\xff" * 9).encode(),
    "another body's SHA-1": lambda proto_id, serial: dynamic(proto_id, serial)[:-2] + b"\x18\x07",
    "text that is not UTF-8": lambda proto_id, serial: Frame(
        proto_id, PROTOBUF, serial, b"\x08\x00\x22\x03\x22\x01\xff"
    ).encode(),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_answer_fails_its_question_alone(what: str) -> None:
    replies = iter([WRONG[what], dynamic])
    with server(lambda *known: next(replies)(*known)) as port, QuoteClient(port=port, timeout=5) as client:
        with pytest.raises(ProtocolError):
            client.ark_dynamic("US.TSLA")
        assert client.ark_dynamic("US.TSLA").transaction_count == 0


@pytest.mark.parametrize("seconds", [1 << 40, 1 << 62, -(1 << 62)])
def test_a_time_beyond_all_days_is_wrong(seconds: int) -> None:
    fields = dict.fromkeys(STATE_FIELDS, 0) | {
        "serverVer": 1,
        "serverBuildNo": 1,
        "qotLogined": 1,
        "trdLogined": 0,
        "time": seconds,
    }

    def answer(proto_id: int, serial: int) -> bytes:
        return response(proto_id, serial, retType=0, s2c=fields)

    with (
        server(answer) as port,
        QuoteClient(port=port, timeout=5) as client,
        pytest.raises(ProtocolError, match="makes no sense"),
    ):
        client.global_state()


def test_errors_of_signal_handlers_leave_the_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_given: object) -> None:
        raise TimeoutError("mine")

    monkeypatch.setattr(socket, "create_connection", interrupted)
    with QuoteClient(timeout=5) as client, pytest.raises(TimeoutError, match="mine"):
        client.ark_dynamic("US.TSLA")


def test_errors_of_signal_handlers_leave_the_reading_of_an_answer() -> None:
    def read(_s2c: object) -> None:
        raise TimeoutError("mine")

    given = RESPONSES[ProtoId.Qot_GetArkStockDynamic](retType=0, s2c={"netShares": 1})
    asked = question(ProtoId.Qot_GetArkStockDynamic, read, security={"market": 11, "code": "TSLA"})
    with pytest.raises(TimeoutError, match="mine"):
        asked.answer(given)


def test_answers_to_nobody_are_passed_over() -> None:
    def answer(proto_id: int, serial: int) -> bytes:
        own = dynamic(proto_id, serial, netShares=serial)
        return dynamic(proto_id, serial + 99) + response(1004, 7, retType=0) + own + own

    with server(answer) as port, QuoteClient(port=port, timeout=5) as client:
        assert [row.net_shares for row in client.ark_dynamics(["US.TSLA"] * 4)] == [2, 3, 4, 5]


def test_a_server_that_always_hangs_up_is_lost() -> None:
    with server(lambda *_: b"") as port:
        begun = time.monotonic()
        with QuoteClient(port=port, timeout=0.5) as client, pytest.raises((ConnectionLost, Timeout)):
            client.ark_dynamics(["US.TSLA"] * 3)

        async def ask() -> None:
            async with AsyncQuoteClient(port=port, timeout=0.5) as other:
                with pytest.raises((ConnectionLost, Timeout)):
                    await other.ark_dynamics(["US.TSLA"] * 3)

        asyncio.run(ask())
        assert time.monotonic() - begun < 20


def test_an_answer_is_not_lost_with_the_connection_after_it() -> None:
    """Each connection delivers two answers and ends: no answer is lost."""
    count = 0

    def answer(proto_id: int, serial: int) -> bytes:
        nonlocal count
        count += 1
        return b"" if count % 3 == 0 else dynamic(proto_id, serial)

    with server(answer) as port, QuoteClient(port=port, timeout=5) as client:
        assert len(client.ark_dynamics(["US.TSLA"] * 20)) == 20


@pytest.mark.parametrize("wait", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_a_wait_that_makes_no_sense_is_a_refusal(wait: float) -> None:
    def answer(proto_id: int, serial: int) -> bytes:
        return response(proto_id, serial, retType=-1, retMsg="no", retryAfter=wait)

    with server(answer) as port, QuoteClient(port=port, timeout=5) as client:
        with pytest.raises(QotGateError, match="no") as refused:
            client.ark_dynamics(["US.TSLA"])
        assert not isinstance(refused.value, RateLimited)


def test_a_refused_global_state_is_an_error() -> None:
    with (
        server(lambda proto_id, serial: response(proto_id, serial, retType=-1, retMsg="no")) as port,
        QuoteClient(port=port, timeout=5) as client,
        pytest.raises(QotGateError, match="no"),
    ):
        client.global_state()


def test_a_page_that_is_its_own_next_page_ends() -> None:
    with (
        server(lambda proto_id, serial: dynamic(proto_id, serial, allCount=1, nextPage="x")) as port,
        QuoteClient(port=port, timeout=5) as client,
        pytest.raises(ProtocolError, match="next page itself"),
    ):
        client.rating_changes("US").rows()


def test_closing_ends_a_wait_for_the_allowance() -> None:
    def answer(proto_id: int, serial: int) -> bytes:
        return response(proto_id, serial, retType=-1, retMsg="wait", retryAfter=60)

    with server(answer) as port:
        client = QuoteClient(port=port, timeout=5)
        threading.Timer(0.3, client.close).start()
        begun = time.monotonic()
        with pytest.raises(ConnectionLost, match="was closed"):
            client.ark_dynamics(["US.TSLA"])
        assert time.monotonic() - begun < 30


def test_a_limit_holds_for_connecting_and_asking_together() -> None:
    def slowly(proto_id: int, serial: int) -> bytes:
        time.sleep(30)
        return b""

    with server(slowly) as port:
        begun = time.monotonic()
        with QuoteClient(port=port, timeout=0.5) as client, pytest.raises(QotGateError, match="in time"):
            client.ark_dynamic("US.TSLA")
        assert time.monotonic() - begun < 10


def test_a_client_that_nobody_holds_is_closed(sample_gateway: Serving) -> None:
    before = client_threads()
    for _ in range(10):
        QuoteClient(port=sample_gateway.port).ark_dynamic("US.TSLA")
    gc.collect()
    deadline = time.monotonic() + 10
    while client_threads() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert client_threads() <= before


def alarmed(error: str, before: str) -> str:
    """A script whose call is ended by the ``error`` that its own signal handler raises."""
    return f"""
import signal, socket, sys
from qotgate.client import connection
def late(*_):
    raise {error}("mine")
signal.signal(signal.SIGALRM, late)
{before}
signal.setitimer(signal.ITIMER_REAL, 0.2)
try:
    client.ark_dynamic("US.TSLA")
except {error} as error:
    sys.exit(7 if str(error) == "mine" else str(error))
"""


SCRIPTS = {
    "a signal handler closes": """
import os, signal, sys, threading
def close(*_):
    client.close()
    sys.exit(7)
signal.signal(signal.SIGINT, close)
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
client.ark_dynamic("US.TSLA")
""",
    "an interrupt comes": """
import os, signal, sys, threading
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    client.ark_dynamic("US.TSLA")
except KeyboardInterrupt:
    client.close()
    sys.exit(7)
""",
    "a signal handler raises a timeout": alarmed("TimeoutError", "client.connect()"),
    "a signal handler raises a timeout while it connects": alarmed(
        "TimeoutError",
        """
silent = socket.create_server(("127.0.0.1", 0))
client = QuoteClient(port=silent.getsockname()[1], timeout=30)
""",
    ),
    "a signal handler raises an error while a poll is under way": alarmed(
        "BlockingIOError",
        """
connection.POLLS, connection.POLL_SECONDS = True, 1.0
client.connect()
""",
    ),
    "the process ends with an open client": """
import sys
def use():
    with client:
        client.connect()
        yield
generator = use()
next(generator)
sys.exit(7)
""",
}


@pytest.mark.parametrize("what", SCRIPTS)
def test_a_process_ends_when(what: str) -> None:
    def never(proto_id: int, serial: int) -> bytes:
        time.sleep(30)
        return b""

    with server(never) as port:
        script = (
            f"from qotgate import QuoteClient\nclient = QuoteClient(port={port}, timeout=30)\n{SCRIPTS[what]}"
        )
        begun = time.monotonic()
        done = subprocess.run([sys.executable, "-c", script], check=False, timeout=60, capture_output=True)
        assert done.returncode == 7, done.stderr
        assert time.monotonic() - begun < 20


def test_interrupts_leave_a_client_usable(sample_gateway: Serving) -> None:
    script = f"""
import signal, threading, time
from qotgate import QuoteClient
client = QuoteClient(port={sample_gateway.port})
expected = client.ark_dynamic("US.TSLA")
over = threading.Event()
asking = False
def interrupted(*_):
    global asking
    if asking:
        asking = False
        raise KeyboardInterrupt
signal.signal(signal.SIGINT, interrupted)
def interrupt():
    for _ in range(60):
        time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    over.set()
def ask():
    while not over.is_set():
        assert client.ark_dynamic("US.TSLA") == expected
askers = [threading.Thread(target=ask) for _ in range(3)]
for asker in askers:
    asker.start()
threading.Thread(target=interrupt).start()
while not over.is_set():
    try:
        asking = True
        assert client.ark_dynamic("US.TSLA") == expected
        asking = False
    except KeyboardInterrupt:
        pass
begun = time.monotonic()
for asker in askers:
    asker.join()
assert client.ark_dynamic("US.TSLA") == expected
client.close()
assert time.monotonic() - begun < 10
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=100)


def test_a_signal_handler_asks_while_its_thread_sends(sample_gateway: Serving) -> None:
    script = f"""
import signal
from qotgate import QuoteClient
client = QuoteClient(port={sample_gateway.port}, timeout=5)
expected = client.ark_dynamic("US.TSLA"), client.ark_dynamic("US.ROKU")
answers = []
signal.signal(signal.SIGUSR1, lambda *_: answers.append(client.ark_dynamic("US.ROKU")))
class Socket:
    def __init__(self, real):
        self.real = real
    def sendall(self, data):
        half = len(data) // 2
        self.real.sendall(data[:half])
        signal.raise_signal(signal.SIGUSR1)
        self.real.sendall(data[half:])
    def __getattr__(self, name):
        return getattr(self.real, name)
connection = client._link._connection
connection._socket = Socket(connection._socket)
answers.insert(0, client.ark_dynamic("US.TSLA"))
assert tuple(answers) == expected, answers
client.close()
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_threads_of_a_forked_child_share_one_connection(sample_gateway: Serving) -> None:
    script = f"""
import os, sys
from concurrent.futures import ThreadPoolExecutor
from qotgate import QuoteClient
client = QuoteClient(port={sample_gateway.port})
expected = client.ark_dynamic("US.TSLA")
children = []
for _ in range(10):
    child = os.fork()
    if child == 0:
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(client.ark_dynamic, ["US.TSLA"] * 40))
        os._exit(set(answers) != {{expected}})
    children.append(child)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 10
assert client.ark_dynamic("US.TSLA") == expected
client.close()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=100)


def test_a_client_of_a_closed_loop_serves_the_next_one(sample_gateway: Serving) -> None:
    client = AsyncQuoteClient(port=sample_gateway.port)
    first, second = (asyncio.run(client.ark_dynamic("US.TSLA")) for _ in range(2))
    assert first == second
    asyncio.run(client.close())

    async def elsewhere() -> None:
        other = AsyncQuoteClient(port=sample_gateway.port)
        await other.connect()
        error = await asyncio.to_thread(lambda: _error(lambda: asyncio.run(other.ark_dynamic("US.TSLA"))))
        assert "another event loop" in str(error)
        await other.close()

    asyncio.run(elsewhere())


def _error(call: Callable[[], object]) -> BaseException | None:
    try:
        call()
    except QotGateError as error:
        return error
    return None


def test_closing_while_connecting_leaves_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:

        async def main() -> None:
            client = AsyncQuoteClient(port=silent.getsockname()[1], timeout=1)
            asked = asyncio.create_task(client.ark_dynamic("US.TSLA"))
            await asyncio.sleep(0.2)
            await client.close()
            with pytest.raises(ConnectionLost):
                await asked

        asyncio.run(main())
