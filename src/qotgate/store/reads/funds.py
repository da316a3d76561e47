"""Queries about one fund, day by day, and about neighbouring days."""

from collections.abc import Collection
from datetime import date

from sqlalchemy import Connection, and_, case, func, select

from qotgate.store import tables
from qotgate.store.tables import Row, rows_of


def days(connection: Connection, fund: str, as_of: date, before: date | None, count: int) -> list[Row]:
    """Up to ``count`` of a fund's days known on ``as_of``, latest first, before ``before``: the day,
    ``through``, ``source`` and ``flow`` as stored, how many securities it ``bought`` and ``sold``, the
    ``amount`` of its trades in USD, and how many of them have no price (``unpriced``)."""
    day, trade = tables.ark_day, tables.trade
    query = (
        select(
            *(day.c.day, day.c.through, day.c.source, day.c.flow),
            func.count(case((trade.c.shares > 0, 1))).label("bought"),
            func.count(case((trade.c.shares < 0, 1))).label("sold"),
            func.sum(trade.c.shares * trade.c.price).label("amount"),
            func.count(case((and_(trade.c.shares != 0, trade.c.price.is_(None)), 1))).label("unpriced"),
        )
        .outerjoin(trade, and_(trade.c.fund == day.c.fund, trade.c.day == day.c.day))
        .where(day.c.fund == fund, day.c.through <= as_of)
        .group_by(day.c.day, day.c.through, day.c.source, day.c.flow)
        .order_by(day.c.day.desc())
        .limit(count)
    )
    return rows_of(connection, query if before is None else query.where(day.c.day < before))


def trade_days_around(
    connection: Connection, funds: Collection[str], day: date
) -> tuple[date | None, date | None]:
    """The last day before ``day`` and the first day after it with trades of any of ``funds``."""
    trade = tables.trade
    of_funds = trade.c.fund.in_(funds)
    before = connection.scalar(select(func.max(trade.c.day)).where(of_funds, trade.c.day < day))
    after = connection.scalar(select(func.min(trade.c.day)).where(of_funds, trade.c.day > day))
    return before, after
