"""What those who look around ask the database, beyond the questions of the interface: a security's ARK
trades and positions day by day, rating changes by more filters, and what there is to search for.

Each call reads within the transaction it is given.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, and_, func, or_, select

from qotgate.store import tables
from qotgate.store.queries import Row


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file; ``line`` is None where the file is telling by not having the security."""

    file_id: int
    path: str
    line: int | None


Places = dict[tuple[str, date], list[Place]]
"""By fund and day."""


def places(connection: Connection, kind: str, security: int, days: Collection[date]) -> Places:
    """Where a security's lines of ``kind`` (holding or notice) on some days stand."""
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


def positions(connection: Connection, security: int, funds: Collection[str], as_of: date) -> list[Row]:
    """A security's lines in the books of the trading days up to ``as_of``; ``through`` is the day that a book
    shows, ``day`` that of its file. A fund's several lines of one day are one."""
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
    return [dict(row) for row in connection.execute(query).mappings()]


def books(connection: Connection, funds: Collection[str], as_of: date) -> list[tuple[date, str, date, Place]]:
    """(trading day that it shows, fund, day of its file, file) of each book up to ``as_of``, oldest first."""
    snapshot, file = tables.snapshot, tables.file
    query = (
        select(snapshot.c.through, snapshot.c.fund, snapshot.c.day, file.c.id, file.c.path)
        .join(file)
        .where(snapshot.c.fund.in_(funds), snapshot.c.through <= as_of)
        .order_by(snapshot.c.through, snapshot.c.day, snapshot.c.fund)
    )
    rows = connection.execute(query)
    return [(through, fund, day, Place(file_id, path, None)) for through, fund, day, file_id, path in rows]


def latest_trade_day(connection: Connection, funds: Collection[str], as_of: date) -> date | None:
    """The latest day with a trade that is known on ``as_of``."""
    trade = tables.trade
    found: date | None = connection.scalar(
        select(func.max(trade.c.day)).where(
            trade.c.fund.in_(funds), trade.c.day <= as_of, trade.c.through <= as_of
        )
    )
    return found


def trades_of(connection: Connection, funds: Collection[str], day: date, as_of: date) -> list[Row]:
    """All trades of ``day`` that are known on ``as_of``, with the security's code and name, and the price of
    a share in USD, None where the fund's files show none."""
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
    return [dict(row) for row in connection.execute(query).mappings()]


@dataclass(frozen=True, slots=True)
class RatingFilter:
    """Which rating changes are listed; None is any. ``institution`` is an identity, ``day`` the one day."""

    market: str | None = None
    change_type: str | None = None
    institution: str | None = None
    code: str | None = None
    day: date | None = None


def _listed(wanted: RatingFilter, generation: int, as_of: date) -> Select[Any]:
    change, history = tables.rating_change, tables.history
    query = (
        select()
        .select_from(change)
        .where(change.c.day <= as_of, change.c.since <= generation, change.c.until > generation)
    )
    for column, value in (
        (change.c.market, wanted.market),
        (change.c.change_type, wanted.change_type),
        (change.c.day, wanted.day),
    ):
        if value is not None:
            query = query.where(column == value)
    of_history = [
        column == value
        for column, value in ((history.c.institution, wanted.institution), (history.c.code, wanted.code))
        if value is not None
    ]
    if of_history:
        query = query.where(change.c.history_id.in_(select(history.c.id).where(*of_history)))
    return query


def count_listed(connection: Connection, wanted: RatingFilter, generation: int, as_of: date) -> int:
    return connection.scalar(_listed(wanted, generation, as_of).add_columns(func.count())) or 0


def listed_changes(
    connection: Connection,
    wanted: RatingFilter,
    generation: int,
    as_of: date,
    after: tuple[date, int] | None,
    count: int,
) -> list[Row]:
    """Up to ``count`` rows, newest first, that come after the row whose (day, note id) is ``after``; each
    with the file and line of its note."""
    change, history, note, file = tables.rating_change, tables.history, tables.note, tables.file
    query = (
        _listed(wanted, generation, as_of)
        .add_columns(change, history.c.code, history.c.institution, note.c.name)
        .add_columns(note.c.word, note.c.file_id, note.c.line, file.c.path)
        .join(history, history.c.id == change.c.history_id)
        .join(note, note.c.id == change.c.note_id)
        .join(file, file.c.id == note.c.file_id)
        .order_by(change.c.day.desc(), change.c.note_id.desc())
        .limit(count)
    )
    if after is not None:
        day, note_id = after
        query = query.where(or_(change.c.day < day, and_(change.c.day == day, change.c.note_id < note_id)))
    return [dict(row) for row in connection.execute(query).mappings()]


def institutions(connection: Connection) -> list[str]:
    """The institutions that a note is loaded of."""
    history = tables.history
    return list(connection.scalars(select(history.c.institution).distinct().order_by(history.c.institution)))


def known_codes(connection: Connection) -> dict[str, tuple[str, bool, bool]]:
    """What can be asked for: code to published name, whether ARK's files have it, whether notes do."""
    security, history, note = tables.security, tables.history, tables.note
    ark = connection.execute(select(security.c.code, security.c.name).where(security.c.code.is_not(None)))
    found = {code: (name, True, False) for code, name in ark}
    rated = (
        select(history.c.market, history.c.code, func.min(history.c.id).label("history_id"))
        .group_by(history.c.market, history.c.code)
        .subquery()
    )
    # One note is enough for a name; the index on (history, day) finds it.
    name = (
        select(note.c.name)
        .where(note.c.history_id == rated.c.history_id)
        .order_by(note.c.day.desc())
        .limit(1)
        .scalar_subquery()
    )
    for market, code, noted in connection.execute(select(rated.c.market, rated.c.code, name)):
        key = f"{market}.{code}"
        known, in_ark, _ = found.get(key, ("", False, False))
        found[key] = (known or noted or "", in_ark, True)
    return found
