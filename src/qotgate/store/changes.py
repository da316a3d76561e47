"""Records the day from which the rows of one generation of the data differ from those of another.

Every function that writes rows for questions calls :func:`touch` with the first day of those rows.
:func:`record` stores the days with the new generation. So columns in memory from an earlier generation need
only read the changed days again: a load that adds one day costs one day.
"""

import json
from datetime import date
from typing import Any, Literal

from sqlalchemy import Connection, Select, select

from qotgate.store import tables

Subject = Literal["ark", "ratings"]
"""Rows derived from holdings and notices, or rows derived from notes."""
SUBJECTS: tuple[Subject, ...] = ("ark", "ratings")
KEY = "changes"
TOUCHED = "qotgate_touched"
MAX_GENERATIONS = 64
"""Generations whose days are stored; columns of older generations are read again in full."""


def touch(connection: Connection, subject: Subject, day: date) -> None:
    """Note that rows of ``day`` or later days change in this transaction. After a rollback the day stays
    noted for the next transaction, whose readers then only read more than needed."""
    touched = connection.info.setdefault(TOUCHED, {})
    touched[subject] = min(day, touched.get(subject, day))


def touch_all(connection: Connection) -> None:
    """Note that all rows may change in this transaction."""
    for subject in SUBJECTS:
        touch(connection, subject, date.min)


def record(connection: Connection, generation: int) -> None:
    """Store what this transaction has touched: the difference between ``generation`` and the one before
    it."""
    touched = connection.info.pop(TOUCHED, {})
    days = [touched[subject].isoformat() if subject in touched else None for subject in SUBJECTS]
    text = connection.scalar(_kept())
    kept = [*json.loads(text or "[]"), [generation, *days]][-MAX_GENERATIONS:]
    state, value = tables.state, json.dumps(kept)
    if text is None:
        connection.execute(state.insert().values(key=KEY, value=value))
    else:
        connection.execute(state.update().where(state.c.key == KEY).values(value=value))


def changed_from(connection: Connection, subject: Subject, known: int, generation: int) -> date | None:
    """The first day whose rows may differ between the generations ``known`` and ``generation``: ``date.max``
    if none do, None if that is not stored."""
    rows = json.loads(connection.scalar(_kept()) or "[]")
    column = 1 + SUBJECTS.index(subject)
    days = {row[0]: row[column] for row in rows if known < row[0] <= generation}
    # A missing generation was written by an earlier version, or came with a restore.
    if known > generation or len(days) < generation - known:
        return None
    return min((date.fromisoformat(day) for day in days.values() if day), default=date.max)


def _kept() -> Select[Any]:
    return select(tables.state.c.value).where(tables.state.c.key == KEY)
