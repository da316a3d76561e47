"""What each database engine does in its own way. The tables, the queries and the migrations are the same."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import URL, Column, Connection, Engine, Table

if TYPE_CHECKING:
    from qotgate.store.database import Store

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and how much there is."""


class Watch(Protocol):
    """Looks whether the data has changed, at the price of a few microseconds a look."""

    def moved(self) -> bool:
        """Whether anything was committed since the last look, or may have been: where the database cannot be
        read, who asks it in full is told why."""
        ...

    def close(self) -> None: ...


class Dialect:
    """A database engine.

    ``copies_from`` is the number of rows from which on :meth:`copy_rows` is quicker than a statement for
    each, None without it. The methods that do nothing here are those that one engine alone needs.
    """

    copies_from: int | None = None

    def takes(self, url: URL) -> bool:
        """Whether ``url`` names a database of this engine."""
        raise NotImplementedError

    def engine(self, url: URL, writes: str, writer_wait: float) -> Engine:
        """``writes`` is the execution option of a writing transaction; ``writer_wait`` in seconds. Raises
        StoreError."""
        raise NotImplementedError

    def watch(self, store: "Store") -> Watch:
        """What tells that the data has changed."""
        raise NotImplementedError

    def check(self, connection: Connection, name: str) -> None:
        """Raises StoreError where the database ``name`` could not keep every text."""

    def insert(self, table: Table) -> Any:
        """An INSERT that takes ON CONFLICT."""
        raise NotImplementedError

    def copy_rows(
        self, connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> None:
        """Write rows the engine's own way."""
        raise NotImplementedError

    def tell(self, connection: Connection, generation: int) -> None:
        """Tell those that watch of a new generation, once this transaction commits."""

    def key(self, column: Column[Any]) -> Any:
        """``column`` in an order that is the same on every engine."""
        return column

    def value(self, column: Column[Any]) -> Any:
        """``column`` with values that are the same on every engine."""
        return column

    def copy_file(self, source: Connection, path: Path, tell: Progress) -> bool:  # noqa: ARG002
        """Copy the database's file as ``source`` sees it; False where there is none to copy."""
        return False

    def before_restore(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Make the deletion of all rows quick."""

    def restored(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Number on after the rows that came with their numbers."""

    def after_restore(self, engine: Engine, tables: Sequence[Table]) -> None:
        """Take away what :meth:`before_restore` made, once the restore is committed."""
