"""PostgreSQL, for several gateways on one data set.

Readers use REPEATABLE READ, READ ONLY transactions, which a standby server accepts too. Writers run one at a
time, by an advisory lock that ends with the transaction. A load announces the new generation by NOTIFY, which
is delivered at commit, and not after a rollback.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from selectors import EVENT_READ, DefaultSelector
from threading import Event, Thread
from time import monotonic
from typing import Any, cast

from sqlalchemy import (
    JSON,
    URL,
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    LargeBinary,
    String,
    Table,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.exc import DBAPIError

from qotgate.model import StoreError
from qotgate.store.dialect import Columns, Dialect, Watched, parts

DRIVERNAMES = ("postgresql", "postgresql+psycopg", "postgres")
CHANNEL = "qotgate"
GENERATION = b"SELECT value FROM state WHERE key = 'generation'"
ENCODING = "UTF8"
ENCODING_ADVICE = "make one with: createdb --encoding=UTF8 --template=template0"
WRITER_LOCK = 0x716F74676174  # "qotgat"; the same in every version
COPIES_FROM = 50
"""Number of rows from which COPY is faster than a statement for each row."""
ROWS_AT_ONCE = 5_000
"""Rows of a COPY sent at once; the server writes them while the next ones are converted."""
_ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
CONNECT_SECONDS = 5
LOCK_SECONDS = 5
"""Time that a reader waits for a locked table, as during VACUUM FULL."""
LOOK_SECONDS = 0.8
"""Seconds between look-ups of the generation, with or without notifications."""
DEAF_SECONDS = 3.0
"""Time after which an unanswered look-up counts as a change."""

SETTINGS = {
    # Floating-point sums have to be the same each time, since cursors depend on them: no parallel workers,
    # which add in another order, and no synchronised scans.
    "max_parallel_workers_per_gather": "0",
    "synchronize_seqscans": "off",
    # Questions are short; compiling them would take longer than running them.
    "jit": "off",
    "lock_timeout": str(LOCK_SECONDS * 1000),
}
NETWORK = {
    # Detects a vanished server in seconds, not hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


class Watch:
    """Detects changes of the generation; a look is free, since a separate thread asks the server.

    The thread listens (LISTEN), and also asks every ``LOOK_SECONDS``: a standby server does not support
    LISTEN, and notifications on a broken connection are lost. A generation read by any question of this
    process counts too, so that no client sees old data after another has seen new data.

    It uses libpq directly. What a thread that sleeps between looks runs is no longer in the processor's
    caches, so psycopg's own cursors and waits would take several times as long.
    """

    def __init__(self, store: Watched) -> None:
        self._store = store
        self._stopped = Event()
        self._asked = 0.0
        self._hears = False
        self._selector = DefaultSelector()
        self._connection = self._connect()
        self._look()
        self._seen = store.known
        self._thread = Thread(target=self._listen, name="watch", daemon=True)
        self._thread.start()

    def moved(self) -> bool:
        """See :class:`qotgate.store.dialect.Watch`."""
        known = self._store.known
        if not self._hears or monotonic() - self._asked > DEAF_SECONDS:
            known = None
        moved = known is None or known != self._seen
        self._seen = known
        return moved

    def close(self) -> None:
        self._stopped.set()
        self._thread.join(2 * LOOK_SECONDS)

    def _connect(self) -> Any:
        self._held = self._store.engine.raw_connection()
        driver: Any = self._held.driver_connection
        # Otherwise the pool would take it back, and hand it to a reader.
        self._held.detach()
        (standby,) = driver.execute("SELECT pg_is_in_recovery()").fetchone()
        if not standby:
            driver.execute(f"LISTEN {CHANNEL}")
        self._selector.close()
        self._selector = DefaultSelector()
        self._selector.register(driver, EVENT_READ)
        return driver

    def _look(self) -> None:
        import psycopg

        answer = self._connection.pgconn.exec_(GENERATION)
        if answer.status != psycopg.pq.ExecStatus.TUPLES_OK:
            raise psycopg.OperationalError(answer.get_error_message())
        self._store.known = int(answer.get_value(0, 0))
        self._asked = monotonic()
        self._hears = True

    def _listen(self) -> None:
        import psycopg

        while not self._stopped.is_set():
            try:
                if self._connection is None:
                    self._connection = self._connect()
                    self._look()
                self._wait()
                self._look()
            except Exception:
                # Retry after any error: without a watch nothing would be cached any more.
                self._hears = False
                if self._connection is not None:
                    with suppress(psycopg.Error):
                        self._connection.close()
                    self._connection = None
                self._stopped.wait(LOOK_SECONDS)
        self._selector.close()
        if self._connection is not None:
            self._connection.close()

    def _wait(self) -> None:
        """Wait for a notification, for ``LOOK_SECONDS`` at most. It may have come with the last answer: then
        the socket has no more."""
        pgconn = self._connection.pgconn
        if pgconn.notifies() is None:
            self._selector.select(LOOK_SECONDS)
            pgconn.consume_input()
        while pgconn.notifies() is not None:
            pass


class PostgreSQL(Dialect):
    """See :class:`~qotgate.store.dialect.Dialect`."""

    stages_from = COPIES_FROM

    def accepts(self, url: URL) -> bool:
        return url.drivername in DRIVERNAMES

    def engine(self, url: URL, writes: str, writer_wait: float) -> Engine:
        try:
            import psycopg  # noqa: F401 - checks that it is installed
        except ImportError as error:
            raise StoreError(
                "--db postgresql://... takes the driver psycopg: "
                "install it with pip install 'qotgate[postgresql]'."
            ) from error
        defaults = {"connect_timeout": CONNECT_SECONDS, "application_name": "qotgate", **NETWORK}
        given = {name: value for name, value in defaults.items() if name not in url.query}
        made = create_engine(
            url.set(drivername="postgresql+psycopg"), connect_args={**given, "client_encoding": "utf8"}
        )

        @event.listens_for(made, "connect")
        def _connect(connection: Any, _record: object) -> None:
            # Transactions are started below, in the mode that they need.
            connection.autocommit = True
            connection.execute("; ".join(f"SET {name} = {value}" for name, value in SETTINGS.items()))

        @event.listens_for(made, "begin")
        def _begin(connection: Connection) -> None:
            if not connection.get_execution_options().get(writes):
                connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                return
            # Each statement sees earlier commits, so the first one after the lock sees the previous writer's
            # changes.
            connection.exec_driver_sql(
                f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = {round(writer_wait * 1000)};"
                f"SELECT pg_advisory_xact_lock({WRITER_LOCK}); SET LOCAL lock_timeout = 0"
            )

        return made

    def watch(self, store: Watched) -> Watch:
        return Watch(store)

    def check(self, connection: Connection, name: str) -> None:
        encoding = str(connection.exec_driver_sql("SHOW server_encoding").scalar())
        if encoding != ENCODING:
            raise StoreError(f"The database {name} has the encoding {encoding}; {ENCODING_ADVICE}.")

    def insert(self, table: Table) -> Any:
        # Imported late: it takes a tenth of the time to start.
        from sqlalchemy.dialects.postgresql import insert

        return insert(table)

    def write(
        self,
        connection: Connection,
        table: Table,
        columns: Columns,
        key: Sequence[str] = (),
    ) -> None:
        if key or len(next(iter(columns.values()))) < COPIES_FROM:
            statement = self.insert(table)
            if key:
                statement = statement.on_conflict_do_nothing(index_elements=key)
            rows = zip(*columns.values(), strict=True)
            connection.execute(statement, [dict(zip(columns, row, strict=True)) for row in rows])
        else:
            _copy(connection, table, columns)

    def next_ids(self, connection: Connection, table: Table, count: int) -> Sequence[int]:
        # Nothing else takes ids meanwhile: writers run one at a time.
        sequence = func.pg_get_serial_sequence(table.name, "id")
        first = connection.scalars(select(func.nextval(sequence))).one()
        connection.execute(select(func.setval(sequence, first + count - 1)))
        return range(first, first + count)

    def bulk(self, *_: Any) -> AbstractContextManager[None]:
        # To drop an index would lock readers out.
        return nullcontext()

    def shrink(self, connection: Connection) -> None:
        """Do nothing: the server caches."""

    def tell(self, connection: Connection, generation: int) -> None:
        connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (CHANNEL, str(generation)))

    def key(self, column: Column[Any]) -> Any:
        # By bytes: any other order of letters depends on the database.
        return column.collate("C") if isinstance(column.type, String) else column

    def value(self, column: Column[Any]) -> Any:
        # PostgreSQL distinguishes -0.0 from 0.0, SQLite does not; adding 0.0 makes them equal.
        return (column + 0.0).label(column.name) if isinstance(column.type, Float) else column

    def copy_file(self, *_: Any, **__: Any) -> bool:
        return False

    def before_restore(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Index every reference until the restore is committed: each deleted row is looked up in the tables
        that refer to it."""
        for name, table, column in _bare_references(tables):
            # It may exist after a restore that ended just after its transaction.
            connection.exec_driver_sql(f"CREATE INDEX IF NOT EXISTS {name} ON {table} ({column})")

    def restored(self, connection: Connection, tables: Sequence[Table]) -> None:
        for table in tables:
            _number_on(connection, table)
        # The planner analyses grown tables by itself, but only a minute later.
        for table in tables:
            connection.exec_driver_sql(f"ANALYZE {connection.dialect.identifier_preparer.quote(table.name)}")

    def after_restore(self, engine: Engine, tables: Sequence[Table]) -> None:
        """Drop the indexes. Within the restore's transaction, that would deadlock with readers that hold
        locks on other tables. If it fails, the indexes stay and do no harm."""
        import psycopg

        with suppress(DBAPIError, psycopg.Error):
            held = engine.raw_connection()
            driver: Any = held.driver_connection
            held.detach()
            with closing(driver):
                # Otherwise they could vanish while the next restore needs them.
                driver.execute(f"SELECT pg_advisory_lock({WRITER_LOCK})")
                for name, _, _ in _bare_references(tables):
                    driver.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def _copy(connection: Connection, table: Table, columns: Columns) -> None:
    """Write rows by COPY, in its text format."""
    import psycopg

    quote = connection.dialect.identifier_preparer.quote
    statement = f"COPY {quote(table.name)} ({', '.join(map(quote, columns))}) FROM STDIN"
    driver = cast(psycopg.Connection[Any], connection.connection.driver_connection)
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for some in parts(columns, ROWS_AT_ONCE):
                cells = (_as_copied(table.c[name], values) for name, values in some.items())
                copy.write("\n".join((*map("\t".join, zip(*cells, strict=True)), "")))
    except psycopg.Error as error:
        raise DBAPIError(statement, None, error) from error


