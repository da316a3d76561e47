"""Queries for whole tables, or their rows from some day on, for caches in memory."""

from collections.abc import Collection, Iterator
from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, func, select

from qotgate.store import tables
from qotgate.store.tables import FOREVER, HOLE, UNTOLD

ROWS_AT_ONCE = 1_000
"""Rows fetched at once: fetching all would take several times their memory."""


def _rows(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    result = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
    for some in result.partitions():
        yield from some


def funds(connection: Connection) -> list[str]:
    """The funds with a trade, a covered day or a book."""
    day, snapshot = tables.ark_day, tables.snapshot
    both = select(day.c.fund).union(select(snapshot.c.fund))
    return sorted(connection.scalars(both))


def trades(connection: Connection, funds: Collection[str], since: date) -> Iterator[Any]:
    """(security_id, day, fund, shares, through) of the trades from ``since`` on, by security, day, fund."""
    trade = tables.trade
    query = (
        select(trade.c.security_id, trade.c.day, trade.c.fund, trade.c.shares, trade.c.through)
        # By fund, since the index is on (fund, day).
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
    """(fund, first day, last day, why) of the days from ``since`` on with unknown trades, oldest first. Why
    is UNTOLD or HOLE."""
    day = tables.ark_day
    query = (
        select(day.c.fund, day.c.day, day.c.through, day.c.source)
        .where(day.c.fund == fund, day.c.day >= since, day.c.source.in_((UNTOLD, HOLE)))
        .order_by(day.c.day)
    )
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]


def span(connection: Connection, fund: str) -> tuple[date | None, date | None]:
    """The first day that a book of a fund shows or with known trades, and the last day with known trades."""
    day, snapshot = tables.ark_day, tables.snapshot
    # As separate queries: an index answers a minimum or a maximum, not both at once.
    queries = (
        select(func.min(day.c.day)).where(day.c.fund == fund),
        select(func.min(snapshot.c.through)).where(snapshot.c.fund == fund),
        select(func.max(day.c.through)).where(day.c.fund == fund),
    )
    told, shown, last = (connection.scalar(query) for query in queries)
    return min((one for one in (told, shown) if one is not None), default=None), last


def codes(connection: Connection) -> dict[str, int]:
    """By code, the security whose lines have, or had, it."""
    spelling = tables.spelling
    query = select(spelling.c.code, spelling.c.security_id).where(spelling.c.code.is_not(None))
    return {row[0]: row[1] for row in connection.execute(query.order_by(spelling.c.id.desc()))}


def histories(connection: Connection, after: int) -> dict[int, tuple[str, str]]:
    """The code and institution of each history with an id greater than ``after``."""
    history = tables.history
    query = select(history.c.id, history.c.code, history.c.institution).where(history.c.id > after)
    return {row[0]: (row[1], row[2]) for row in connection.execute(query)}


def changes(connection: Connection, market: str, change_type: str, since: date) -> Iterator[Any]:
    """The currently valid rating changes of one market and kind, from ``since`` on, by day, then note: (day,
    note_id, history_id, grade, has_last, last_grade, target, last_target, last_day, name)."""
    change, note = tables.rating_change, tables.note
    query = (
        select(
            *(change.c.day, change.c.note_id, change.c.history_id, change.c.grade, change.c.has_last),
            *(change.c.last_grade, change.c.target, change.c.last_target, change.c.last_day, note.c.name),
        )
        .join(note, note.c.id == change.c.note_id)
        .where(
            change.c.market == market,
            change.c.change_type == change_type,
            change.c.day >= since,
            change.c.until == FOREVER,
        )
        .order_by(change.c.day, change.c.note_id)
    )
    return _rows(connection, query)


def sessions(connection: Connection) -> list[date]:
    """All stored trading days, oldest first."""
    return list(connection.scalars(select(tables.session.c.day).order_by(tables.session.c.day)))


def priced_trades(connection: Connection, funds: Collection[str], since: date) -> Iterator[Any]:
    """(day, security_id, fund, through, shares, price) of the trades from ``since`` on, by day, security,
    fund."""
    trade = tables.trade
    query = (
        select(
            *(trade.c.day, trade.c.security_id, trade.c.fund),
            *(trade.c.through, trade.c.shares, trade.c.price),
        )
        .where(trade.c.fund.in_(funds), trade.c.day >= since)
        .order_by(trade.c.day, trade.c.security_id, trade.c.fund)
    )
    return _rows(connection, query)


def books(connection: Connection, fund: str, since: date) -> list[tuple[date, date]]:
    """(last trading day shown, date of the file) of a fund's books that show ``since`` or a later day, oldest
    first."""
    snapshot = tables.snapshot
    query = (
        select(snapshot.c.through, snapshot.c.day)
        .where(snapshot.c.fund == fund, snapshot.c.through >= since)
        .order_by(snapshot.c.through, snapshot.c.day)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def book_lines(connection: Connection, fund: str, first: date, last: date) -> Iterator[Any]:
    """(day, security_id, ticker, identifier, name, shares, market_value) of each line of a fund's files dated
    ``first`` to ``last``, by day, then line; cash has no security."""
    holding = tables.holding
    query = (
        select(
            *(holding.c.day, holding.c.security_id, holding.c.ticker, holding.c.identifier),
            *(holding.c.name, holding.c.shares, holding.c.market_value),
        )
        .where(holding.c.fund == fund, holding.c.day.between(first, last))
        .order_by(holding.c.day, holding.c.line)
    )
    return _rows(connection, query)
