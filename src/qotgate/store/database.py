"""Opening the database and its transactions.

A reader sees one state of the data for as long as its transaction lasts; a writer's work appears at once,
when it commits, or never. SQLite runs in WAL mode, where readers and the writer do not wait for each
other, and with ``synchronous=FULL``, so that a load that was reported survives a power cut.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.schema import Table

from qotgate.model import StoreError
from qotgate.store import tables

HEAD = "0001"
WRITER_WAIT = 60.0
"""How long a load waits for another one to finish, in seconds."""
WRITES = "qotgate_writes"


class Store:
    """A database of published files and what follows from them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writing = engine.execution_options(**{WRITES: True})

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the database at ``url`` (``sqlite:///FILE``), bringing its tables up to date.

        Raises StoreError.
        """
        engine = _engine(url)
        store = cls(engine)
        try:
            store._migrate()
        except StoreError:
            engine.dispose()
            raise
        return store

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the data. Raises StoreError where it cannot be read."""
        try:
            with self.engine.connect() as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            raise StoreError(f"The database {self.engine.url} cannot be used: {error.orig}.") from error

    @contextmanager
    def writing(self, *, keep: bool = True) -> Iterator[Connection]:
        """The one writing transaction: it is committed at the end, or undone when an error leaves it or
        ``keep`` is False.

        Raises StoreError where another writer is still at work after ``WRITER_WAIT`` seconds, or where the
        database cannot be written.
        """
        try:
            with self._writing.connect() as connection, connection.begin() as transaction:
                yield connection
                if not keep:
                    transaction.rollback()
        except DBAPIError as error:
            raise StoreError(f"The database cannot be written: {error.orig}.") from error

    def secret(self) -> str:
        """The key that this database's cursors are signed with."""
        with self.reading() as connection:
            return str(read_state(connection, "secret"))

    def _migrate(self) -> None:
        with self.reading() as connection:
            revision = (
                connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
                if inspect(connection).has_table("alembic_version")
                else None
            )
        if revision == HEAD:
            return
        # Alembic is imported only where it has work to do: it would double the time of a command.
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        with as_file(files("qotgate.store") / "migrations") as folder:
            config.set_main_option("script_location", str(folder))
            known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
            if revision is not None and revision not in known:
                raise StoreError(
                    f"The database {self.engine.url} was made by a newer qotgate (revision {revision}); "
                    "upgrade qotgate or name another one with --db."
                )
            with self.writing() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                if read_state(connection, "secret") is None:
                    write_state(connection, "secret", secrets.token_urlsafe(32))
                    write_state(connection, "generation", "0")


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        usable = parsed.drivername == "sqlite" and parsed.database not in (None, "", ":memory:")
        if not usable or parsed.database is None or parsed.query:
            raise StoreError(f"--db takes sqlite:///FILE, not {url}.")
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed, connect_args={"timeout": WRITER_WAIT})
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise StoreError(f"--db takes sqlite:///FILE, not {url}.") from error
    except OSError as error:
        raise StoreError(f"The database {url} cannot be made: {error.strerror}.") from error

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        # The driver's own transactions start too late for one state across reads; we begin ours below.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def read_state(connection: Connection, key: str) -> str | None:
    return connection.scalar(select(tables.state.c.value).where(tables.state.c.key == key))


def write_state(connection: Connection, key: str, value: str) -> None:
    state: Table = tables.state
    changed = connection.execute(state.update().where(state.c.key == key).values(value=value))
    if not changed.rowcount:
        connection.execute(state.insert().values(key=key, value=value))


def generation(connection: Connection) -> int:
    """The number of the state of the data: it grows by one with every load that changes something."""
    return int(read_state(connection, "generation") or 0)
