"""Queries about the loaded files: their lines, their rejects, and the days they span."""

from sqlalchemy import Connection, Table, func, select

from qotgate.store import tables
from qotgate.store.tables import Row, rows_of

LINE_COLUMNS = {
    "holdings": ("day", "fund", "ticker", "identifier", "name", "shares", "market_value", "weight"),
    "notices": ("day", "fund", "ticker", "identifier", "name", "shares", "weight"),
    "notes": ("day", "time", "name", "firm", "word", "target", "prior_word", "prior_target"),
}
"""The columns shown of a line, by the kind of its file."""

LINES_OF = {"holdings": tables.holding, "notices": tables.notice, "notes": tables.note}


def _span(connection: Connection, table: Table, *groups: str) -> list[Row]:
    columns = [table.c[name] for name in groups]
    query = select(
        *columns,
        func.count().label("rows"),
        func.min(table.c.day).label("first_day"),
        func.max(table.c.get("through", table.c.day)).label("last_day"),
    ).group_by(*columns)
    return [dict(row) for row in connection.execute(query.order_by(*columns)).mappings() if row["rows"]]


def spans(connection: Connection) -> dict[str, list[Row]]:
    """Row counts and day ranges of loaded and derived rows."""
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


def kinds(connection: Connection) -> list[Row]:
    """Number of files and records by kind."""
    file = tables.file
    query = select(file.c.kind, func.count().label("files"), func.sum(file.c.records).label("records"))
    return [
        dict(row) for row in connection.execute(query.group_by(file.c.kind).order_by(file.c.kind)).mappings()
    ]


def files(connection: Connection, before: int | None, count: int, kind: str | None) -> list[Row]:
    """Up to ``count`` loaded files, latest first, with the number of rejects of each; ``before`` is the id of
    the last one on the previous page."""
    file, reject = tables.file, tables.reject
    left_out = select(func.count()).where(reject.c.file_id == file.c.id).correlate(file).scalar_subquery()
    query = select(file, left_out.label("left_out")).order_by(file.c.id.desc()).limit(count)
    if before is not None:
        query = query.where(file.c.id < before)
    if kind is not None:
        query = query.where(file.c.kind == kind)
    return rows_of(connection, query)


def last_load(connection: Connection) -> tuple[str | None, int]:
    """When a file was last loaded (UTC, ISO 8601), and the total number of rejected lines."""
    loaded = connection.scalar(select(func.max(tables.file.c.loaded_at)))
    return loaded, connection.scalar(select(func.count()).select_from(tables.reject)) or 0


def rejects(connection: Connection, before: int | None, count: int) -> list[Row]:
    """Up to ``count`` rejected lines, latest first; ``before`` as in :func:`files`."""
    reject, file = tables.reject, tables.file
    query = (
        select(reject.c.id, reject.c.file_id, file.c.path, reject.c.line, reject.c.reason)
        .join(file)
        .order_by(reject.c.id.desc())
        .limit(count)
    )
    return rows_of(connection, query if before is None else query.where(reject.c.id < before))


def file(connection: Connection, file_id: int) -> Row | None:
    row = connection.execute(select(tables.file).where(tables.file.c.id == file_id)).mappings().first()
    return None if row is None else dict(row)


def lines(connection: Connection, file_id: int, kind: str, start: int, count: int) -> list[Row]:
    """Up to ``count`` lines of a file as read, from ``start`` on. A line that an earlier file already had is
    not stored again."""
    table: Table = LINES_OF[kind]
    columns = [table.c.line, *(table.c[name] for name in LINE_COLUMNS[kind])]
    query = select(*columns).where(table.c.file_id == file_id, table.c.line >= start)
    if kind == "notes":
        history = tables.history
        query = query.add_columns(history.c.market, history.c.code)
        query = query.join(history, history.c.id == table.c.history_id)
    else:
        query = query.add_columns(tables.security.c.code).outerjoin(tables.security)
    return rows_of(connection, query.order_by(table.c.line).limit(count))


def rejects_of(connection: Connection, file_id: int, count: int) -> list[Row]:
    """Up to ``count`` rejected lines of a file."""
    reject = tables.reject
    query = select(reject.c.line, reject.c.reason).where(reject.c.file_id == file_id)
    return rows_of(connection, query.order_by(reject.c.line.nulls_first()).limit(count))
