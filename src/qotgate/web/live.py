"""Notifies open pages of a finished load, by server-sent events.

One task for all pages asks the database for its state once a second, and only while a page is open.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import structlog

from qotgate.model import StoreError

ASK_SECONDS = 1.0
SIGN_OF_LIFE_SECONDS = 15.0
"""A proxy on the way would close a silent stream."""
STREAMS_MOST = 100

log = structlog.get_logger()


class Live:
    """The state of the data for open pages; ``read`` queries the database."""

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read
        self._state: str | None = None
        self._told = ""
        self._moved = asyncio.Event()
        self._streams = 0
        self._stopped = False
        self._watcher: asyncio.Task[None] | None = None

    @property
    def full(self) -> bool:
        return self._streams >= STREAMS_MOST

    async def events(self) -> AsyncIterator[str]:
        """The current state and each later one, as an event stream."""
        self._streams += 1
        try:
            if self._watcher is None:
                self._watcher = asyncio.create_task(self._watch())
            told = None
            while not self._stopped:
                if self._state is not None and self._state != told:
                    told = self._state
                    yield f"event: state\ndata: {told}\n\n"
                moved = self._moved
                try:
                    await asyncio.wait_for(moved.wait(), SIGN_OF_LIFE_SECONDS)
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            self._streams -= 1
            if not self._streams and self._watcher is not None:
                self._watcher.cancel()
                self._watcher = None
                self._state = None

    async def stop(self) -> None:
        """End all streams."""
        self._stopped = True
        self._wake()
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    async def _watch(self) -> None:
        while True:
            try:
                found = await asyncio.to_thread(self._read)
            except StoreError as error:
                if str(error) != self._told:
                    self._told = str(error)
                    log.warning("data cannot be read", reason=self._told)
            else:
                self._told = ""
                if found != self._state:
                    self._state = found
                    self._wake()
            await asyncio.sleep(ASK_SECONDS)
