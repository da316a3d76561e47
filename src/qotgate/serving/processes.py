"""Several processes that serve one port, and the parent that keeps them running.

The parent answers no client. It holds the listening sockets, one for each port and worker, and the kernel
spreads the connections over them (SO_REUSEPORT). When a worker ends, its waiting connections go to its
replacement. The parent stops all workers when it stops. Workers stop as well when the parent is gone.

Workers are forked, so they start at once and share the memory of imported modules, the limits and the
sockets. The parent must have neither running threads nor an event loop nor an open database.
"""

import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from multiprocessing.reduction import send_handle
from typing import Any

import structlog

from qotgate.model import QotGateError

STOP_SECONDS = 3.0
"""Time for a worker to end, besides its time for pending answers."""
PAUSE_SECONDS = 5.0
"""Time for a worker to pause: more than it gives itself."""
SETTLED_SECONDS = 1.0
"""A worker that ends sooner is restarted only after this time: it would probably end again at once."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if sys.platform != "win32" else ()

Work = Callable[[int, Connection, int], None]
"""A worker's function. It gets its number, its connection to the parent, and a file descriptor that becomes
readable when the parent is gone. It sends its addresses once it serves. If it takes over from another
gateway, it first sends READY and waits for SERVE."""
READY = "ready"
SERVE = "serve"
CHANGE = "change"
PAUSE = "pause"
MOVE = "move"
"""The messages between the parent and a worker."""

log = structlog.get_logger()


@dataclass
class _Worker:
    process: ForkProcess
    line: Connection
    started: float


class Workers:
    """``count`` processes that run ``work``. ``ended`` is called with the number of each one that ends
    unexpectedly, ``hung_up`` at SIGHUP, ``often`` every few seconds."""

    def __init__(
        self,
        count: int,
        work: Work,
        ended: Callable[[int], None],
        hung_up: Callable[[], None],
        often: Callable[[], float | None],
    ) -> None:
        self.drain_seconds = 0.0
        self._work = work
        self._ended = ended
        self._hung_up = hung_up
        self._often = often
        self._count = count
        self._workers: dict[int, _Worker] = {}
        self._due: dict[int, float] = {}
        self._readers: dict[int, Callable[[], object]] = {}
        self._leaving = False
        self._context = multiprocessing.get_context("fork")
        self._orphaned, self._parent_lives = os.pipe()
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._waker, False)

    def run(self, take_over: Callable[[], Any] | None, listening: Callable[[list[str]], object]) -> None:
        """Run until SIGINT or SIGTERM; ``listening`` is called with the addresses once all workers serve.
        ``take_over`` is called once the workers are ready to serve; its result is passed to them.

        Raises QotGateError if a worker cannot start.
        """
        for name in SIGNALS:
            signal.signal(name, self._note)
        reason = ""
        try:
            for number in range(self._count):
                self._start(number)
            if take_over is not None:
                if None in [self._next_word(worker) for worker in self._workers.values()]:
                    return
                self.tell((SERVE, take_over()))
            said = [self._next_word(worker) for worker in self._workers.values()]
            if said[0] is None or None in said:
                return
            listening(said[0])
            reason = self._watch()
        finally:
            if reason:
                log.info("gateway stopping", reason=reason, drain_seconds=self.drain_seconds)
            self._stop()
            if reason:
                log.info("gateway stopped")

    def add_reader(self, file: int, callback: Callable[[], object], /) -> None:
        self._readers[file] = callback

    def remove_reader(self, file: int, /) -> None:
        self._readers.pop(file, None)

    def tell(self, what: Any) -> None:
        """Send a message to all workers."""
        for worker in self._workers.values():
            with suppress(OSError):
                worker.line.send(what)

    def pause(self) -> Any:
        """Have all workers accept no more connections and requests, and count what they have read. Returns
        the first worker's answer."""
        said = None
        self.tell((PAUSE, None))
        deadline = time.monotonic() + PAUSE_SECONDS
        for worker in self._workers.values():
            with suppress(OSError, EOFError):
                if worker.line.poll(max(deadline - time.monotonic(), 0)):
                    said = said or worker.line.recv()
        return said or {}

    def leave(self, channels: list[socket.socket]) -> None:
        """Have all workers migrate their connections through ``channels``, and end."""
        self._leaving = True
        for worker in self._workers.values():
            with suppress(OSError):
                worker.line.send((MOVE, len(channels)))
                for one in channels:
                    send_handle(worker.line, one.fileno(), worker.process.pid)
        for one in channels:
            one.close()

    def _note(self, number: int, _frame: Any) -> None:
        with suppress(BlockingIOError):
            os.write(self._waker, bytes([number]))

    def _start(self, number: int) -> None:
        line, its_line = self._context.Pipe()
        process = self._context.Process(target=self._be_worker, args=(number, its_line))
        # A signal between fork and the worker's own signal handlers would run the parent's handler in the
        # worker.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        its_line.close()
        self._workers[number] = _Worker(process, line, time.monotonic())

    def _be_worker(self, number: int, line: Connection) -> None:
        # Ctrl-C and a closed terminal signal the workers as well as the parent; the parent tells the workers
        # what to do.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(self._parent_lives)
        try:
            self._work(number, line, self._orphaned)
        except QotGateError as error:
            with suppress(OSError):
                line.send(str(error))
            sys.exit(1)

    def _next_word(self, worker: _Worker) -> list[str] | None:
        """A new worker's first message; None if a signal came first. Raises QotGateError."""
        if self._wake in wait([worker.line, self._wake]):
            return None
        try:
            said: Any = worker.line.recv()
        except (EOFError, OSError):
            raise QotGateError("A worker ended before it could serve.") from None
        if isinstance(said, str):
            raise QotGateError(said)
        addresses: list[str] = said
        return addresses

    def _watch(self) -> str:
        """Keep the workers running until a signal or an error. Returns its name."""
        while True:
            now = time.monotonic()
            for number in [number for number, due in self._due.items() if due <= now]:
                del self._due[number]
                self._start(number)
            sentinels = {worker.process.sentinel: number for number, worker in self._workers.items()}
            waits = [due - now for due in self._due.values()]
            often = self._often()
            waits += [] if often is None else [often]
            found = wait([self._wake, *self._readers, *sentinels], max(min(waits), 0) if waits else None)
            for file, callback in [one for one in self._readers.items() if one[0] in found]:
                # A callback may have removed another.
                if file in self._readers:
                    callback()
            for number in os.read(self._wake, 64) if self._wake in found else ():
                if number != signal.SIGHUP:
                    return signal.Signals(number).name
                self._hung_up()
            if self._leaving:
                return "another gateway took over"
            for sentinel, number in sentinels.items():
                if sentinel in found:
                    self._replace(number)

    def _replace(self, number: int) -> None:
        worker = self._workers.pop(number)
        worker.process.join()
        worker.line.close()
        self._ended(number)
        code = worker.process.exitcode or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        # A log that cannot be written must not stop the workers.
        with suppress(OSError):
            sys.stderr.write(f"qotgate: worker {number + 1} ended {how}; it is started again.\n")
            sys.stderr.flush()
        now = time.monotonic()
        self._due[number] = now if now - worker.started > SETTLED_SECONDS else now + SETTLED_SECONDS

    def _stop(self) -> None:
        """Wait until all workers have ended by themselves; a second signal ends them at once."""
        if not self._leaving:
            for worker in self._workers.values():
                worker.process.terminate()
        deadline = time.monotonic() + self.drain_seconds + STOP_SECONDS
        while alive := [one.process for one in self._workers.values() if one.process.is_alive()]:
            left = deadline - time.monotonic()
            found = wait([self._wake, *(one.sentinel for one in alive)], max(left, 0))
            again = self._wake in found and set(os.read(self._wake, 64)) - {signal.SIGHUP}
            if left <= 0 or again:
                for process in alive:
                    process.kill()
                    process.join()
