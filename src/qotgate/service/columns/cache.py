"""Caches columns of the data in memory, for one generation at a time.

The first question for a kind of columns makes a thread read them. Until they are ready, and whenever they may
be out of date, the database answers. Columns are current while nothing has been committed since before they
were read. After a load only the changed days are read again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from threading import Condition, Thread
from time import monotonic
from typing import Any, Protocol, Self, TypeVar

from sqlalchemy import Connection

from qotgate.model import StoreError
from qotgate.service.columns.books import BookColumns
from qotgate.service.columns.ratings import RatingColumns
from qotgate.service.columns.sizes import TooLarge
from qotgate.service.columns.trades import TradeColumns
from qotgate.store import Store, changes
from qotgate.store.database import generation
from qotgate.store.dialect import Watch
from qotgate.store.dialects import dialect_of

MAX_BYTES = 64 << 20
"""Default memory limit of all columns together."""
RETRY_SECONDS = 1.0
"""Time before a retry after the database could not be read."""
FAULT_SECONDS = 60.0
"""Time before a retry after an error in the reading code, which would probably recur."""


class Columns(Protocol):
    """Columns of one generation; see :class:`~qotgate.service.columns.trades.TradeColumns`."""

    @property
    def generation(self) -> int: ...

    @property
    def size(self) -> int: ...

    @classmethod
    def read(cls, connection: Connection, generation: int, most: int) -> Self: ...

    def extended(self, connection: Connection, generation: int, since: date, most: int) -> Self: ...

    def renumbered(self, generation: int) -> Self: ...


C = TypeVar("C", bound=Columns)

KINDS: dict[type[Any], changes.Subject] = {
    TradeColumns: "ark",
    BookColumns: "ark",
    RatingColumns: "ratings",
}
"""The kinds of columns, and the part of the changes that each depends on."""


@dataclass
class _Slot:
    """The columns of one kind. They are current while ``epoch`` equals the cache's."""

    columns: Any = None
    epoch: int = -1
    too_large: int | None = None
    """The generation whose columns exceeded the memory limit."""
    wanted: bool = False


