"""The bytes of the loaded files, stored so that a file can be unloaded.

The derived tables do not show what the database would be without a file: a book replaces another of its day,
and a line in two files is stored once. So the bytes of each file are stored, compressed, and unloading one
reads the remaining files again. Every call works inside the given transaction.
"""

import zlib
from collections.abc import Collection
from datetime import date

from sqlalchemy import ColumnElement, Connection, delete, select

from qotgate.store import changes, tables
from qotgate.store.bulk import insert_rows
from qotgate.store.files import Files
from qotgate.store.tables import Row

_KEPT = (tables.state, tables.load, tables.rejected_file, tables.file, tables.content)
DERIVED = [table for table in tables.METADATA.sorted_tables if table not in _KEPT]
"""The tables of file contents and of derived rows; none refers to a later one."""
LEVEL = 4
"""Of zlib: the next one takes 1.4 times the time for a twenty-fifth less of a file of notes."""
MAX_WAITING = 1 << 20
"""Compressed bytes that wait to be written."""


class Contents:
    """The bytes of the files of a load, written in batches."""

    def __init__(self, connection: Connection, files: Files) -> None:
        self._connection = connection
        self._files = files
        self._waiting: list[Row] = []
        self._size = 0

    def keep(self, file_id: int, name: str, content: bytes, any_book: bool) -> None:
        """Store the bytes of a file, the name under which it was read, and whether parts of books were
        accepted."""
        packed = zlib.compress(content, LEVEL)
        self._waiting.append({"file_id": file_id, "name": name, "any_book": any_book, "packed": packed})
        self._size += len(packed)
        if self._size > MAX_WAITING:
            self.write()

    def write(self) -> None:
        """Write the waiting files."""
        self._files.write()
        insert_rows(self._connection, tables.content, self._waiting)
        self._waiting.clear()
        self._size = 0


def file_ids(connection: Connection) -> list[int]:
    """All files, in the order of loading."""
    return list(connection.scalars(select(tables.file.c.id).order_by(tables.file.c.id)))


def of_file(connection: Connection, file_id: int) -> Row:
    """A file's path and digest, and its stored ``name``, ``any_book`` and ``content``, which are None for a
    file loaded by an earlier version."""
    file, content = tables.file, tables.content
    query = (
        select(file.c.path, file.c.digest, content.c.name, content.c.any_book, content.c.packed)
        .join(content, content.c.file_id == file.c.id, isouter=True)
        .where(file.c.id == file_id)
    )
    row = dict(connection.execute(query).mappings().one())
    packed = row.pop("packed")
    return {**row, "content": None if packed is None else zlib.decompress(packed)}


def of_book(connection: Connection, fund: str, day: date) -> bytes | None:
    """The bytes of the file of a fund's book; None if they are not stored."""
    snapshot, content = tables.snapshot, tables.content
    query = (
        select(content.c.packed)
        .join(snapshot, snapshot.c.file_id == content.c.file_id)
        .where(snapshot.c.fund == fund, snapshot.c.day == day)
    )
    packed = connection.scalar(query)
    return None if packed is None else zlib.decompress(packed)


def of_load(connection: Connection, load_id: int) -> list[Row]:
    """The id, path and load of the files added by a load."""
    return _files(connection, tables.file.c.load_id == load_id)


def of_path(connection: Connection, path: str) -> list[Row]:
    """The files loaded from ``path``."""
    return _files(connection, tables.file.c.path == path)


def _files(connection: Connection, which: ColumnElement[bool]) -> list[Row]:
    file = tables.file
    query = select(file.c.id, file.c.path, file.c.load_id).where(which).order_by(file.c.id)
    return [dict(row) for row in connection.execute(query).mappings()]


def forget(connection: Connection, file_ids: Collection[int]) -> None:
    """Remove files, and all rows read from any file."""
    changes.touch_all(connection)
    for table in reversed(DERIVED):
        connection.execute(delete(table))
    for file_id in file_ids:
        connection.execute(delete(tables.content).where(tables.content.c.file_id == file_id))
        connection.execute(delete(tables.file).where(tables.file.c.id == file_id))
