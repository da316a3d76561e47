"""An asyncio server in its own thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from threading import Thread
from typing import Generic, TypeVar

Started = TypeVar("Started")


class LoopThread(Generic[Started]):
    """Enters ``server`` in an event loop in a new thread, and leaves it at :meth:`stop`; ``started`` is the
    result of entering. Raises the errors of entering."""

    def __init__(
        self,
        server: AbstractAsyncContextManager[Started],
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        self._server = server
        self._loop_factory = loop_factory
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        started: Future[Started] = Future()
        self._thread = Thread(target=self._run, args=(started,), name="qotgate-gateway", daemon=True)
        self._thread.start()
        self.started = started.result()

    def stop(self) -> None:
        """Leave the server, and wait until it has ended."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self, started: "Future[Started]") -> None:
        with asyncio.Runner(loop_factory=self._loop_factory) as runner:
            runner.run(self._serve(started))

    async def _serve(self, started: "Future[Started]") -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with self._server as entered:
                started.set_result(entered)
                await self._stop.wait()
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)
