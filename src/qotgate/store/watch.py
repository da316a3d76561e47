"""Noticing that the data has changed, at the price of a few microseconds a look."""

import sqlite3
from typing import Any, cast

from qotgate.store.database import Store


class Watch:
    """Looks whether anything was committed to a database; of one thread.

    It asks SQLite's own change counter (PRAGMA data_version) on a connection kept for it, which never
    writes, holds no transaction, and waits for nobody.
    """

    def __init__(self, store: Store) -> None:
        self._connection = store.engine.raw_connection()
        self._driver = cast(Any, self._connection.driver_connection)
        # The pool would take it back, and give it to a reader.
        self._connection.detach()
        self._driver.execute("PRAGMA busy_timeout=0")
        self._seen = self._version()

    def moved(self) -> bool:
        """Whether anything was committed since the last look, or may have been: where the database cannot be
        read, who asks it in full is told why."""
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
