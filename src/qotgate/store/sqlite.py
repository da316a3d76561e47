"""SQLite, in one file and without a server.

It runs in WAL mode, in which readers and the writer do not block each other, and with ``synchronous=FULL``,
so that a reported load survives a power cut.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any, cast

from sqlalchemy import (
    URL,
    Boolean,
    Column,
    Connection,
    Date,
    Engine,
    Index,
    Table,
    Time,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError

from qotgate.model import StoreError
from qotgate.store.dialect import Columns, Dialect, Progress, Watched, parts

FILES = "qotgate_files"
IN_MEMORY = (None, "", ":memory:")
PAGES = 2_000
"""Pages copied by a backup between two progress reports."""
WRITER_CACHE = 128 << 20
"""Page cache of a writer, in bytes: rows go to random places of an index. With SQLite's default of 2 MB, it
would read and write most pages again for each row."""
BULK_FROM = 50_000
"""Number of rows from which recreating indexes is faster, if the rows at least double the table."""
PART = 20_000
"""Rows whose statement may have literals of their own, and whose values wait in one list."""
LITERALS_FROM = 100
"""Number of rows from which a value shared by all of them is written into the statement."""
ROWS_AT_ONCE = 50
"""Rows of one statement, in a table whose indexes are set aside. With indexes it would be slower: SQLite
copies each page that a statement of several rows changes, to undo it alone."""
BARE = "qotgate_bare"
"""The table whose indexes are set aside, of a connection."""
LOOK_SECONDS = 5.0
"""Seconds between checks that the files still exist."""


class Files:
    """A database's file and its WAL file, as a connection opened them: SQLite keeps using both after they are
    deleted or replaced."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen = False
        """Whether the file has ever existed."""
        self.gone = (
            f"The database {path} was deleted or replaced, or its -wal file was, while it was open: what is "
            "loaded now would be lost. Restore it from a backup (qotgate restore)."
        )

    def numbers(self) -> tuple[int | None, int | None]:
        """The inodes of both files, None for a missing one."""
        return _inode(self.path), _inode(self.path.with_name(f"{self.path.name}-wal"))

    def same_as(self, opened: tuple[int | None, int | None] | None) -> bool:
        """Whether the files are the ``opened`` ones; the second may have been created later."""
        if opened is None:
            return True
        now = self.numbers()
        return now[0] == opened[0] and (opened[1] is None or now[1] == opened[1])


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


class Watch:
    """Detects commits; for use in one thread.

    It reads SQLite's own change counter (PRAGMA data_version) on a separate connection, which never writes,
    holds no transaction, and never blocks. While the files are missing, each look reports a change; once
    there are files again, it watches those.
    """

    def __init__(self, engine: Engine) -> None:
        self._files = Files(Path(str(engine.url.database)))
        self._driver = self._connected()
        self._seen = self._version()
        self._opened = self._files.numbers()
        self._look_at = 0.0
        self._gone = False

    def moved(self) -> bool:
        """See :class:`qotgate.store.dialect.Watch`."""
        version = self._version()
        if monotonic() > self._look_at:
            self._look_at = monotonic() + LOOK_SECONDS
            self._gone = not self._files.same_as(self._opened)
            if self._gone:
                self._open_again()
        moved = version is None or version != self._seen or self._gone
        self._seen = version
        return moved

    def close(self) -> None:
        self._driver.close()

    def _connected(self) -> sqlite3.Connection:
        # Not from the pool, whose connections may use deleted files. This mode creates no file.
        name = f"{self._files.path.absolute().as_uri()}?mode=rw"
        return sqlite3.connect(name, timeout=0, check_same_thread=False, uri=True)

    def _open_again(self) -> None:
        with suppress(sqlite3.Error):
            driver = self._connected()
            self._driver.close()
            self._driver = driver
            self._opened = self._files.numbers()

    def _version(self) -> int | None:
        try:
            (version,) = self._driver.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            return None
        return int(version)


def _as_written(connection: Connection, column: Column[Any], values: Sequence[Any]) -> Sequence[Any]:
    """The values of a column as the driver expects them."""
    process = column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
    if process is None:
        return values
    if isinstance(column.type, (Boolean, Date, Time)):
        # Many rows share few values.
        known = {value: process(value) for value in set(values)}
        return list(map(known.__getitem__, values))
    return list(map(process, values))


def _literal(values: Sequence[Any]) -> str | None:
    """The SQL literal of the value that all rows share; None if they differ, or if the value needs binding.
    Binding a value for each row takes half of the time to write it."""
    first = values[0]
    if type(first) not in (type(None), int, str) or first != values[-1] or len(set(values)) > 1:
        return None
    if first is None:
        return "NULL"
    if isinstance(first, int):
        return str(first)
    return f"'{first}'" if first.isascii() and (first.isalnum() or not first) else None


def _rows(columns: Sequence[Sequence[Any]], size: int) -> Iterator[Sequence[Any]]:
    """The values of ``size`` rows each, one row after the other."""
    if size == 1:
        return zip(*columns, strict=True)
    width = len(columns)
    cells: list[Any] = [None] * (width * len(columns[0]))
    for place, values in enumerate(columns):
        cells[place::width] = values
    return (cells[start : start + width * size] for start in range(0, len(cells), width * size))


