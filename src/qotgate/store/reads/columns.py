"""Whole tables, and their rows from some day on, for those that keep them in memory."""

from collections.abc import Collection, Iterator
from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, func, select

from qotgate.store import tables
from qotgate.store.tables import HOLE, UNTOLD

ROWS_AT_ONCE = 5_000
"""Rows that are fetched together: with all at once, reading would take several times their memory."""


def _rows(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    result = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
    for some in result.partitions():
        yield from some


def funds(connection: Connection) -> list[str]:
    """The funds that have a trade, a covered day or a book."""
    day, snapshot = tables.ark_day, tables.snapshot
    both = select(day.c.fund).union(select(snapshot.c.fund))
    return sorted(connection.scalars(both))


def trades(connection: Connection, funds: Collection[str], since: date) -> Iterator[Any]:
    """(security_id, day, fund, shares, through) of the trades from ``since`` on, by security, day, fund."""
    trade = tables.trade
    query = (
        select(trade.c.security_id, trade.c.day, trade.c.fund, trade.c.shares, trade.c.through)
        # By fund, since the index on days is.
        .where(trade.c.fund.in_(funds), trade.c.day >= since)
        .order_by(trade.c.security_id, trade.c.day, trade.c.fund)
    )
    return _rows(connection, query)


def splits(connection: Connection, funds: Collection[str], since: date) -> Iterator[Any]:
    """(security_id, day, fund, through, numerator, denominator) of the splits from ``since`` on, by
    security, day, fund."""
    split = tables.split
    query = (
        select(
            *(split.c.security_id, split.c.day, split.c.fund),
            *(split.c.through, split.c.numerator, split.c.denominator),
        )
        .where(split.c.fund.in_(funds), split.c.day >= since)
        .order_by(split.c.security_id, split.c.day, split.c.fund)
    )
    return _rows(connection, query)


def untold(connection: Connection, fund: str, since: date) -> list[tuple[str, date, date, str]]:
    """(fund, first day, last day, why) of the days from ``since`` on that are not told, oldest first. Why is
    UNTOLD or HOLE."""
    day = tables.ark_day
    query = (
        select(day.c.fund, day.c.day, day.c.through, day.c.source)
        .where(day.c.fund == fund, day.c.day >= since, day.c.source.in_((UNTOLD, HOLE)))
        .order_by(day.c.day)
    )
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]


def span(connection: Connection, fund: str) -> tuple[date | None, date | None]:
    """The first day that a book of a fund shows, or whose trades are known, and the last of the latter."""
    day, snapshot = tables.ark_day, tables.snapshot
    # Apart: an index answers the one smallest or largest, not both at once.
    queries = (
        select(func.min(day.c.day)).where(day.c.fund == fund),
        select(func.min(snapshot.c.through)).where(snapshot.c.fund == fund),
        select(func.max(day.c.through)).where(day.c.fund == fund),
    )
    told, shown, last = (connection.scalar(query) for query in queries)
    return min((one for one in (told, shown) if one is not None), default=None), last


def codes(connection: Connection) -> dict[str, int]:
    """The security whose lines have, or had, each code."""
    spelling = tables.spelling
    query = select(spelling.c.code, spelling.c.security_id).where(spelling.c.code.is_not(None))
    return {row[0]: row[1] for row in connection.execute(query.order_by(spelling.c.id.desc()))}
