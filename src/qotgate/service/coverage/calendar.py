"""The source of each fund's trades, trading day by trading day: a year's holes at a glance."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from qotgate.store import Store, reads
from qotgate.store.tables import HOLE, NOTICE, UNTOLD

NOT_LOADED = ""
"""Instead of a source: for a trading day before a fund's first file, after its last, or without files."""
UNKNOWN = frozenset({UNTOLD, HOLE, NOT_LOADED})
"""Sources that tell nothing about a day's trades."""


@dataclass(frozen=True, slots=True)
class FundMonth:
    """The ``sources`` of a fund's trades on each trading day of a month, or ``NOT_LOADED``; ``known`` counts
    the days with known trades."""

    month: int
    sources: tuple[str, ...]

    @property
    def known(self) -> int:
        return sum(source not in UNKNOWN for source in self.sources)


@dataclass(frozen=True, slots=True)
class FundYear:
    """The twelve months of a fund."""

    fund: str
    months: tuple[FundMonth, ...]


@dataclass(frozen=True, slots=True)
class Calendar:
    """A year of all funds; ``years`` are those with data, in order."""

    year: int
    years: tuple[int, ...]
    funds: tuple[FundYear, ...]


def calendar(store: Store, year: int | None = None) -> Calendar | None:
    """The calendar of ``year``, by default the last one with data; None if no trading day is loaded."""
    with store.reading() as connection:
        ends = reads.ark.session_ends(connection)
        if ends is None:
            return None
        first, last = ends
        chosen = last.year if year is None else year
        since, until = date(chosen, 1, 1), date(chosen, 12, 31)
        sessions = reads.ark.sessions(connection, since, until)
        rows = reads.ark.fund_days(connection, since, until)
    found = []
    for fund, days in groupby(rows, key=lambda row: row[0]):
        source_of: dict[date, str] = {}
        for _, day, through, source in days:
            for session in sessions[bisect_left(sessions, day) : bisect_right(sessions, through)]:
                # A notice covers its day even within a hole.
                if source_of.get(session) != NOTICE:
                    source_of[session] = source
        months = (
            FundMonth(month, tuple(source_of.get(day, NOT_LOADED) for day in sessions if day.month == month))
            for month in range(1, 13)
        )
        found.append(FundYear(fund, tuple(months)))
    return Calendar(chosen, tuple(range(first.year, last.year + 1)), tuple(found))
