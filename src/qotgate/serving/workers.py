"""``qotgate serve --workers``: the gateway in several processes."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Coroutine
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from typing import Any

import structlog

from qotgate.gateway.interfaces import INTERFACES
from qotgate.limits.shared_memory import SharedLimits, SharedSlots, SharedWindow
from qotgate.limits.window import DEFAULT_LIMIT
from qotgate.model import QotGateError
from qotgate.serving.alone import drain_log
from qotgate.serving.configuration import Configuration, read_again
from qotgate.serving.handover import Message, Offer
from qotgate.serving.notify import notify, reloading, watchdog_seconds
from qotgate.serving.opening import open_questions, open_store
from qotgate.serving.processes import CHANGE, MOVE, PAUSE, READY, Workers
from qotgate.serving.running import Running, announce, freeze_memory, log_started, run_loop, start_log
from qotgate.serving.sockets import Sockets, open_sockets
from qotgate.store import Store

log = structlog.get_logger()


def serve_by_workers(configuration: Configuration, flags: dict[str, Any]) -> None:
    """Serve with several processes. Raises QotGateError."""
    start_log(configuration.settings, background=False)
    # Report errors of the database before anything is started.
    with open_questions(configuration.settings):
        pass
    _Parent(configuration, flags, open_sockets(configuration)).run()


class _Parent:
    """The parent's part: the state that workers share."""

    def __init__(self, configuration: Configuration, flags: dict[str, Any], sockets: Sockets) -> None:
        self._configuration = configuration
        self._flags = flags
        self._sockets = sockets
        self._took_over = sockets.inheritance is None
        self._offer: Offer | None = None
        self._on_terminal = sys.stdin is not None and sys.stdin.isatty()
        self._alive_at = 0.0
        options = configuration.options
        self._window = None
        if options.rate_limit_scope == "gateway":
            self._window = SharedWindow(options.rate_limit or DEFAULT_LIMIT, INTERFACES)
        self._slots = SharedSlots(
            options.max_connections, configuration.settings.workers, options.max_connections_per_address
        )
        self._workers = Workers(
            configuration.settings.workers, self._work, self._slots.clear, self._hung_up, self._stay_alive
        )
        self._workers.drain_seconds = options.drain_seconds

    def run(self) -> None:
        take_over = self._take_over if self._sockets.inheritance is not None else None
        try:
            self._workers.run(take_over, self._listening)
        finally:
            notify("STOPPING=1")
            if self._offer is not None:
                self._offer.close()

    def _work(self, number: int, line: Connection, orphaned: int) -> None:
        configuration = self._configuration
        start_log(configuration.settings)
        for other in self._sockets.sets:
            if other is not self._sockets.sets[number]:
                other.close()
        limits = SharedLimits(self._window, self._slots.of(number))
        with open_store(configuration.settings) as store:
            run_loop(self._serve(number, store, limits, line, orphaned))
        drain_log()

    async def _serve(
        self, number: int, store: Store, limits: SharedLimits, line: Connection, orphaned: int
    ) -> None:
        loop = asyncio.get_running_loop()
        configuration = self._configuration
        running = Running(configuration.questions(store), configuration, self._sockets.sets[number], limits)
        loop.add_signal_handler(signal.SIGTERM, running.end, "SIGTERM")
        loop.add_reader(orphaned, running.end, "its parent is gone")
        try:
            await running.prepare(takes_over=not self._took_over)
            if not self._took_over:
                line.send([READY])
                _, granted = await asyncio.to_thread(line.recv)
                running.restore(granted)
            addresses = await running.start()
            freeze_memory()
            if not self._took_over and self._sockets.inheritance is not None:
                running.arrive(self._sockets.inheritance.channels[number])
            line.send(addresses)
            _Line(line, running)
            await running.ended
        finally:
            await running.stop()

    def _take_over(self) -> Message:
        """The workers' initial state: the requests that the other gateway granted."""
        assert self._sockets.inheritance is not None
        granted = self._sockets.inheritance.go()
        self._took_over = True
        if self._window is not None:
            for proto_id in INTERFACES:
                self._window.restore(proto_id, granted.get("gateway", {}).get(str(int(proto_id)), []))
        return {"pages": granted.get("pages", {})}

    def _listening(self, addresses: list[str]) -> None:
        settings = self._configuration.settings
        if self._sockets.inheritance is not None:
            for one in self._sockets.inheritance.channels:
                one.close()
        if settings.handover is not None:
            self._offer = Offer(settings.handover, self._workers, self._all_sockets, self._taken)
        notify("READY=1", f"MAINPID={os.getpid()}")
        log_started(addresses, settings)
        announce(addresses, settings)

    def _all_sockets(self) -> list[tuple[str, socket.socket]]:
        return [named for one in self._sockets.sets for named in one.named()]

    def _taken(self, channels: list[socket.socket], movable: bool) -> None:
        assert self._offer is not None
        pages = self._workers.pause()
        granted: Message = {}
        if self._window is not None:
            granted = {str(int(proto_id)): self._window.granted(proto_id) for proto_id in INTERFACES}
        self._offer.give({"gateway": granted, "pages": pages})
        self._offer = None
        self._workers.leave(channels if movable else [])

    def _hung_up(self) -> None:
        if self._on_terminal and not sys.stdin.isatty():
            os.kill(os.getpid(), signal.SIGTERM)
            return
        reloading()
        found = read_again(self._configuration, self._flags, self._check)
        if found is not None:
            self._configuration = found
            self._workers.drain_seconds = found.options.drain_seconds
            start_log(found.settings, background=False)
            if self._window is not None and found.options.rate_limit is not None:
                self._window.change(found.options.rate_limit)
            self._workers.tell((CHANGE, found.settings))
        notify("READY=1")

    def _check(self, wanted: Configuration) -> None:
        if self._window is not None and wanted.options.rate_limit is not None:
            self._window.check(wanted.options.rate_limit)

    def _stay_alive(self) -> float | None:
        seconds = watchdog_seconds()
        now = time.monotonic()
        if seconds is not None and now >= self._alive_at:
            notify("WATCHDOG=1")
            self._alive_at = now + seconds
        return None if seconds is None else self._alive_at - now


class _Line:
    """Reads the parent's messages to a worker."""

    def __init__(self, line: Connection, running: Running) -> None:
        self._line = line
        self._running = running
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(line.fileno(), self._hear)
        # The event loop left it non-blocking, so a read would fail without data; and messages come in pieces.
        os.set_blocking(line.fileno(), True)

    def _hear(self) -> None:
        try:
            word, told = self._line.recv()
            if word == CHANGE:
                self._running.change(Configuration.of(told))
            elif word == PAUSE:
                self._start(self._pause())
            elif word == MOVE:
                channels = [socket.socket(fileno=recv_handle(self._line)) for _ in range(told)]
                self._start(self._running.leave(channels))
        except EOFError:
            self._loop.remove_reader(self._line.fileno())
        except QotGateError as error:
            log.error("configuration kept", reason=str(error))  # noqa: TRY400 - it says all

    async def _pause(self) -> None:
        await self._running.pause()
        self._line.send(self._running.granted()["pages"])

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
