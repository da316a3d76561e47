"""Queries about analysts' notes and the changes between them."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, func, or_, select

from qotgate.store import tables
from qotgate.store.tables import Row, rows_of


@dataclass(frozen=True, slots=True)
class RatingFilter:
    """A filter of rating changes; None matches all. ``institution`` is an identity, ``day`` a single day."""

    market: str | None = None
    change_type: str | None = None
    institution: str | None = None
    code: str | None = None
    day: date | None = None


def first_note_day(connection: Connection) -> date | None:
    found: date | None = connection.scalar(select(func.min(tables.note.c.day)))
    return found


def latest_note_day(connection: Connection) -> date | None:
    found: date | None = connection.scalar(select(func.max(tables.note.c.day)))
    return found


def newest_note(connection: Connection) -> int:
    """The id of the latest loaded note, 0 if there is none."""
    return connection.scalar(select(func.max(tables.note.c.id))) or 0


def notes_on(
    connection: Connection, market: str, code: str, as_of: date, newest: int | None = None
) -> list[Any]:
    """The notes on a security up to ``as_of``, with ids up to ``newest``, each with its ``institution``, by
    institution, then day."""
    note, history = tables.note, tables.history
    query = (
        select(
            *(history.c.institution, note.c.id, note.c.day, note.c.time, note.c.grade, note.c.target),
            note.c.starts,
        )
        .join(history, history.c.id == note.c.history_id)
        .where(history.c.market == market, history.c.code == code, note.c.day <= as_of)
        .order_by(history.c.institution, note.c.day, note.c.id)
    )
    if newest is not None:
        query = query.where(note.c.id <= newest)
    return list(connection.execute(query))


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


def count_changes(connection: Connection, wanted: RatingFilter, generation: int, as_of: date) -> int:
    return connection.scalar(_listed(wanted, generation, as_of).add_columns(func.count())) or 0


def facets(
    connection: Connection, wanted: RatingFilter, generation: int, as_of: date
) -> list[tuple[str, str, int]]:
    """(kind of change, institution, rows) of the listed changes."""
    change, history = tables.rating_change, tables.history
    query = (
        _listed(wanted, generation, as_of)
        .join(history, history.c.id == change.c.history_id)
        .add_columns(change.c.change_type, history.c.institution, func.count())
        .group_by(change.c.change_type, history.c.institution)
    )
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def changes(
    connection: Connection,
    wanted: RatingFilter,
    generation: int,
    as_of: date,
    after: tuple[date, int] | None,
    count: int,
    *,
    places: bool = False,
) -> list[Row]:
    """Up to ``count`` rows, newest first, after the row with (day, note id) ``after``; with ``places``, each
    has the file and line of its note and the institution's own word."""
    change, history, note, file = tables.rating_change, tables.history, tables.note, tables.file
    query = (
        _listed(wanted, generation, as_of)
        .add_columns(change, history.c.code, history.c.institution, note.c.name)
        .join(history, history.c.id == change.c.history_id)
        .join(note, note.c.id == change.c.note_id)
        .order_by(change.c.day.desc(), change.c.note_id.desc())
        .limit(count)
    )
    if places:
        query = query.add_columns(note.c.word, note.c.file_id, note.c.line, file.c.path)
        query = query.join(file, file.c.id == note.c.file_id)
    if after is not None:
        day, note_id = after
        query = query.where(
            # The range for the index on days.
            change.c.day <= day,
            or_(change.c.day < day, and_(change.c.day == day, change.c.note_id < note_id)),
        )
    return rows_of(connection, query)


def institutions(connection: Connection) -> list[str]:
    """The institutions with a loaded note."""
    # New tables may move all notes of a history to another one.
    history, note = tables.history, tables.note
    query = select(history.c.institution).where(exists().where(note.c.history_id == history.c.id))
    return list(connection.scalars(query.distinct().order_by(history.c.institution)))


def note_days(connection: Connection) -> tuple[int, int]:
    """The number of days on which an institution gave a note on a security, and of those days whose note's
    own prior rating differs from the previous note."""
    note = tables.note
    days = select(note.c.history_id, note.c.day).distinct().subquery()
    disagreeing = select(func.count()).select_from(note).where(note.c.disagrees)
    total = connection.scalar(select(func.count()).select_from(days)) or 0
    return total, connection.scalar(disagreeing) or 0


def unknown_grades(connection: Connection, start: int = 1, count: int | None = None) -> list[Row]:
    """Grade words missing in the table of grades, the most frequent first, from number ``start`` on, each
    with one note."""
    note, file = tables.note, tables.file
    words = (
        select(note.c.word, func.count().label("notes"), func.max(note.c.id).label("note_id"))
        .where(note.c.grade.is_(None), note.c.word != "")
        .group_by(note.c.word)
        .subquery()
    )
    query = (
        select(words.c.word, words.c.notes, note.c.file_id, note.c.line, file.c.path)
        .join(note, note.c.id == words.c.note_id)
        .join(file, file.c.id == note.c.file_id)
        .order_by(words.c.notes.desc(), words.c.word)
        .offset(start - 1)
        .limit(count)
    )
    return rows_of(connection, query)
