"""Several processes that serve one port, and the parent that keeps them running.

Each worker listens by itself and the kernel spreads the connections (SO_REUSEPORT): a worker that has ended
gets no more of them. The parent serves nobody. It holds the ports by sockets that do not listen, starts a
worker again that ends unasked, and tells all to stop when it is told. Workers notice when the parent is gone,
and stop as well.

Workers are forked: they share the memory of what is imported and the shared limits, and start at once. The
parent must have neither threads at work nor an event loop, and no open database.
"""

import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any

from qotgate.model import QotGateError

STOP_SECONDS = 8.0
"""How long a worker may take to send what it owes; a little more than the gateway gives itself."""
SETTLED_SECONDS = 1.0
"""A worker that ends sooner is started again only after as long: it would end again at once."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)

Ready = Callable[[list[str]], None]
"""What a worker calls with its addresses once it serves."""
Work = Callable[[int, Ready, int], None]
"""What a worker does, given its number, and a file descriptor that can be read once the parent is gone."""


@dataclass
class _Worker:
    process: ForkProcess
    ready: Connection
    started: float


class Workers:
    """``count`` processes that do ``work``; ``ended`` is called with the number of each that ends unasked."""

    def __init__(self, count: int, work: Work, ended: Callable[[int], None]) -> None:
        self._work = work
        self._ended = ended
        self._count = count
        self._workers: dict[int, _Worker] = {}
        self._due: dict[int, float] = {}
        self._context = multiprocessing.get_context("fork")
        self._orphaned, self._parent_lives = os.pipe()
        self._wake, self._waker = os.pipe()

    def run(self, listening: Callable[[list[str]], object]) -> None:
        """Run until SIGINT or SIGTERM; ``listening`` is called with the addresses once all workers serve.

        Raises QotGateError where a worker cannot start.
        """
        for name in SIGNALS:
            signal.signal(name, lambda *_: os.write(self._waker, b"\0"))
        try:
            for number in range(self._count):
                self._start(number)
            said = [self._first_word(worker) for worker in self._workers.values()]
            if said[0] is None or None in said:
                return
            listening(said[0])
            self._watch()
        finally:
            self._stop()

    def _start(self, number: int) -> None:
        ready, tell = self._context.Pipe(duplex=False)
        process = self._context.Process(target=self._be_worker, args=(number, tell))
        # A signal between fork and the worker's own handlers would reach the parent's handler in the worker.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        tell.close()
        self._workers[number] = _Worker(process, ready, time.monotonic())

    def _be_worker(self, number: int, tell: Connection) -> None:
        for name in SIGNALS:
            signal.signal(name, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(self._parent_lives)
        try:
            self._work(number, tell.send, self._orphaned)
        except QotGateError as error:
            with suppress(OSError):
                tell.send(str(error))
            sys.exit(1)

    def _first_word(self, worker: _Worker) -> list[str] | None:
        """A new worker's addresses, None where a signal came first. Raises QotGateError."""
        if self._wake in wait([worker.ready, self._wake]):
            return None
        try:
            said: Any = worker.ready.recv()
        except EOFError:
            raise QotGateError("A worker ended before it could serve.") from None
        if isinstance(said, str):
            raise QotGateError(said)
        addresses: list[str] = said
        return addresses

    def _watch(self) -> None:
        while True:
            now = time.monotonic()
            for number in [number for number, due in self._due.items() if due <= now]:
                del self._due[number]
                self._start(number)
            sentinels = {worker.process.sentinel: number for number, worker in self._workers.items()}
            timeout = max(min(self._due.values()) - now, 0) if self._due else None
            found = wait([self._wake, *sentinels], timeout)
            if self._wake in found:
                return
            for sentinel, number in sentinels.items():
                if sentinel in found:
                    self._replace(number)

    def _replace(self, number: int) -> None:
        worker = self._workers.pop(number)
        worker.process.join()
        worker.ready.close()
        self._ended(number)
        code = worker.process.exitcode or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        # Where nobody takes the line, the workers matter more.
        with suppress(OSError):
            sys.stderr.write(f"qotgate: worker {number + 1} ended {how}; it is started again.\n")
            sys.stderr.flush()
        now = time.monotonic()
        self._due[number] = now if now - worker.started > SETTLED_SECONDS else now + SETTLED_SECONDS

    def _stop(self) -> None:
        for worker in self._workers.values():
            worker.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for worker in self._workers.values():
            worker.process.join(max(deadline - time.monotonic(), 0))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


@contextmanager
def held_port(host: str, port: int) -> Iterator[int]:
    """Hold ``port`` of ``host`` for workers to listen on, or a free one for 0; the port.

    Raises QotGateError where something else has it.
    """
    held: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, number, _, address in found:
            # Sharing a port is between workers; with anyone else's it would take half their connections.
            with _bound(family, kind, number, (address[0], port, *address[2:]), share=False) as alone:
                port = alone.getsockname()[1]
            held.append(_bound(family, kind, number, (address[0], port, *address[2:]), share=True))
    except (OSError, UnicodeError) as error:
        for one in held:
            one.close()
        reason = getattr(error, "strerror", None) or error
        raise QotGateError(f"Cannot listen on {host}:{port}: {reason}; name another host or port.") from error
    try:
        yield port
    finally:
        for one in held:
            one.close()


def _bound(family: int, kind: int, number: int, address: Any, *, share: bool) -> socket.socket:
    bound = socket.socket(family, kind, number)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if share:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
