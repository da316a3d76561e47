"""What each database engine does in its own way. The tables, the queries and the migrations are the same."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from math import inf
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, Column, Connection, Engine, Table

Columns = Mapping[str, Sequence[Any]]
"""Rows: by the name of each column its values, of one length."""
Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and how much there is."""


class Watched(Protocol):
    """A database that is watched. ``known`` is the generation that was last read in this process."""

    engine: Engine
    known: int | None


class Watch(Protocol):
    """Looks whether the data has changed, at the price of a few microseconds a look."""

    def moved(self) -> bool:
        """Whether anything was committed since the last look. Also True where the database cannot be read:
        the question that is asked of it then says why."""
        ...

    def close(self) -> None: ...


class Dialect(ABC):
    """A database engine.

    ``stages_from`` is the number of rows from which on it is quicker to write rows into a table of the
    transaction's own, and to choose those that are new by a query.
    """

    stages_from: float = inf

    @abstractmethod
    def takes(self, url: URL) -> bool:
        """Whether ``url`` names a database of this engine."""

    @abstractmethod
    def engine(self, url: URL, writes: str, writer_wait: float) -> Engine:
        """``writes`` is the execution option of a writing transaction; ``writer_wait`` in seconds. Raises
        StoreError."""

    @abstractmethod
    def watch(self, store: Watched) -> Watch:
        """What tells that the data has changed."""

    @abstractmethod
    def check(self, connection: Connection, name: str) -> None:
        """Raises StoreError where the database ``name`` could not keep every text."""

    @abstractmethod
    def insert(self, table: Table) -> Any:
        """An INSERT that takes ON CONFLICT."""

    @abstractmethod
    def write(
        self,
        connection: Connection,
        table: Table,
        columns: Columns,
        key: Sequence[str] = (),
    ) -> None:
        """Insert rows, at least one, in their order; those whose ``key`` is there already are left out."""

    @abstractmethod
    def next_ids(self, connection: Connection, table: Table, count: int) -> Sequence[int]:
        """The ids of ``count`` rows that are inserted with them next, ascending."""

    @abstractmethod
    def bulk(self, connection: Connection, table: Table, count: int) -> AbstractContextManager[None]:
        """Within it some ``count`` rows are inserted into ``table``, and none are read by its indexes but
        those of its keys."""

    @abstractmethod
    def tell(self, connection: Connection, generation: int) -> None:
        """Tell those that watch of a new generation, once this transaction commits."""

    def key(self, column: Column[Any]) -> Any:
        """``column`` in an order that is the same on every engine."""
        return column

    def value(self, column: Column[Any]) -> Any:
        """``column`` with values that are the same on every engine."""
        return column

    @abstractmethod
    def copy_file(self, source: Connection, path: Path, tell: Progress) -> bool:
        """Copy the database's file as ``source`` sees it; False where there is none to copy."""

    @abstractmethod
    def before_restore(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Make the deletion of all rows quick."""

    @abstractmethod
    def restored(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Number on after the rows that came with their numbers."""

    @abstractmethod
    def after_restore(self, engine: Engine, tables: Sequence[Table]) -> None:
        """Take away what :meth:`before_restore` made, once the restore is committed."""
