"""References of large tables, which are no foreign keys: to look each one up takes longer than to write its
row.

A load takes them from rows that it has read or written itself. ``qotgate doctor --thorough`` and backups
check them, as they do foreign keys.
"""

from collections.abc import Callable, Iterator
from typing import Any

REFERENCES = (
    ("note", "history_id", "history"),
    ("note", "file_id", "file"),
    ("rating_change", "note_id", "note"),
    ("rating_change", "history_id", "history"),
)
"""A table, its column, and the table whose ``id`` the column has."""


def broken(execute: Callable[[str], Any]) -> Iterator[str]:
    """The end of a sentence about a row of each reference that names a missing row. ``execute`` runs a
    statement and returns its cursor."""
    for table, column, target in REFERENCES:
        row = execute(
            f"SELECT {table}.id FROM {table} LEFT JOIN {target} ON {target}.id = {table}.{column} "  # noqa: S608  # nosec B608 - constants
            f"WHERE {target}.id IS NULL LIMIT 1"
        ).fetchone()
        if row is not None:
            yield f"row {row[0]} of {table} names no row of {target}"
