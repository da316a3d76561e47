"""What the questions ask the database. Each call reads within the transaction it is given."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import CTE, Connection, Select, String, Table, and_, column, func, or_, select, union, values

from qotgate.store import tables

Row = dict[str, Any]
UNTOLD, HOLE = "untold", "hole"
"""What a fund day rests on where two holdings files do not tell the flow from the trades, and where too many
days have no file."""
LONGEST_GAP = timedelta(days=30)
"""Longer than the days between two books over which something is inferred."""


def each_fund(funds: Collection[str]) -> CTE:
    """The ``funds`` as rows: a query that looks up one row of each is quick where one over all of them would
    read all of their days."""
    return values(column("fund", String)).data([(fund,) for fund in funds]).cte("wanted")


def latest_ark_day(connection: Connection, funds: Collection[str]) -> date | None:
    """The last day whose trades are known for any of ``funds``."""
    day, wanted = tables.ark_day, each_fund(funds)
    latest = select(func.max(day.c.through)).where(day.c.fund == wanted.c.fund).scalar_subquery()
    found: date | None = connection.scalar(select(func.max(latest)).select_from(wanted))
    return found


def first_ark_day(connection: Connection, funds: Collection[str]) -> date | None:
    """The first day that a book of any of ``funds`` shows, or whose trades are known."""
    day, snapshot, wanted = tables.ark_day, tables.snapshot, each_fund(funds)
    found = []
    for table, known in ((tables.ark_day, day.c.day), (snapshot, snapshot.c.through)):
        first = select(func.min(known)).where(table.c.fund == wanted.c.fund).scalar_subquery()
        found.append(connection.scalar(select(func.min(first)).select_from(wanted)))
    return min((one for one in found if one is not None), default=None)


def untold_days(
    connection: Connection, funds: Collection[str], since: date, until: date
) -> list[tuple[str, date, date, str]]:
    """(fund, first day, last day, why) of the days from ``since`` to ``until`` that are not told without
    a notice, oldest first. Why is UNTOLD or HOLE."""
    day, wanted = tables.ark_day, each_fund(funds)
    rows = select(day.c.fund, day.c.day, day.c.through, day.c.source).where(day.c.source.in_((UNTOLD, HOLE)))
    # A longer history costs no more: what ends long after ``until`` is the last that begins before it.
    ends_soon = rows.where(
        day.c.fund.in_(funds), day.c.through.between(since, until + LONGEST_GAP), day.c.day <= until
    )
    inner = tables.ark_day.alias()
    last = select(func.max(inner.c.day)).where(inner.c.fund == wanted.c.fund, inner.c.day <= until)
    around = rows.join(wanted, and_(day.c.fund == wanted.c.fund, day.c.day == last.scalar_subquery()))
    query = union(ends_soon, around.where(day.c.through >= since)).order_by("day", "fund")
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]


def security_id(connection: Connection, code: str) -> int | None:
    """The security whose lines have, or had, the code."""
    spelling = tables.spelling
    return connection.scalar(select(spelling.c.security_id).where(spelling.c.code == code).limit(1))


def trades(
    connection: Connection, security: int, funds: Collection[str], since: date, until: date, as_of: date
) -> list[tuple[str, date, int]]:
    """(fund, day, signed shares) of each trade of the days from ``since`` to ``until`` that is known on
    ``as_of``, oldest first."""
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
    """The last day before ``before`` of a trade known on ``as_of``."""
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
    """The trades of some days that are known on ``as_of``, with the difference or notice that they come
    from, oldest first."""
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
    return [dict(row) for row in connection.execute(query).mappings()]


def places(
    connection: Connection, kind: str, security: int, days: Collection[date]
) -> dict[tuple[str, date], list[tuple[str, int | None]]]:
    """The files and lines of a security's ``kind`` (holding or notice) on some days, by fund and day."""
    table = tables.METADATA.tables[kind]
    query = (
        select(table.c.fund, table.c.day, tables.file.c.path, table.c.line)
        .join(tables.file)
        .where(table.c.security_id == security, table.c.day.in_(days))
        .order_by(table.c.day, table.c.id)
    )
    found: dict[tuple[str, date], list[tuple[str, int | None]]] = {}
    for fund, day, path, line in connection.execute(query):
        found.setdefault((fund, day), []).append((path, line))
    return found


def splits(
    connection: Connection, security: int, funds: Collection[str], as_of: date
) -> list[tuple[str, date, int, int]]:
    """(fund, first day in new units, new shares, for old shares) of each split known on ``as_of``, as each
    fund's files show it."""
    split = tables.split
    query = (
        select(split.c.fund, split.c.day, split.c.numerator, split.c.denominator)
        .where(split.c.security_id == security, split.c.fund.in_(funds), split.c.through <= as_of)
        .order_by(split.c.day, split.c.fund)
    )
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]


