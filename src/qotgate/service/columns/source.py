"""The data that questions read, from the database or from columns in memory."""

from collections.abc import Callable, Collection, Hashable
from datetime import date
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection

from qotgate.ark.dynamics import Split, daily_sums
from qotgate.model import UntoldDays
from qotgate.service.cursor import Cursors
from qotgate.store import reads
from qotgate.store.database import generation, read_state, secret
from qotgate.store.reads.ratings import RatingFilter
from qotgate.store.tables import Row

T = TypeVar("T")
Remembered = Callable[[Hashable, Callable[[], Any]], Any]
"""Returns the cached value of a key that includes the generation, or computes it."""


class NotAtHand(Exception):  # noqa: N818 - it is no fault
    """The data in memory is not enough for the answer."""


class Spanned(Protocol):
    """One state of ARK's funds' data. ``span`` is the first and the last known day of any of ``funds``."""

    def span(self, funds: tuple[str, ...]) -> tuple[date | None, date | None]: ...


class TradeSource(Spanned, Protocol):
    """One state of the data. The functions of the same names in :mod:`qotgate.store.reads.ark` describe the
    results of the others."""

    def security_id(self, code: str) -> int | None: ...

    def transactions(
        self, security: int, funds: tuple[str, ...], since: date, as_of: date
    ) -> list[tuple[date, int]]:
        """The transactions of a security that are known on ``as_of``, as in
        :func:`~qotgate.ark.dynamics.daily_sums`: those from ``since`` on, or else the last one."""
        ...

    def untold_days(self, funds: tuple[str, ...], since: date, as_of: date) -> tuple[UntoldDays, ...]: ...


class TradeRows(Protocol):
    """The trades and splits from which transactions are added up."""

    def splits(self, security: int, funds: Collection[str], as_of: date) -> dict[str, list[Split]]: ...

    def trades(
        self, security: int, funds: Collection[str], since: date, until: date, as_of: date
    ) -> list[tuple[str, date, int]]: ...

    def last_trade_day(
        self, security: int, funds: Collection[str], before: date, as_of: date
    ) -> date | None: ...


def added_up(
    rows: TradeRows, security: int, funds: tuple[str, ...], since: date, as_of: date
) -> list[tuple[date, int]]:
    """As :meth:`TradeSource.transactions`."""
    seen = rows.splits(security, funds, as_of)
    start, end = since, as_of
    while True:
        trades = rows.trades(security, funds, start, end, as_of)
        if sums := daily_sums(trades, seen, as_of):
            return sums
        # No trades, or trades that cancel out: look further back, a day at a time.
        last = rows.last_trade_day(security, funds, start, as_of)
        if last is None:
            return []
        start = end = last


class DatabaseTrades:
    """The database as a :class:`TradeSource`, within a transaction."""

    def __init__(self, connection: Connection, remembered: Remembered) -> None:
        self.connection = connection
        self._remembered = remembered

    def span(self, funds: tuple[str, ...]) -> tuple[date | None, date | None]:
        found: tuple[date | None, date | None] = self._remembered(
            ("ark days", generation(self.connection), *funds),
            lambda: (
                reads.ark.first_ark_day(self.connection, funds),
                reads.ark.latest_ark_day(self.connection, funds),
            ),
        )
        return found

    def security_id(self, code: str) -> int | None:
        return reads.securities.security_id(self.connection, code)

    def transactions(
        self, security: int, funds: tuple[str, ...], since: date, as_of: date
    ) -> list[tuple[date, int]]:
        return added_up(self, security, funds, since, as_of)

    def splits(self, security: int, funds: Collection[str], as_of: date) -> dict[str, list[Split]]:
        return reads.ark.splits(self.connection, security, funds, as_of)

    def trades(
        self, security: int, funds: Collection[str], since: date, until: date, as_of: date
    ) -> list[tuple[str, date, int]]:
        return reads.ark.trades(self.connection, security, funds, since, until, as_of)

    def last_trade_day(self, security: int, funds: Collection[str], before: date, as_of: date) -> date | None:
        return reads.ark.last_trade_day(self.connection, security, funds, before, as_of)

    def untold_days(self, funds: tuple[str, ...], since: date, as_of: date) -> tuple[UntoldDays, ...]:
        found = reads.ark.untold_days(self.connection, funds, since, as_of, as_of)
        return tuple(UntoldDays(*days) for days in found)


class SeenSplit(NamedTuple):
    """A split of a security, as a fund's files show it; ``through`` is its last possible day."""

    security: int
    day: date
    fund: str
    through: date
    split: Split


class DayTrade(NamedTuple):
    """A fund's trade; ``parts`` are its USD in millionths, None without a price."""

    day: date
    security: int
    fund: str
    through: date
    shares: int
    parts: int | None


class Ends(NamedTuple):
    """The trading days at either end of a cycle, which have books, and the funds that are left out."""

    before: date
    last: date
    left_out: tuple[tuple[str, date], ...]


class ListedRow(NamedTuple, Generic[T]):
    """A row of a list of rating changes, and its place in the list."""

    day: date
    note_id: int
    row: T


class RatingSource(Protocol):
    """One state of the notes. ``generation`` is its number; cursors of generations before ``pages_from``
    point to rows that no longer exist. ``span`` is the first and the last day of a note."""

    @property
    def generation(self) -> int: ...

    @property
    def pages_from(self) -> int: ...

    @property
    def cursors(self) -> Cursors: ...

    def span(self) -> tuple[date | None, date | None]: ...

    def count(self, wanted: RatingFilter, generation: int, as_of: date) -> int:
        """Raises NotAtHand for data that this source does not have."""
        ...

    def changes(
        self,
        wanted: RatingFilter,
        generation: int,
        as_of: date,
        after: tuple[date, int] | None,
        count: int,
        make: Callable[[Row], T],
        made_as: Hashable,
        *,
        places: bool = False,
    ) -> list[ListedRow[T]]:
        """The rows of :func:`qotgate.store.reads.ratings.changes`, as ``make`` makes them; rows of the same
        name ``made_as`` are made alike, and may be kept. Raises NotAtHand."""
        ...


class DatabaseRatings:
    """The database as a :class:`RatingSource`; see :class:`DatabaseTrades`."""

    def __init__(self, connection: Connection, remembered: Remembered) -> None:
        self.connection = connection
        self._remembered = remembered
        self.generation = generation(connection)
        self.cursors = Cursors(secret(connection))

    @property
    def pages_from(self) -> int:
        return int(read_state(self.connection, "pages_from") or 0)

    def span(self) -> tuple[date | None, date | None]:
        return reads.ratings.first_note_day(self.connection), reads.ratings.latest_note_day(self.connection)

    def count(self, wanted: RatingFilter, generation: int, as_of: date) -> int:
        found: int = self._remembered(
            ("rating changes", wanted, generation, as_of),
            lambda: reads.ratings.count_changes(self.connection, wanted, generation, as_of),
        )
        return found

    def changes(
        self,
        wanted: RatingFilter,
        generation: int,
        as_of: date,
        after: tuple[date, int] | None,
        count: int,
        make: Callable[[Row], T],
        made_as: Hashable,  # noqa: ARG002 - columns use it
        *,
        places: bool = False,
    ) -> list[ListedRow[T]]:
        rows = reads.ratings.changes(self.connection, wanted, generation, as_of, after, count, places=places)
        return [ListedRow(row["day"], row["note_id"], make(row)) for row in rows]
