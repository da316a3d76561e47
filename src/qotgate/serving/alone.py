"""``qotgate serve`` in one process."""

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from qotgate.model import QotGateError
from qotgate.service.questions import Questions
from qotgate.serving.configuration import Configuration, read_again
from qotgate.serving.handover import Offer
from qotgate.serving.log import BackgroundLog
from qotgate.serving.notify import notify, reloading, watchdog_seconds
from qotgate.serving.opening import open_store
from qotgate.serving.running import Running, announce, freeze_memory, log_started, run_loop, start_log
from qotgate.serving.sockets import Sockets, open_sockets

FAILED = 2
"""Exit status of a gateway that ends with an error."""
AT_ONCE = 130
"""Exit status of a gateway that got a second signal to stop."""
END_SECONDS = 2.0
"""Seconds that threads may run on after the gateway has finished."""

log = structlog.get_logger()


def serve_alone(configuration: Configuration, flags: dict[str, Any]) -> None:
    """Serve until SIGINT or SIGTERM. Raises QotGateError."""
    start_log(configuration.settings)
    with open_store(configuration.settings) as store:
        sockets = open_sockets(configuration)
        run_loop(run_alone(configuration.questions(store), configuration, sockets, flags))


async def run_alone(
    questions: Questions,
    configuration: Configuration,
    sockets: Sockets,
    flags: dict[str, Any] | None = None,
    listening: Callable[[list[str]], bool] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. With ``flags``, SIGHUP reads the options again.

    Once the gateway serves, ``listening`` is called in a thread with the addresses; if it returns False, the
    gateway stops.
    """
    running = Running(questions, configuration, sockets.sets[0])
    alone = _Alone(running, configuration, flags)
    try:
        alone.heed_signals()
        await running.prepare(takes_over=sockets.inheritance is not None)
        if sockets.inheritance is not None:
            running.restore(await asyncio.to_thread(sockets.inheritance.go))
        addresses = await running.start()
        freeze_memory()
        if sockets.inheritance is not None:
            running.arrive(sockets.inheritance.channels[0])
        alone.offer()
        notify("READY=1", f"MAINPID={os.getpid()}")
        log_started(addresses, configuration.settings)
        if listening is None:
            announce(addresses, configuration.settings)
        elif not await asyncio.to_thread(listening, addresses):
            running.end("it was asked to answer once")
        reason = await running.ended
        log.info(
            "gateway stopping", reason=reason, drain_seconds=running.gateway.engine.options.drain_seconds
        )
    finally:
        notify("STOPPING=1")
        alone.close()
        await running.stop()
        if flags is not None:
            end_soon(0 if running.ended.done() and running.ended.exception() is None else FAILED)
    log.info("gateway stopped")


class _Alone:
    """The duties of a single process besides serving: it handles signals, and hands over to its successor."""

    def __init__(self, running: Running, configuration: Configuration, flags: dict[str, Any] | None) -> None:
        self._running = running
        self._configuration = configuration
        self._flags = flags
        self._loop = asyncio.get_running_loop()
        self._offer: Offer | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._alive: asyncio.TimerHandle | None = None
        self._on_terminal = sys.stdin is not None and sys.stdin.isatty()

    def heed_signals(self) -> None:
        for name in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(name, partial(self._end, name))
        if self._flags is not None and sys.platform != "win32":
            self._loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        self._stay_alive()

    def offer(self) -> None:
        """Let another gateway take over from now on."""
        path = self._configuration.settings.handover
        if path is not None:
            self._offer = Offer(path, self._loop, self._running.listening.named, self._taken)

    def close(self) -> None:
        if self._offer is not None:
            self._offer.close()
        if self._alive is not None:
            self._alive.cancel()

    def _end(self, name: signal.Signals) -> None:
        if not self._running.end(name.name):
            log.warning("gateway ends at once", reason=f"a second {name.name}")
            drain_log()
            os._exit(AT_ONCE)

    def _hang_up(self) -> None:
        if self._on_terminal and not sys.stdin.isatty():
            # The gateway's terminal has closed.
            self._running.end("SIGHUP")
            return
        assert self._flags is not None
        reloading()
        found = read_again(self._configuration, self._flags)
        if found is not None:
            self._configuration = found
            self._running.change(found)
        notify("READY=1")

    def _taken(self, channels: list[socket.socket], movable: bool) -> None:
        self._leaving = self._loop.create_task(self._leave(channels, movable))

    async def _leave(self, channels: list[socket.socket], movable: bool) -> None:
        assert self._offer is not None
        log.info("gateway handed over")
        await self._running.pause()
        try:
            self._offer.give(self._running.granted())
        except QotGateError as error:
            for one in channels:
                one.close()
            self._running.fail(error)
            return
        self._offer = None
        await self._running.leave(channels if movable else [])

    def _stay_alive(self) -> None:
        seconds = watchdog_seconds()
        if seconds is not None:
            notify("WATCHDOG=1")
            self._alive = self._loop.call_later(seconds, self._stay_alive)


def end_soon(status: int) -> None:
    """End the process even if a question to a hung database still blocks a thread."""
    main = threading.main_thread()

    def end() -> None:
        time.sleep(END_SECONDS)
        while not any(thread is not main and not thread.daemon for thread in threading.enumerate()):
            time.sleep(END_SECONDS)
        log.warning("gateway ends with questions under way", reason="the database does not answer")
        drain_log()
        os._exit(status)

    threading.Thread(target=end, daemon=True).start()


def drain_log() -> None:
    """Write the queued log lines."""
    if BackgroundLog.of_process is not None:
        BackgroundLog.of_process.drain()
