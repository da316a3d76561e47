"""The holdings files of a load, looked up in memory and written in batches.

Every call works inside the single writing transaction of the load.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, select

from qotgate.model import Holding
from qotgate.store import changes, tables
from qotgate.store.bulk import insert_columns
from qotgate.store.deriving import FundDay
from qotgate.store.files import Files

LINE = (*Holding._fields, "security_id", "file_id")
"""The columns of a line, in their order."""
SNAPSHOT = ("fund", "day", "through", "file_id", "digest")
MAX_WAITING = 10_000
"""Lines that wait to be written."""


class Snapshots:
    """The loaded books, by fund and day."""

    def __init__(self, connection: Connection, files: Files) -> None:
        self._connection = connection
        self._files = files
        self._digests: dict[FundDay, str] = {}
        self._months: set[tuple[str, int, int]] = set()
        self._waiting: list[tuple[Any, ...]] = []
        self._lines: list[tuple[Any, ...]] = []

    def neighbour(self, fund: str, day: date, within: timedelta) -> date | None:
        """The day of a fund's last book before ``day``, else of the first one after it, within ``within``;
        None if there is none."""
        for step in (timedelta(days=-1), timedelta(days=1)):
            for number in range(1, within.days + 1):
                if self._digest(fund, day + number * step) is not None:
                    return day + number * step
        return None

    def lines(self, fund: str, day: date) -> list[tuple[str, str, str, float | None]]:
        """The lines (ticker, identifier, name, weight) of a book."""
        self.write()
        holding = tables.holding
        columns = (holding.c.ticker, holding.c.identifier, holding.c.name, holding.c.weight)
        here = and_(holding.c.fund == fund, holding.c.day == day)
        return [tuple(row) for row in self._connection.execute(select(*columns).where(here))]

    def replace(
        self, fund: str, day: date, through: date, digest: str, file_id: int, lines: Sequence[tuple[Any, ...]]
    ) -> bool:
        """Store ``lines`` as the book of a fund's day; False if the stored book is the same.

        ``through`` is the last trading day that the book of ``day`` shows.
        """
        known = self._digest(fund, day)
        if known == digest:
            return False
        changes.touch(self._connection, "ark", through)
        if known is not None:
            self.write()
            for table in (tables.holding, tables.snapshot):
                here = and_(table.c.fund == fund, table.c.day == day)
                self._connection.execute(delete(table).where(here))
        self._digests[fund, day] = digest
        self._waiting.append((fund, day, through, file_id, digest))
        self._lines += lines
        if len(self._lines) > MAX_WAITING:
            self.write()
        return True

    def write(self) -> None:
        """Write the waiting lines."""
        self._files.write()
        for table, names, rows in (
            (tables.snapshot, SNAPSHOT, self._waiting),
            (tables.holding, LINE, self._lines),
        ):
            if rows:
                insert_columns(
                    self._connection, table, dict(zip(names, zip(*rows, strict=True), strict=True))
                )
                rows.clear()

    def _digest(self, fund: str, day: date) -> str | None:
        """The digest of a book, None if there is none. Books are looked up by the month."""
        month = (fund, day.year, day.month)
        if month not in self._months:
            self._months.add(month)
            snapshot = tables.snapshot
            first = day.replace(day=1)
            here = snapshot.c.day.between(first, first + timedelta(days=30))
            query = select(snapshot.c.day, snapshot.c.digest).where(snapshot.c.fund == fund, here)
            for one, digest in self._connection.execute(query):
                self._digests.setdefault((fund, one), digest)
        return self._digests.get((fund, day))