def snapshot_files(connection: Connection, days: Collection[date]) -> dict[tuple[str, date], str]:
    """The holdings files of some days, by fund and day."""
    snapshot, file = tables.snapshot, tables.file
    query = select(snapshot.c.fund, snapshot.c.day, file.c.path).join(file).where(snapshot.c.day.in_(days))
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def first_note_day(connection: Connection) -> date | None:
    found: date | None = connection.scalar(select(func.min(tables.note.c.day)))
    return found


def latest_note_day(connection: Connection) -> date | None:
    found: date | None = connection.scalar(select(func.max(tables.note.c.day)))
    return found


def _changes(market: str, change_type: str, generation: int, as_of: date) -> Select[Any]:
    change = tables.rating_change
    return select().where(
        change.c.market == market,
        change.c.change_type == change_type,
        change.c.day <= as_of,
        change.c.since <= generation,
        change.c.until > generation,
    )


def count_changes(connection: Connection, market: str, change_type: str, generation: int, as_of: date) -> int:
    query = _changes(market, change_type, generation, as_of)
    return connection.scalar(query.add_columns(func.count()).select_from(tables.rating_change)) or 0


def rating_changes(
    connection: Connection,
    market: str,
    change_type: str,
    generation: int,
    as_of: date,
    after: tuple[date, int] | None,
    count: int,
) -> list[Row]:
    """Up to ``count`` rows, newest first, that come after the row whose (day, note id) is ``after``."""
    change, history, note = tables.rating_change, tables.history, tables.note
    query = (
        _changes(market, change_type, generation, as_of)
        .add_columns(change, history.c.code, history.c.institution, note.c.name)
        .join(history, history.c.id == change.c.history_id)
        .join(note, note.c.id == change.c.note_id)
        .order_by(change.c.day.desc(), change.c.note_id.desc())
        .limit(count)
    )
    if after is not None:
        day, note_id = after
        query = query.where(
            change.c.day <= day,
            or_(change.c.day < day, and_(change.c.day == day, change.c.note_id < note_id)),
        )
    return [dict(row) for row in connection.execute(query).mappings()]


def _span(connection: Connection, table: Table, *groups: str) -> list[Row]:
    columns = [table.c[name] for name in groups]
    query = select(
        *columns,
        func.count().label("rows"),
        func.min(table.c.day).label("first_day"),
        func.max(table.c.day).label("last_day"),
    ).group_by(*columns)
    return [dict(row) for row in connection.execute(query.order_by(*columns)).mappings() if row["rows"]]


def spans(connection: Connection) -> dict[str, list[Row]]:
    """Rows and day ranges of what is loaded and of what follows from it."""
    change = tables.rating_change
    changes = (
        select(
            change.c.market,
            change.c.change_type,
            func.count().label("rows"),
            func.min(change.c.day).label("first_day"),
            func.max(change.c.day).label("last_day"),
        )
        .where(change.c.until == tables.FOREVER)
        .group_by(change.c.market, change.c.change_type)
        .order_by(change.c.market, change.c.change_type)
    )
    return {
        "holdings": _span(connection, tables.holding, "fund"),
        "notices": _span(connection, tables.notice, "fund"),
        "ark_days": _span(connection, tables.ark_day, "fund", "source"),
        "notes": _span(connection, tables.note),
        "rating_changes": [dict(row) for row in connection.execute(changes).mappings()],
    }


def files(connection: Connection) -> list[Row]:
    """Files and records by kind."""
    file = tables.file
    query = select(file.c.kind, func.count().label("files"), func.sum(file.c.records).label("records"))
    return [
        dict(row) for row in connection.execute(query.group_by(file.c.kind).order_by(file.c.kind)).mappings()
    ]


def rejects(connection: Connection, limit: int) -> tuple[int, Sequence[Row]]:
    """How many lines were left out, and the latest of them."""
    reject, file = tables.reject, tables.file
    total = connection.scalar(select(func.count()).select_from(reject)) or 0
    query = (
        select(file.c.path, reject.c.line, reject.c.reason)
        .join(file)
        .order_by(reject.c.id.desc())
        .limit(limit)
    )
    return total, [dict(row) for row in connection.execute(query).mappings()]


def note_days(connection: Connection) -> tuple[int, int]:
    """The days on which an institution gave a note on a security, and those on which the feed's own prior
    view was not that of the previous note."""
    note = tables.note
    days = select(note.c.history_id, note.c.day).distinct().subquery()
    disagreeing = select(func.count()).select_from(note).where(note.c.disagrees)
    total = connection.scalar(select(func.count()).select_from(days)) or 0
    return total, connection.scalar(disagreeing) or 0


def unknown_grades(connection: Connection) -> dict[str, int]:
    """Notes by a word that the grade scale does not know."""
    note = tables.note
    query = (
        select(note.c.word, func.count())
        .where(note.c.grade.is_(None), note.c.word != "")
        .group_by(note.c.word)
        .order_by(func.count().desc(), note.c.word)
    )
    return {row[0]: row[1] for row in connection.execute(query)}
