"""Log lines about the data: a new generation, or why the data cannot be read."""

import asyncio
from collections.abc import Callable

import structlog

from qotgate.gateway.refusals import AGAIN_SECONDS
from qotgate.model import StoreError
from qotgate.store import Store
from qotgate.store.database import generation

log = structlog.get_logger()


class DataLog:
    """Logs each change of the data once. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._unreadable = ("", 0.0)
        self._epoch = -1
        self._state = ""
        self._looking: asyncio.Task[None] | None = None

    def is_news(self, reason: str) -> bool:
        """Whether to log why the data cannot be read: once a minute, not at each question."""
        told, at = self._unreadable
        now = self._clock()
        if reason == told and now < at + AGAIN_SECONDS:
            return False
        self._unreadable = (reason, now)
        return True

    def look(self, store: Store, epoch: int) -> None:
        """Check ``store`` in a thread, once in each epoch: a database that hangs delays nothing else."""
        if epoch != self._epoch and (self._looking is None or self._looking.done()):
            self._epoch = epoch
            self._looking = asyncio.get_running_loop().create_task(self._look(store))

    async def _look(self, store: Store) -> None:
        self._state = await asyncio.to_thread(self._tell, store, self._state)

    def _tell(self, store: Store, told: str) -> str:
        """Log the state of the data, or why it cannot be read, unless ``told`` says the same."""
        try:
            with store.reading() as connection:
                state = f"generation {generation(connection)}"
        except StoreError as error:
            state = str(error)
            if state != told and self.is_news(state):
                log.error("data cannot be read", reason=state)  # noqa: TRY400 - it says all
            return state
        if told and state != told:
            log.info("data moved", to=state)
        return state
