"""One peer floods a gateway while a bystander keeps asking it and measures its waits.

A wait is measured in the gateway's processor time: how long it worked before it answered. Other work on the
machine delays answers too, and says nothing about the gateway.

A flood sends whole buffers as fast as they are accepted, reads what comes, and reconnects when it is closed;
it ends after ``SECONDS``.
"""

import os
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from tests.support.serving import Serving, ServingProcess, children
from tests.support.websocket import websocket
from tests.support.wire import Wire

SECONDS = 1.5
"""Duration of a flood."""
MAX_CONNECTS = 200
"""Maximum number of connections by one peer: loopback has a limited number of ports."""
PAUSE_SECONDS = 0.01
MAX_IDLE_WAIT = 10
"""Seconds of wall-clock time that a gateway may wait without work of its own."""
TICKS = os.sysconf("SC_CLK_TCK")

Ask = Callable[[], None]


def _open(port: int, tls: ssl.SSLContext | None) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), 5)
    if tls is not None:
        connection = tls.wrap_socket(connection, server_hostname="127.0.0.1")
    connection.settimeout(0.02)
    return connection


def flood(port: int, first: bytes, again: bytes, tls: ssl.SSLContext | None = None) -> None:
    """Send ``first`` and then ``again`` over and over, on one connection at a time, for ``SECONDS``."""
    end = time.monotonic() + SECONDS
    for _ in range(MAX_CONNECTS):
        with suppress(OSError), _open(port, tls) as connection:
            data = first
            while time.monotonic() < end:
                with suppress(TimeoutError):
                    data = data[connection.send(data) :] or again
                while select.select([connection], [], [], 0)[0]:
                    if not connection.recv(1 << 16):
                        raise ConnectionResetError
        if time.monotonic() > end:
            return
        time.sleep(PAUSE_SECONDS)


def half_open(port: int, first: bytes, number: int) -> Callable[[], None]:
    """Hold ``number`` connections that sent ``first`` and then nothing, for ``SECONDS``."""

    def hold() -> None:
        with ExitStack() as opened:
            for _ in range(number):
                with suppress(OSError):
                    connection = opened.enter_context(_open(port, None))
                    connection.sendall(first)
            time.sleep(SECONDS)

    return hold


def _asks(gateway: Serving, opened: ExitStack, tls: ssl.SSLContext | None) -> dict[str, Ask]:
    wire = opened.enter_context(Wire(gateway.port))
    asks: dict[str, Ask] = {"TCP": lambda: _right(wire.dynamic().s2c.netShares == 76041)}
    if gateway.websocket:
        client = opened.enter_context(websocket(gateway, **({"ssl": tls} if tls else {})))
        client.init("")
        asks["WebSocket"] = lambda: _right(client.dynamic().s2c.netShares == 76041)
    if gateway.pages:
        port = int(gateway.pages.rsplit(":", 1)[1])
        for path in ("/healthz", "/readyz"):
            asks[path] = lambda path=path: _probe(port, path)
    return asks


def _right(is_right: bool) -> None:
    assert is_right, "a wrong answer"


def _probe(port: int, path: str) -> None:
    """Probe like an orchestrator: on a new connection, and again if that is closed. The probe has the flood's
    address, so its connection is a spare one, which later ones displace."""
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port), 20) as connection:
            connection.sendall(
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
            )
            answer = connection.recv(1 << 16)
        if answer:
            break
    assert answer.startswith(b"HTTP/1.1 200"), answer


def _work(gateway: ServingProcess) -> dict[int, float]:
    """Processor seconds of the gateway's processes so far."""
    work = {}
    for process in (gateway.process.pid, *children(gateway.process.pid)):
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1].split()
        work[process] = (int(fields[11]) + int(fields[12])) / TICKS
    return work


@contextmanager
def bystander(gateway: ServingProcess, cert: Path | None = None) -> Iterator[dict[str, float]]:
    """Ask over TCP, WebSocket and HTTP all the time. Yields the longest wait of each, in seconds of the
    gateway's processor time (of the process that worked most)."""
    tls = ssl.create_default_context(cafile=str(cert)) if cert else None
    waits: dict[str, float] = {}
    errors: list[Exception] = []
    done = Event()

    def ask(name: str, one: Ask) -> None:
        try:
            while not done.is_set():
                before, started = _work(gateway), time.perf_counter()
                one()
                waited = time.perf_counter() - started
                worked = max(work - before.get(process, 0) for process, work in _work(gateway).items())
                wait = waited if waited > MAX_IDLE_WAIT else min(worked, waited)
                waits[name] = max(waits[name], wait)
                time.sleep(PAUSE_SECONDS)
        except Exception as error:
            errors.append(error)

    with ExitStack() as opened:
        asks = _asks(gateway, opened, tls)
        for one in asks.values():
            one()
        waits.update(dict.fromkeys(asks, 0.0))
        threads = [Thread(target=ask, args=each) for each in asks.items()]
        for thread in threads:
            thread.start()
        try:
            yield waits
        finally:
            done.set()
            for thread in threads:
                thread.join(60)
    if errors:
        raise errors[0]
