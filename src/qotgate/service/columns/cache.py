"""Keeps columns of the data in memory, for one generation at a time.

The first question for a kind of columns has a thread read them. Until they are there, and whenever they may
be out of date, the database answers. Columns are current while nothing has been committed since before they
were read. After a load only the changed days are read again."""

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

MAX_BYTES = 64 << 20
"""Memory of all columns together, unless told otherwise."""
RETRY_SECONDS = 1.0
"""After the database could not be read, columns are not tried again sooner."""
FAULT_SECONDS = 60.0
"""After a fault in a reading itself, which would come again."""


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

KINDS: dict[type[Any], changes.Part] = {
    TradeColumns: "ark",
    BookColumns: "ark",
    RatingColumns: "ratings",
}
"""The kinds of columns, and the part of the changes that each follows from."""


@dataclass
class _Slot:
    """The columns of one kind. They are current while ``epoch`` is the cache's own."""

    columns: Any = None
    epoch: int = -1
    too_large: int | None = None
    """The generation whose columns took more memory than they may."""
    wanted: bool = False


class ColumnCache:
    """The columns of one database, for any number of threads; ``most`` bytes of memory at most."""

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
        """How often columns were read, by what was done."""

    def get(self, kind: type[C], *, looks: bool = True) -> C | None:
        """The columns of the newest generation; None where they are not in memory, and are read if that may
        be. It takes some microseconds and does not wait for the database. A caller that has just looked for
        commits itself, and tells of them by :meth:`expire`, need not have it ``looks`` again."""
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
        """Something was committed: give no columns that were read before now."""
        with self._state:
            self._epoch += 1

    def prepared(self, kind: type[C], seconds: float = 60.0) -> C | None:
        """As :meth:`get`, but waits for columns that are being read, up to ``seconds``."""
        end = monotonic() + seconds
        with self._state:
            while True:
                found, now = self.get(kind), monotonic()
                if self._thread is None or now > end:
                    # They are there, or cannot be.
                    return found
                self._state.wait_for(lambda: self._thread is None, timeout=end - now)

    @property
    def epoch(self) -> int:
        """A number that another one follows when a commit was seen, and so before newer columns come."""
        return self._epoch

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of memory by kind, roughly."""
        return {kind.__name__: slot.columns.size if slot.columns else 0 for kind, slot in self._slots.items()}

    def change(self, most: int) -> None:
        """Keep up to ``most`` bytes from now on; columns are read anew where that is less than there are."""
        with self._state:
            if most != self._most:
                for slot in self._slots.values():
                    slot.too_large, slot.epoch = None, -1
                    if most < self._most:
                        slot.columns = None
            self._most = most

    def close(self) -> None:
        """Give no columns any more, and read none: what is being read ends by itself."""
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
        """Read what is wanted, until there is nothing more."""
        try:
            while (kind := self._next()) is not None:
                self._refresh(kind)
        except StoreError:
            # The next question is answered by the database, and says what is wrong with it.
            self.reads["failed"] += 1
            self._retry_at = monotonic() + RETRY_SECONDS
        except Exception:
            # A command that asks one question writes no log, and is not to wait for the import.
            import structlog

            # Without columns every answer is still right: the fault is told, and is not the asker's.
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
            # Before anything is read, so that no commit comes between.
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
        with self._state:
            slot.columns, slot.epoch = columns, epoch
            self._look()

    def _read(self, kind: type[Any], slot: _Slot, connection: Connection, most: int) -> Any:
        """The columns of the newest generation; None where they are too large."""
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
        """How columns of generation ``number`` come from the ``known`` ones, and what does it."""
        if known is not None and known.generation == number:
            return "unchanged", lambda *_: known
        if known is not None and since == date.max:
            return "unchanged", lambda *_: known.renumbered(number)
        if known is None or since in (None, date.min):
            return "whole", lambda connection, most: kind.read(connection, number, most)
        return "extended", lambda connection, most: known.extended(connection, number, since, most)
