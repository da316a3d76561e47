"""Queries for the questions that sum over the funds: books, trades and splits."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, and_, case, func, or_, select

from qotgate.store import tables
from qotgate.store.deriving import BookDay
from qotgate.store.sums import exact_sum, whole_sum
from qotgate.store.tables import HOLE


def sessions(connection: Connection, day: date, count: int) -> list[date]:
    """The last ``count`` trading days up to ``day``, latest first; fewer if fewer are loaded."""
    session = tables.session.c.day
    query = select(session).where(session <= day).order_by(session.desc()).limit(count)
    return list(connection.scalars(query))


def level_books(
    connection: Connection, funds: Collection[str], ends: Collection[date]
) -> dict[tuple[str, date], date]:
    """The days of the holdings files of some funds that show all trading up to one of the trading days
    ``ends``, and none after it: by fund and end."""
    snapshot = tables.snapshot
    query = (
        select(snapshot.c.fund, snapshot.c.through, snapshot.c.day)
        .where(snapshot.c.fund.in_(funds), snapshot.c.through.in_(ends))
        .order_by(snapshot.c.day)
    )
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def latest_book(connection: Connection, fund: str, end: date) -> BookDay | None:
    """A fund's latest holdings file that shows no trading after ``end``."""
    snapshot = tables.snapshot
    query = select(snapshot.c.through, snapshot.c.day).where(
        snapshot.c.fund == fund, snapshot.c.through <= end
    )
    row = connection.execute(
        query.order_by(snapshot.c.through.desc(), snapshot.c.day.desc()).limit(1)
    ).first()
    return None if row is None else BookDay(*row)


def last_shown(connection: Connection, funds: Collection[str], end: date) -> dict[str, date]:
    """By fund, the last trading day up to ``end`` that one of its books shows."""
    snapshot = tables.snapshot
    query = select(snapshot.c.fund, func.max(snapshot.c.through)).where(
        snapshot.c.fund.in_(funds), snapshot.c.through <= end
    )
    return {row[0]: row[1] for row in connection.execute(query.group_by(snapshot.c.fund))}


def holes(connection: Connection, funds: Collection[str], since: date, until: date) -> dict[str, date]:
    """By fund, the last day of the latest hole in its files that ends after ``since``, up to ``until``.
    Positions are known again from the next book on."""
    day = tables.ark_day
    query = (
        select(day.c.fund, func.max(day.c.through))
        .where(day.c.fund.in_(funds), day.c.source == HOLE, day.c.through > since, day.c.through <= until)
        .group_by(day.c.fund)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def loaded_funds(connection: Connection) -> set[str]:
    """The funds with loaded holdings or trades."""
    day, snapshot = tables.ark_day, tables.snapshot
    both = select(day.c.fund).union(select(snapshot.c.fund))
    return set(connection.scalars(both))


def first_book(connection: Connection, funds: Collection[str]) -> BookDay | None:
    """The first holdings file of any of ``funds``."""
    snapshot = tables.snapshot
    query = select(snapshot.c.through, snapshot.c.day).where(snapshot.c.fund.in_(funds))
    row = connection.execute(query.order_by(snapshot.c.through, snapshot.c.day.desc()).limit(1)).first()
    return None if row is None else BookDay(*row)


def lines_query(funds: Collection[str], days: Collection[date]) -> Select[Any]:
    """Every line of the holdings files of some funds and days; cash has no security."""
    holding = tables.holding
    return (
        select(
            *(holding.c.fund, holding.c.day, holding.c.security_id, holding.c.ticker),
            *(holding.c.identifier, holding.c.name, holding.c.shares, holding.c.market_value),
        )
        .where(holding.c.fund.in_(funds), holding.c.day.in_(days))
        .order_by(holding.c.fund, holding.c.day, holding.c.line)
    )


def trades_query(
    funds: Collection[str],
    since: date,
    before: date,
    as_of: date,
    apart: Collection[int],
    funds_apart: Collection[str],
) -> Select[Any]:
    """Each fund's trades of each security in the cycle: (security_id, fund, first day, last possible day,
    shares, USD, the shares without a price).

    The securities ``apart`` and the funds ``funds_apart`` have a row for each day from ``since`` on.
    """
    trade = tables.trade
    known = and_(trade.c.fund.in_(funds), trade.c.day.between(since, as_of), trade.c.through <= as_of)
    wanted = or_(trade.c.through > before, trade.c.fund.in_(funds_apart))
    is_apart = or_(trade.c.security_id.in_(apart), trade.c.fund.in_(funds_apart))
    return (
        select(
            *(trade.c.security_id, trade.c.fund, func.min(trade.c.day), func.max(trade.c.through)),
            *(whole_sum(trade.c.shares), func.coalesce(exact_sum(trade.c.shares * trade.c.price), 0.0)),
            whole_sum(case((trade.c.price.is_(None), trade.c.shares), else_=0)),
        )
        .where(known, wanted)
        .group_by(trade.c.security_id, trade.c.fund, case((is_apart, trade.c.day)))
        .order_by(trade.c.security_id, trade.c.fund, func.min(trade.c.day))
    )


def splits(connection: Connection, funds: Collection[str], as_of: date) -> Sequence[Any]:
    """(security_id, fund, day, numerator, denominator) of every split known on ``as_of``."""
    split = tables.split
    query = select(
        split.c.security_id, split.c.fund, split.c.day, split.c.numerator, split.c.denominator
    ).where(split.c.fund.in_(funds), split.c.through <= as_of)
    return connection.execute(query.order_by(split.c.security_id, split.c.day, split.c.fund)).all()


def securities(connection: Connection, ids: Collection[int]) -> dict[int, tuple[str | None, str]]:
    """The code and name of some securities."""
    security = tables.security
    query = select(security.c.id, security.c.code, security.c.name).where(security.c.id.in_(ids))
    return {row[0]: (row[1], row[2]) for row in connection.execute(query)}
