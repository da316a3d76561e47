"""The history of loads: what each one found and rejected.

Each call works within the given transaction; a load is recorded in a transaction of its own.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    delete,
    func,
    insert,
    literal_column,
    null,
    select,
    union_all,
    update,
)

from qotgate.store import tables
from qotgate.store.bulk import insert_rows
from qotgate.store.tables import Row, rows_of

MAX_IDLE_LOADS = 200
"""Loads without new files that are kept in the history, such as those of a timer that found nothing."""
MAX_REJECTED_FILES = 1000
"""Unreadable files of one load that are recorded by name; all are counted."""


def begin(connection: Connection) -> int:
    """Record a load. Returns its number, which its files refer to. :func:`finish` records the outcome."""
    counts = dict.fromkeys(("generation", "files", "read", "unchanged", "rejected", "left_out", "added"), 0)
    inserted = connection.execute(
        insert(tables.load).values(loaded_at=_now(), outcome="", **counts)
    ).inserted_primary_key
    assert inserted is not None
    number: int = inserted[0]
    return number


def finish(
    connection: Connection, number: int, rejected_files: Sequence[tuple[str, str]], **found: Any
) -> None:
    """Record what a load ``found``, the columns of its row, and (path, reason) of its unreadable files.
    Deletes the oldest loads without new files."""
    load, rejected, file = tables.load, tables.rejected_file, tables.file
    connection.execute(update(load).where(load.c.id == number).values(loaded_at=_now(), **found))
    rows = [{"load_id": number, "path": path, "reason": reason} for path, reason in rejected_files]
    if rows:
        insert_rows(connection, rejected, rows[:MAX_REJECTED_FILES])
    idle = select(load.c.id).where(~select(file.c.id).where(file.c.load_id == load.c.id).exists())
    oldest = connection.scalars(idle.order_by(load.c.id.desc()).offset(MAX_IDLE_LOADS)).all()
    for one in oldest:
        connection.execute(delete(rejected).where(rejected.c.load_id == one))
        connection.execute(delete(load).where(load.c.id == one))


def last(connection: Connection) -> int:
    """The number of the latest load, 0 if there is none; each load increments it, even one without new
    files."""
    return connection.scalar(select(func.max(tables.load.c.id))) or 0


def loads(connection: Connection, before: int | None, count: int) -> list[Row]:
    """Up to ``count`` loads, latest first; ``before`` is the number of the last one on the previous page."""
    load = tables.load
    query = select(load).order_by(load.c.id.desc()).limit(count)
    if before is not None:
        query = query.where(load.c.id < before)
    return [dict(row) for row in connection.execute(query).mappings()]


def load(connection: Connection, number: int) -> Row | None:
    row = connection.execute(select(tables.load).where(tables.load.c.id == number)).mappings().first()
    return None if row is None else dict(row)


def left_out(connection: Connection, number: int, count: int) -> list[Row]:
    """Up to ``count`` rejects of a load: whole files, without ``file_id`` and ``line``, then lines of files
    that were read."""
    rejected, reject, file = tables.rejected_file, tables.reject, tables.file
    whole = select(
        literal_column("0").label("lines"),
        rejected.c.id,
        null().label("file_id"),
        rejected.c.path,
        null().label("line"),
        rejected.c.reason,
    ).where(rejected.c.load_id == number)
    lines = (
        select(
            literal_column("1").label("lines"),
            reject.c.id,
            reject.c.file_id,
            file.c.path,
            reject.c.line,
            reject.c.reason,
        )
        .join(file)
        .where(file.c.load_id == number)
    )
    both = union_all(whole, lines).subquery()
    query = (
        select(both.c.file_id, both.c.path, both.c.line, both.c.reason)
        .order_by(both.c.lines, both.c.id)
        .limit(count)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def count_unread(connection: Connection) -> int:
    """The number of unreadable files that no later load has read under the same path."""
    return connection.scalar(select(func.count()).select_from(_unread().subquery())) or 0


def unread_files(connection: Connection, before: int | None, count: int) -> list[Row]:
    """Up to ``count`` of these files before number ``before``, the latest first: number, load, path and
    reason."""
    rejected = tables.rejected_file
    query = _unread() if before is None else _unread().where(rejected.c.id < before)
    return rows_of(connection, query.limit(count))


def _unread() -> Select[Any]:
    rejected, file = tables.rejected_file, tables.file
    latest = select(func.max(rejected.c.id)).group_by(rejected.c.path)
    read = select(file.c.id).where(file.c.path == rejected.c.path, file.c.load_id > rejected.c.load_id)
    return (
        select(rejected.c.id, rejected.c.load_id, rejected.c.path, rejected.c.reason)
        .where(rejected.c.id.in_(latest), ~read.exists())
        .order_by(rejected.c.id.desc())
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