class ColumnCache:
    """The columns of one database, for any number of threads; at most ``most`` bytes of memory."""

    def __init__(self, store: Store, most: int = MAX_BYTES) -> None:
        self._store = store
        self._most = most
        self._slots = {kind: _Slot() for kind in KINDS}
        self._state = Condition()
        self._watch: Watch | None = None
        self._epoch = 0
        self._retry_at = 0.0
        self._thread: Thread | None = None
        self._closed = False
        self.reads = {"whole": 0, "extended": 0, "unchanged": 0, "too_large": 0, "failed": 0}
        """How often columns were read, by outcome."""

    def get(self, kind: type[C], *, looks: bool = True) -> C | None:
        """The columns of the newest generation; None if they are not in memory, in which case they are read
        if allowed. It takes some microseconds and never waits for the database. A caller that has just
        checked for commits itself, and reports them by :meth:`expire`, can skip the check with ``looks``."""
        with self._state:
            if self._closed:
                return None
            if looks:
                self._look()
            slot = self._slots[kind]
            if slot.epoch == self._epoch:
                found: C | None = slot.columns
                return found
            slot.wanted = True
            self._start()
        return None

    def expire(self) -> None:
        """Something was committed: stop using columns read before now."""
        with self._state:
            self._epoch += 1

    def prepared(self, kind: type[C], seconds: float = 60.0) -> C | None:
        """As :meth:`get`, but waits up to ``seconds`` for columns that are being read."""
        end = monotonic() + seconds
        with self._state:
            while True:
                found, now = self.get(kind), monotonic()
                if self._thread is None or now > end:
                    # They are ready, or cannot be read.
                    return found
                self._state.wait_for(lambda: self._thread is None, timeout=end - now)

    @property
    def epoch(self) -> int:
        """A number that changes whenever a commit is detected, and so before newer columns are used."""
        return self._epoch

    @property
    def sizes(self) -> dict[str, int]:
        """Approximate memory in bytes, by kind."""
        return {kind.__name__: slot.columns.size if slot.columns else 0 for kind, slot in self._slots.items()}

    def change(self, most: int) -> None:
        """Set the memory limit; columns are read again if they exceed it."""
        with self._state:
            if most != self._most:
                for slot in self._slots.values():
                    slot.too_large, slot.epoch = None, -1
                    if most < self._most:
                        slot.columns = None
            self._most = most

    def close(self) -> None:
        """Stop using and reading columns; a reading in progress ends by itself."""
        with self._state:
            self._closed = True
            self._epoch += 1
            if self._thread is None:
                self._end_watch()

    def _look(self) -> None:
        if self._watch is not None and self._watch.moved():
            self._epoch += 1

    def _start(self) -> None:
        if self._thread is None and not self._closed and self._most and monotonic() >= self._retry_at:
            self._thread = Thread(target=self._work, name="columns", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        """Read the requested columns until there are no more requests."""
        try:
            while (kind := self._next()) is not None:
                self._refresh(kind)
        except StoreError:
            # The database answers the next question, and reports its own error.
            self.reads["failed"] += 1
            self._retry_at = monotonic() + RETRY_SECONDS
        except Exception:
            # A command that asks one question writes no log, and should not wait for this import.
            import structlog

            # Without columns every answer is still correct: the error is logged, but is not the caller's.
            structlog.get_logger().exception("columns cannot be read")
            self._retry_at = monotonic() + FAULT_SECONDS
        finally:
            with self._state:
                self._thread = None
                if self._closed:
                    self._end_watch()
                self._state.notify_all()

    def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.close()
        self._watch = None

    def _next(self) -> type[Any] | None:
        if self._watch is None:
            # Before reading, so that no commit is missed.
            self._watch = self._store.watch()
        with self._state:
            self._look()
            for kind, slot in self._slots.items():
                if slot.wanted and not self._closed:
                    slot.wanted = False
                    if slot.epoch != self._epoch:
                        return kind
        return None

    def _refresh(self, kind: type[Any]) -> None:
        slot, others = self._slots[kind], 0
        with self._state:
            epoch = self._epoch
            others = sum(one.columns.size for one in self._slots.values() if one.columns and one is not slot)
        with self._store.reading() as connection:
            columns = self._read(kind, slot, connection, self._most - others)
            # The columns answer from now on, not the pages that the connection caches.
            dialect_of(connection).shrink(connection)
        with self._state:
            slot.columns, slot.epoch = columns, epoch
            self._look()

    def _read(self, kind: type[Any], slot: _Slot, connection: Connection, most: int) -> Any:
        """The columns of the newest generation; None if they are too large."""
        number, known = generation(connection), slot.columns
        before = known.generation if known is not None else slot.too_large
        since = None if before is None else changes.changed_from(connection, KINDS[kind], before, number)
        if known is None and slot.too_large is not None and since not in (None, date.min):
            # Data that only grows does not become smaller.
            return None
        done, read = self._way(kind, known, number, since)
        try:
            columns = read(connection, most)
        except TooLarge:
            self.reads["too_large"] += 1
            slot.too_large = number
            return None
        self.reads[done] += 1
        slot.too_large = None
        return columns

    def _way(
        self, kind: type[Any], known: Any, number: int, since: date | None
    ) -> tuple[str, Callable[[Connection, int], Any]]:
        """How columns of generation ``number`` are derived from the ``known`` ones, and the function that
        does it."""
        if known is not None and known.generation == number:
            return "unchanged", lambda *_: known
        if known is not None and since == date.max:
            return "unchanged", lambda *_: known.renumbered(number)
        if known is None or since in (None, date.min):
            return "whole", lambda connection, most: kind.read(connection, number, most)
        return "extended", lambda connection, most: known.extended(connection, number, since, most)
