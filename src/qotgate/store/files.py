"""The files of a load, written in batches.

Every call works inside the single writing transaction of the load.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, update

from qotgate.model import FileKind
from qotgate.store import tables
from qotgate.store.bulk import insert_rows
from qotgate.store.dialects import dialect_of
from qotgate.store.tables import Row


class Files:
    """The files of the load ``load_id``. Rows that refer to them are written after :meth:`write`."""

    def __init__(self, connection: Connection, generation: int, load_id: int) -> None:
        self._connection = connection
        self._common = {"generation": generation, "load_id": load_id}
        self._waiting: dict[int, Row] = {}
        self._counts: list[dict[str, Any]] = []
        self._last = self._reserved = 0

    def add(self, path: str, digest: str, kind: FileKind) -> int:
        """Record a file. Returns its id."""
        if not self._last:
            self._reserve(1)
            self._last = self._reserved - 1
        # Nothing else takes ids meanwhile: writers run one at a time.
        self._last += 1
        now = datetime.now(UTC).isoformat(timespec="seconds")
        row = {"id": self._last, "digest": digest, "path": path, "kind": kind, "loaded_at": now, "records": 0}
        self._waiting[self._last] = row | self._common
        return self._last

    def count(self, file_id: int, records: int) -> None:
        """Record the number of records of a file, of this load or an earlier one."""
        if file_id in self._waiting:
            self._waiting[file_id]["records"] = records
        else:
            self._counts.append({"file_id": file_id, "counted": records})

    def write(self) -> None:
        """Write the waiting files."""
        if self._last > self._reserved:
            self._reserve(self._last - self._reserved)
        insert_rows(self._connection, tables.file, list(self._waiting.values()))
        self._waiting.clear()

    def write_counts(self) -> None:
        """Write the waiting files, and the numbers of records of the others."""
        self.write()
        file = tables.file
        if self._counts:
            which = update(file).where(file.c.id == bindparam("file_id"))
            self._connection.execute(which.values(records=bindparam("counted")), self._counts)

    def _reserve(self, count: int) -> None:
        self._reserved = dialect_of(self._connection).next_ids(self._connection, tables.file, count)[-1]