def _as_copied(column: Column[Any], values: Sequence[Any]) -> list[str]:
    """The values of a column in COPY's text format."""
    if isinstance(column.type, JSON):
        return [_escaped(json.dumps(value)) for value in values]
    if isinstance(column.type, Float):
        # Not by equality, as 0.0 equals -0.0. NumPy's numbers have another repr.
        return [r"\N" if value is None else float.__repr__(float(value)) for value in values]
    if isinstance(column.type, LargeBinary):
        return [r"\N" if value is None else rf"\\x{value.hex()}" for value in values]
    if isinstance(column.type, Integer) and None not in values:
        return list(map(str, values))
    # Many rows share few values.
    known = {value: r"\N" if value is None else _escaped(str(value)) for value in set(values)}
    return list(map(known.__getitem__, values))


def _escaped(text: str) -> str:
    # Few texts have any of these characters, and translate is slow.
    return text if text.isprintable() and "\\" not in text else text.translate(_ESCAPED)


def _number_on(connection: Connection, table: Table) -> None:
    """Continue a table's ids after those of the restored rows. Ids never go back, since this holds even if
    the transaction rolls back and the previous rows stay."""
    key = table.autoincrement_column
    last = None if key is None else connection.scalar(select(func.max(key)))
    if key is not None and last is not None:
        numbers = func.pg_get_serial_sequence(table.name, key.name)
        connection.execute(select(func.setval(numbers, func.greatest(last, func.nextval(numbers)))))


def _bare_references(tables: Iterable[Table]) -> Iterator[tuple[str, str, str]]:
    """An index name, the table and the column, for each reference without an index on it."""
    for table in tables:
        leading = {next(iter(index.columns)).name for index in table.indexes}
        leading.add(next(iter(table.primary_key.columns)).name)
        for key in table.foreign_keys:
            if key.parent.name not in leading:
                yield f"restore_{table.name}_{key.parent.name}", f'"{table.name}"', f'"{key.parent.name}"'
