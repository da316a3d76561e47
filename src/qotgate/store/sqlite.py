"""SQLite, in one file and without a server.

It runs in WAL mode, where readers and the writer do not wait for each other, and with ``synchronous=FULL``,
so that a load that was reported survives a power cut.
"""

import sqlite3
from pathlib import Path
from typing import Any, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event

from qotgate.model import StoreError


def engine(url: URL, writes: str, writer_wait: float) -> Engine:
    """``writes`` is the execution option of a writing transaction; ``writer_wait`` in seconds. Raises
    StoreError."""
    assert url.database is not None
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"The database {url} cannot be made: {error.strerror}.") from error
    made = create_engine(url, connect_args={"timeout": writer_wait})

    @event.listens_for(made, "connect")
    def _connect(connection: Any, _record: object) -> None:
        # The driver's own transactions start too late for one state across reads; we begin ours below.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(made, "begin")
    def _begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get(writes)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return made


class Watch:
    """Looks whether anything was committed; of one thread.

    It asks SQLite's own change counter (PRAGMA data_version) on a connection kept for it, which never
    writes, holds no transaction, and waits for nobody.
    """

    def __init__(self, engine: Engine) -> None:
        self._connection = engine.raw_connection()
        self._driver = cast(Any, self._connection.driver_connection)
        # The pool would take it back, and give it to a reader.
        self._connection.detach()
        self._driver.execute("PRAGMA busy_timeout=0")
        self._seen = self._version()

    def moved(self) -> bool:
        """See :class:`qotgate.store.database.Watch`."""
        version = self._version()
        moved = version is None or version != self._seen
        self._seen = version
        return moved

    def close(self) -> None:
        self._connection.close()

    def _version(self) -> int | None:
        try:
            (version,) = self._driver.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            return None
        return int(version)
