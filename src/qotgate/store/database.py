"""The database and its transactions, for any engine.

A reader sees one state of the data during its transaction; a writer's changes appear at once at its commit,
or never. Differences between the engines are in :mod:`qotgate.store.dialects`.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import Any, Self

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    inspect,
    select,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from qotgate.model import StoreError
from qotgate.store import changes, tables
from qotgate.store.dialect import Watch
from qotgate.store.dialects import DIALECTS, dialect_of
from qotgate.store.faults import told, unwritten

HEAD = "0007"
WRITER_WAIT = 60.0
"""Time that a load waits for another one to finish, in seconds."""
WRITES = "qotgate_writes"
STORE = "qotgate_store"
TAKES = "--db takes sqlite:///FILE or postgresql://USER@HOST/DATABASE"
ESCAPES = "; in a password, /, ?, #, @ and % are written %2F, %3F, %23, %40 and %25"

# As Alembic makes it.
_VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


class Store:
    """A database of published files and the rows derived from them.

    ``known`` is the generation of the data that this process last read.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine: Engine = engine.execution_options(**{STORE: self})
        self.known: int | None = None
        self._writing = self.engine.execution_options(**{WRITES: True})

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the database at ``url`` (``sqlite:///FILE`` or ``postgresql://USER@HOST/DATABASE``) and
        migrate its tables.

        Raises StoreError.
        """
        store = cls.unopened(url)
        try:
            store.migrate()
        except StoreError:
            store.close()
            raise
        return store

    @classmethod
    def unopened(cls, url: str) -> Self:
        """The database at ``url``, with its tables unmigrated. Raises StoreError for a URL that names no
        database."""
        return cls(_engine(url))

    def close(self) -> None:
        self.engine.dispose()

    @property
    def name(self) -> str:
        """The URL without passwords."""
        return _shown(self.engine.url)

    @property
    def url(self) -> str:
        """The URL to open it, with the password."""
        return self.engine.url.render_as_string(hide_password=False)

    def watch(self) -> Watch:
        """A watch on the database. Raises StoreError if it cannot be read."""
        try:
            return dialect_of(self.engine).watch(self)
        except DBAPIError as error:
            raise StoreError(f"The database {self.name} cannot be used: {told(error)}") from error
        except self.engine.dialect.loaded_dbapi.Error as error:
            # A watch uses the driver directly.
            said, *_ = str(error).splitlines() or [type(error).__name__]
            raise StoreError(f"The database {self.name} cannot be used: {said}.") from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the data. Raises StoreError if the database cannot be read."""
        try:
            with _begun(self.engine) as connection:
                yield connection
        except StoreError:
            # The files have been replaced; new connections open the new ones once they exist.
            self.engine.dispose()
            raise
        except DBAPIError as error:
            # Idle connections cache pages, damaged ones too: after a repair, new connections read the file
            # again.
            self.engine.dispose()
            raise StoreError(f"The database {self.name} cannot be used: {told(error)}") from error

    @contextmanager
    def writing(self, *, keep: bool = True) -> Iterator[Connection]:
        """The single writing transaction. It commits at the end, or rolls back on an error or if ``keep`` is
        False.

        Raises StoreError if another writer is still active after ``WRITER_WAIT`` seconds, or if the database
        cannot be written.
        """
        try:
            with _begun(self._writing) as connection:
                yield connection
                if not keep:
                    connection.rollback()
        except DBAPIError as error:
            raise StoreError(unwritten(error)) from error

    def secret(self) -> str:
        """The key that signs this database's cursors."""
        with self.reading() as connection:
            return secret(connection)

    def migrate(self) -> None:
        """Bring the tables to the newest revision. Raises StoreError."""
        with self.reading() as connection:
            is_new, revision = _revision(connection)
        if is_new:
            with self.writing() as connection:
                # Another process may have been first.
                is_new, revision = _revision(connection)
                if is_new:
                    self._make(connection)
        if is_new or revision == HEAD:
            return
        # Alembic is imported only when needed: it would double the time of a command.
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        with as_file(files("qotgate.store") / "migrations") as folder:
            config.set_main_option("script_location", str(folder))
            known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
            if revision is not None and revision not in known:
                raise StoreError(
                    f"The database {self.name} was made by a newer qotgate (revision {revision}); "
                    "upgrade qotgate or name another one with --db."
                )
            with self.writing() as connection:
                dialect_of(connection).check(connection, self.name)
                config.attributes["connection"] = connection
                command.upgrade(config, "head")

    def _make(self, connection: Connection) -> None:
        """Make the tables of a new database at once, as the migrations make them one after the other."""
        dialect_of(connection).check(connection, self.name)
        for metadata in (tables.METADATA, _VERSION.metadata):
            metadata.create_all(connection, checkfirst=False)
        connection.execute(insert(_VERSION).values(version_num=HEAD))
        write_state(connection, "secret", secrets.token_urlsafe(32))
        write_state(connection, "generation", "0")


def _revision(connection: Connection) -> tuple[bool, str | None]:
    """Whether a database is new, and the revision of its tables."""
    if not inspect(connection).has_table(_VERSION.name):
        return True, None
    return False, connection.scalar(select(_VERSION.c.version_num))


def _engine(url: str) -> Engine:
    parsed = parsed_url(url)
    if parsed is not None:
        for dialect in DIALECTS.values():
            if dialect.accepts(parsed):
                return dialect.engine(parsed, WRITES, WRITER_WAIT)
    raise StoreError(f"{TAKES}, not {shown(url)}{ESCAPES if '@' in url else ''}.")


def parsed_url(url: str) -> URL | None:
    """A database's URL, or None if it cannot be parsed."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return None
    # After a bare @ in a password, the rest of the password would be read as the host, and shown.
    server = re.sub(r"^[\w+]+://([^:/]*(:[^@]*)?@)?", "", url)
    return None if "@" in server and parsed.drivername != "sqlite" else parsed


def shown(url: str) -> str:
    """A database's URL for display, without passwords."""
    parsed = parsed_url(url)
    if parsed is not None:
        return _shown(parsed)
    # The end of the password is unknown, so everything that may belong to it is removed.
    scheme, _, rest = url.rpartition("@")[0].partition("://")
    end = url.rpartition("@")[2].partition("?")[0]
    return f"{scheme}://***@{end}" if rest else end


def _shown(url: URL) -> str:
    secret = [name for name in url.query if "pass" in name.lower()]
    # We choose the driver; the user did not give it.
    shown = url.difference_update_query(secret).set(drivername=url.drivername.partition("+")[0])
    return shown.render_as_string(hide_password=True)


@contextmanager
def _begun(engine: Engine) -> Iterator[Connection]:
    try:
        connection = engine.connect()
    except PoolTimeout as error:
        raise StoreError(
            "The database is too slow: all connections to it are at work for longer than half a minute; "
            "see what it waits for, or ask it less."
        ) from error
    try:
        transaction = connection.begin()
    except DBAPIError as error:
        connection.close()
        if not error.connection_invalidated:
            raise
        # The server has restarted since the connection was last used. Nothing was sent yet, so a retry is
        # safe.
        connection = engine.connect()
        transaction = connection.begin()
    with connection, transaction:
        yield connection


def read_state(connection: Connection, key: str) -> str | None:
    return connection.scalar(select(tables.state.c.value).where(tables.state.c.key == key))


def write_state(connection: Connection, key: str, value: str) -> None:
    state: Table = tables.state
    changed = connection.execute(state.update().where(state.c.key == key).values(value=value))
    if not changed.rowcount:
        connection.execute(state.insert().values(key=key, value=value))


def secret(connection: Connection) -> str:
    """The key that signs this database's cursors; a restore makes a new one.

    This reads the generation too, so that a later page, or its refusal, also shows that the data has changed.
    """
    rows = connection.execute(select(tables.state).where(tables.state.c.key.in_(("secret", "generation"))))
    state = {row.key: row.value for row in rows}
    _note_generation(connection, int(state.get("generation") or 0))
    return str(state.get("secret"))


def generation(connection: Connection) -> int:
    """The number of the state of the data; each load that changes something increments it."""
    number = int(read_state(connection, "generation") or 0)
    _note_generation(connection, number)
    return number


def _note_generation(connection: Connection, number: int) -> None:
    store: Any = connection.get_execution_options().get(STORE)
    if store is not None:
        store.known = number


def move_generation(connection: Connection, number: int) -> None:
    """Store the new generation; watches see it when the transaction commits."""
    write_state(connection, "generation", str(number))
    changes.record(connection, number)
    dialect_of(connection).tell(connection, number)
