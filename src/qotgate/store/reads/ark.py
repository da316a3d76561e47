"""Queries about the ARK funds: days, trades, positions, books and splits."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from sqlalchemy import (
    CTE,
    Connection,
    String,
    and_,
    column,
    exists,
    func,
    select,
    union,
    values,
)

from qotgate.ark.dynamics import Split
from qotgate.store import tables
from qotgate.store.tables import HOLE, NOTICE, UNTOLD, Row, rows_of

LONGEST_GAP = timedelta(days=30)
"""More days than an inference between two books can span."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file; ``line`` is None if the evidence is that the file does not list the security."""

    file_id: int
    path: str
    line: int | None


Places = dict[tuple[str, date], list[Place]]
"""By fund and day."""


def each_fund(funds: Collection[str]) -> CTE:
    """The ``funds`` as rows: one index look-up for each is faster than a query over all of their days."""
    return values(column("fund", String)).data([(fund,) for fund in funds]).cte("wanted")


def latest_ark_day(connection: Connection, funds: Collection[str]) -> date | None:
    """The last day with known trades of any of ``funds``."""
    day, wanted = tables.ark_day, each_fund(funds)
    latest = select(func.max(day.c.through)).where(day.c.fund == wanted.c.fund).scalar_subquery()
    found: date | None = connection.scalar(select(func.max(latest)).select_from(wanted))
    return found


def first_ark_day(connection: Connection, funds: Collection[str]) -> date | None:
    """The first day that a book of any of ``funds`` shows, or with known trades."""
    day, snapshot, wanted = tables.ark_day, tables.snapshot, each_fund(funds)
    found = []
    for table, known in ((tables.ark_day, day.c.day), (snapshot, snapshot.c.through)):
        first = select(func.min(known)).where(table.c.fund == wanted.c.fund).scalar_subquery()
        found.append(connection.scalar(select(func.min(first)).select_from(wanted)))
    return min((one for one in found if one is not None), default=None)


def untold_days(
    connection: Connection, funds: Collection[str], since: date, until: date, as_of: date
) -> list[tuple[str, date, date, str]]:
    """(fund, first day, last day, why) of the days from ``since`` to ``until`` with unknown trades
    and without a notice, oldest first. Why is UNTOLD or HOLE. The last day is ``as_of`` at most: where the
    period ends is not known earlier."""
    day, wanted = tables.ark_day, each_fund(funds)
    rows = select(day.c.fund, day.c.day, day.c.through, day.c.source).where(day.c.source.in_((UNTOLD, HOLE)))
    # Bounds the rows read, however long the history: a gap between two books that ends long after ``until``
    # is the last one that starts before it. Notices cover single days within gaps.
    ends_soon = rows.where(
        day.c.fund.in_(funds), day.c.through.between(since, until + LONGEST_GAP), day.c.day <= until
    )
    inner = tables.ark_day.alias()
    last = select(func.max(inner.c.day)).where(
        inner.c.fund == wanted.c.fund, inner.c.day <= until, inner.c.before.is_not(None)
    )
    around = rows.join(wanted, and_(day.c.fund == wanted.c.fund, day.c.day == last.scalar_subquery()))
    query = union(ends_soon, around.where(day.c.through >= since)).order_by("day", "fund")
    return [(row[0], row[1], min(row[2], as_of), row[3]) for row in connection.execute(query)]


