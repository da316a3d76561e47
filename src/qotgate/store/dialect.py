"""The differences between database engines. Tables, queries and migrations are the same."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from math import inf
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, Column, Connection, Engine, Table

Columns = Mapping[str, Sequence[Any]]
"""Rows as columns: the values of each column by its name, all of one length."""
Progress = Callable[[str, int, int], None]
"""Called with a step, the amount done and the total."""


def parts(columns: Columns, size: int) -> Iterator[Columns]:
    """The rows in parts of ``size``."""
    count = len(next(iter(columns.values()), ()))
    for start in range(0, count, size):
        yield {name: values[start : start + size] for name, values in columns.items()}


class Watched(Protocol):
    """A database under watch. ``known`` is the generation that this process last read."""

    engine: Engine
    known: int | None


class Watch(Protocol):
    """Detects changes of the data; one look takes a few microseconds."""

    def moved(self) -> bool:
        """Whether anything was committed since the last look. Also True if the database cannot be read: the
        next question then reports why."""
        ...

    def close(self) -> None: ...


class Dialect(ABC):
    """A database engine.

    ``stages_from`` is the number of rows from which it is faster to write rows into a temporary table and to
    select the new ones by a query.
    """

    stages_from: float = inf

    @abstractmethod
    def accepts(self, url: URL) -> bool:
        """Whether ``url`` names a database of this engine."""

    @abstractmethod
    def engine(self, url: URL, writes: str, writer_wait: float) -> Engine:
        """``writes`` is the execution option that marks a writing transaction; ``writer_wait`` is in seconds.
        Raises StoreError."""

    @abstractmethod
    def watch(self, store: Watched) -> Watch:
        """A watch on the data."""

    @abstractmethod
    def check(self, connection: Connection, name: str) -> None:
        """Raises StoreError if the database ``name`` cannot store every text."""

    @abstractmethod
    def insert(self, table: Table) -> Any:
        """An INSERT that supports ON CONFLICT."""

    @abstractmethod
    def write(
        self,
        connection: Connection,
        table: Table,
        columns: Columns,
        key: Sequence[str] = (),
    ) -> None:
        """Insert rows, at least one, in order, except those whose ``key`` exists."""

    @abstractmethod
    def next_ids(self, connection: Connection, table: Table, count: int) -> Sequence[int]:
        """Ids for the next ``count`` rows, ascending; the rows are then inserted with them."""

    @abstractmethod
    def bulk(self, connection: Connection, table: Table, count: int) -> AbstractContextManager[None]:
        """A context for inserting about ``count`` rows into ``table``, in which rows are only looked up by
        the indexes of its keys."""

    @abstractmethod
    def shrink(self, connection: Connection) -> None:
        """Free the memory in which a connection caches what it has read."""

    @abstractmethod
    def tell(self, connection: Connection, generation: int) -> None:
        """Announce a new generation to watches, once this transaction commits."""

    def key(self, column: Column[Any]) -> Any:
        """``column`` as a sort key that orders alike on every engine."""
        return column

    def value(self, column: Column[Any]) -> Any:
        """``column`` with values that are the same on every engine."""
        return column

    @abstractmethod
    def copy_file(self, source: Connection, path: Path, tell: Progress) -> bool:
        """Copy the database's file as ``source`` sees it; False if there is no file."""

    @abstractmethod
    def before_restore(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Make deleting all rows fast."""

    @abstractmethod
    def restored(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Continue ids after those of the restored rows."""

    @abstractmethod
    def after_restore(self, engine: Engine, tables: Sequence[Table]) -> None:
        """Undo :meth:`before_restore`, once the restore is committed."""
