"""Noticing that the data has changed, at the price of a few microseconds a look."""

from typing import Any

from qotgate.store.database import Store


class Watch:
    """Looks whether anything was committed to a database; of one thread.

    It asks SQLite's own change counter (PRAGMA data_version) on a connection kept for it, which never
    writes and holds no transaction, so that it keeps nobody waiting.
    """

    def __init__(self, store: Store) -> None:
        self._connection = store.engine.raw_connection()
        self._driver: Any = self._connection.driver_connection
        # The pool would take it back, and give it to a reader.
        self._connection.detach()
        self._seen = self._version()

    def moved(self) -> bool:
        """Whether anything was committed since the last look."""
        version = self._version()
        moved = version != self._seen
        self._seen = version
        return moved

    def close(self) -> None:
        self._connection.close()

    def _version(self) -> int:
        (version,) = self._driver.execute("PRAGMA data_version").fetchone()
        return int(version)