def file_of(url: URL | None) -> Path | None:
    """The file of the SQLite database at ``url``; None for any other URL."""
    return Path(url.database) if url is not None and url.drivername == "sqlite" and url.database else None


class SQLite(Dialect):
    """See :class:`~qotgate.store.dialect.Dialect`."""

    def accepts(self, url: URL) -> bool:
        return url.drivername == "sqlite" and not url.query and url.database not in IN_MEMORY

    def engine(self, url: URL, writes: str, writer_wait: float) -> Engine:
        assert url.database is not None
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"The database {url} cannot be made: {error.strerror}.") from error
        made = create_engine(url, connect_args={"timeout": writer_wait})
        files = Files(Path(url.database))

        @event.listens_for(made, "do_connect")
        def _may_connect(*_arguments: object) -> None:
            if files.seen and not files.path.exists():
                # SQLite would create an empty one.
                raise StoreError(files.gone)

        @event.listens_for(made, "connect")
        def _connect(connection: Any, record: Any) -> None:
            # The driver starts transactions too late for several reads of one state; they are started below.
            connection.isolation_level = None
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            record.info[FILES] = files.numbers()
            files.seen = True

        @event.listens_for(made, "begin")
        def _begin(connection: Connection) -> None:
            if not files.same_as(connection.info.get(FILES)):
                raise StoreError(files.gone)
            writing = connection.get_execution_options().get(writes)
            if writing:
                connection.exec_driver_sql(f"PRAGMA cache_size={-WRITER_CACHE // 1024}")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

        return made

    def watch(self, store: Watched) -> Watch:
        return Watch(store.engine)

    def check(self, connection: Connection, name: str) -> None:
        """Accept any database: SQLite stores every text."""

    def insert(self, table: Table) -> Any:
        return insert(table)

    def write(
        self,
        connection: Connection,
        table: Table,
        columns: Columns,
        key: Sequence[str] = (),
    ) -> None:
        values = {name: _as_written(connection, table.c[name], some) for name, some in columns.items()}
        for some in parts(values, PART):
            self._write(connection, table, some, key)

    def _write(self, connection: Connection, table: Table, values: Columns, key: Sequence[str]) -> None:
        """Insert converted rows."""
        quote = connection.dialect.identifier_preparer.quote
        literals: dict[str, str] = {
            name: sql
            for name, some in values.items()
            if len(some) >= LITERALS_FROM and (sql := _literal(some)) is not None
        }
        bound = [name for name in values if name not in literals] or list(values)[:1]
        row = ", ".join("?" if name in bound else literals[name] for name in values)
        into = f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, values))}) VALUES "  # noqa: S608  # nosec B608
        but = f" ON CONFLICT ({', '.join(map(quote, key))}) DO NOTHING" if key else ""
        count = len(values[bound[0]])
        at_once = ROWS_AT_ONCE if connection.info.get(BARE) == table.name else 1
        many = count - count % at_once
        driver = cast(sqlite3.Connection, connection.connection.driver_connection)
        try:
            for first, last, size in ((0, many, at_once), (many, count, 1)):
                statement = into + ", ".join([f"({row})"] * size) + but
                driver.executemany(statement, _rows([values[name][first:last] for name in bound], size))
        except sqlite3.Error as error:
            raise DBAPIError(statement, None, error) from error

    def next_ids(self, connection: Connection, table: Table, count: int) -> Sequence[int]:
        last = connection.scalar(select(func.max(table.c.id))) or 0
        return range(last + 1, last + 1 + count)

    @contextmanager
    def bulk(self, connection: Connection, table: Table, count: int) -> Iterator[None]:
        """Drops the indexes, and recreates each with one sort: rows in another order go to random pages of an
        index. The transaction hides this from readers, and can roll it back."""
        aside: list[Index] = []
        if count >= BULK_FROM and self.next_ids(connection, table, 1)[0] <= count:
            aside = sorted(table.indexes, key=lambda index: str(index.name))
        for index in aside:
            index.drop(connection)
        connection.info[BARE] = table.name if aside else None
        try:
            yield
        finally:
            connection.info[BARE] = None
        for index in aside:
            index.create(connection)

    def copy_file(self, source: Connection, path: Path, tell: Progress) -> bool:
        # The transaction of ``source`` keeps its state, so that loads do not interfere.
        driver = cast(sqlite3.Connection, source.connection.driver_connection)
        with closing(sqlite3.connect(path)) as target:

            def copied(_status: int, left: int, total: int) -> None:
                tell("Copying", total - left, total)

            driver.backup(target, pages=PAGES, progress=copied)
        return True

    def shrink(self, connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA shrink_memory")

    def tell(self, connection: Connection, generation: int) -> None:
        """Do nothing: SQLite counts commits itself, see :class:`Watch`."""

    def before_restore(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Do nothing: SQLite deletes all rows fast."""

    def restored(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Do nothing: SQLite continues ids after the largest one."""

    def after_restore(self, engine: Engine, tables: Sequence[Table]) -> None:
        """Do nothing: there is nothing to undo."""