def trades(
    connection: Connection, security: int, funds: Collection[str], since: date, until: date, as_of: date
) -> list[tuple[str, date, int]]:
    """(fund, day, signed shares) of each trade from ``since`` to ``until`` that is known on ``as_of``, oldest
    first."""
    trade = tables.trade
    query = (
        select(trade.c.fund, trade.c.day, trade.c.shares)
        .where(
            trade.c.security_id == security,
            trade.c.day.between(since, until),
            trade.c.through <= as_of,
            trade.c.fund.in_(funds),
        )
        .order_by(trade.c.day, trade.c.fund)
    )
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def last_trade_day(
    connection: Connection, security: int, funds: Collection[str], before: date, as_of: date
) -> date | None:
    """The last day before ``before`` with a trade known on ``as_of``."""
    trade = tables.trade
    query = (
        select(trade.c.day)
        .where(
            trade.c.security_id == security,
            trade.c.day < before,
            trade.c.through <= as_of,
            trade.c.fund.in_(funds),
        )
        .order_by(trade.c.day.desc())
        .limit(1)
    )
    found: date | None = connection.scalar(query)
    return found


def explained_trades(
    connection: Connection, security: int, funds: Collection[str], days: Collection[date], as_of: date
) -> list[Row]:
    """The trades of some days known on ``as_of``, with the difference or notice behind them, oldest first."""
    trade, day = tables.trade, tables.ark_day
    query = (
        select(trade, day.c.source, day.c.before, day.c.after)
        .join(day, and_(day.c.fund == trade.c.fund, day.c.day == trade.c.day))
        .where(
            trade.c.security_id == security,
            trade.c.fund.in_(funds),
            trade.c.day.in_(days),
            trade.c.through <= as_of,
        )
        .order_by(trade.c.day, trade.c.fund)
    )
    return rows_of(connection, query)


def latest_trade_day(connection: Connection, funds: Collection[str], as_of: date) -> date | None:
    """The latest day with a trade known on ``as_of``."""
    trade = tables.trade
    found: date | None = connection.scalar(
        select(func.max(trade.c.day)).where(
            trade.c.fund.in_(funds), trade.c.day <= as_of, trade.c.through <= as_of
        )
    )
    return found


def trades_of(connection: Connection, funds: Collection[str], day: date, as_of: date) -> list[Row]:
    """All trades of ``day`` known on ``as_of``, with the security's code and name, and the price of a share
    in USD (None if the fund's files have none)."""
    trade, security = tables.trade, tables.security
    query = (
        select(
            trade.c.security_id,
            trade.c.fund,
            trade.c.shares,
            trade.c.price,
            security.c.code,
            security.c.name,
        )
        .join(security)
        .where(trade.c.fund.in_(funds), trade.c.day == day, trade.c.through <= as_of)
        .order_by(trade.c.fund, trade.c.security_id)
    )
    return rows_of(connection, query)


def places(connection: Connection, kind: str, security: int, days: Collection[date]) -> Places:
    """The places of a security's lines of ``kind`` (holding or notice) on some days."""
    table = tables.METADATA.tables[kind]
    query = (
        select(table.c.fund, table.c.day, table.c.file_id, tables.file.c.path, table.c.line)
        .join(tables.file)
        .where(table.c.security_id == security, table.c.day.in_(days))
        .order_by(table.c.day, table.c.id)
    )
    found: Places = {}
    for fund, day, *place in connection.execute(query):
        found.setdefault((fund, day), []).append(Place(*place))
    return found


def snapshots(connection: Connection, days: Collection[date]) -> dict[tuple[str, date], Place]:
    """The holdings files of some days, by fund and day."""
    snapshot, file = tables.snapshot, tables.file
    query = select(snapshot.c.fund, snapshot.c.day, file.c.id, file.c.path).join(file)
    rows = connection.execute(query.where(snapshot.c.day.in_(days)))
    return {(fund, day): Place(file_id, path, None) for fund, day, file_id, path in rows}


def splits(
    connection: Connection, security: int, funds: Collection[str], as_of: date
) -> dict[str, list[Split]]:
    """The splits known on ``as_of``, by the fund whose files show them."""
    split = tables.split
    query = (
        select(split.c.fund, split.c.day, split.c.numerator, split.c.denominator)
        .where(split.c.security_id == security, split.c.fund.in_(funds), split.c.through <= as_of)
        .order_by(split.c.day, split.c.fund)
    )
    seen: dict[str, list[Split]] = {}
    for fund, day, new, old in connection.execute(query):
        seen.setdefault(fund, []).append(Split(day, Fraction(new, old)))
    return seen


def positions(connection: Connection, security: int, funds: Collection[str], as_of: date) -> list[Row]:
    """A security's lines in the books of the trading days up to ``as_of``; ``through`` is the day that a book
    shows, ``day`` the date of its file. Several lines of a fund on one day are combined."""
    holding, snapshot, file = tables.holding, tables.snapshot, tables.file
    query = (
        select(
            holding.c.fund,
            holding.c.day,
            func.sum(holding.c.shares).label("shares"),
            func.sum(holding.c.market_value).label("market_value"),
            func.sum(holding.c.weight).label("weight"),
            file.c.id.label("file_id"),
            file.c.path,
            func.min(holding.c.line).label("line"),
        )
        .join(snapshot, and_(snapshot.c.fund == holding.c.fund, snapshot.c.day == holding.c.day))
        .join(file, file.c.id == snapshot.c.file_id)
        .where(holding.c.security_id == security, holding.c.fund.in_(funds), snapshot.c.through <= as_of)
        .group_by(holding.c.fund, holding.c.day, file.c.id, file.c.path)
        .order_by(holding.c.day, holding.c.fund)
    )
    return rows_of(connection, query)


def books(connection: Connection, funds: Collection[str], as_of: date) -> list[tuple[date, str, date, Place]]:
    """(trading day shown, fund, date of the file, file) of each book up to ``as_of``, oldest first."""
    snapshot, file = tables.snapshot, tables.file
    query = (
        select(snapshot.c.through, snapshot.c.fund, snapshot.c.day, file.c.id, file.c.path)
        .join(file)
        .where(snapshot.c.fund.in_(funds), snapshot.c.through <= as_of)
        .order_by(snapshot.c.through, snapshot.c.day, snapshot.c.fund)
    )
    rows = connection.execute(query)
    return [(through, fund, day, Place(file_id, path, None)) for through, fund, day, file_id, path in rows]


def holes(connection: Connection) -> list[Row]:
    """The ``first_day`` and ``last_day`` of each hole in a ``fund``'s files, and its ``sessions``: the number
    of its trading days without a notice. By fund, oldest first."""
    hole, session = tables.ark_day, tables.session
    told = tables.ark_day.alias()
    noticed = exists().where(told.c.fund == hole.c.fund, told.c.day == session.c.day, told.c.source == NOTICE)
    query = (
        select(
            hole.c.fund,
            hole.c.day.label("first_day"),
            hole.c.through.label("last_day"),
            func.count().label("sessions"),
        )
        .join(session, session.c.day.between(hole.c.day, hole.c.through))
        .where(hole.c.source == HOLE, ~noticed)
        .group_by(hole.c.fund, hole.c.day, hole.c.through)
        .order_by(hole.c.fund, hole.c.day)
    )
    return rows_of(connection, query)


def session_ends(connection: Connection) -> tuple[date, date] | None:
    """The first and the last loaded trading day; None if there is none."""
    day = tables.session.c.day
    first, last = connection.execute(select(func.min(day), func.max(day))).one()
    return None if first is None else (first, last)


def sessions(connection: Connection, since: date, until: date) -> list[date]:
    """The loaded trading days from ``since`` to ``until``, oldest first."""
    day = tables.session.c.day
    return list(connection.scalars(select(day).where(day.between(since, until)).order_by(day)))


def fund_days(connection: Connection, since: date, until: date) -> list[tuple[str, date, date, str]]:
    """(fund, first day, last day, source) of each fund's periods that overlap ``since`` to ``until``; by
    fund, oldest first."""
    day = tables.ark_day
    query = (
        select(day.c.fund, day.c.day, day.c.through, day.c.source)
        .where(day.c.day <= until, day.c.through >= since)
        .order_by(day.c.fund, day.c.day)
    )
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]
