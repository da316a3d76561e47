"""The servers of a cluster, private to the benchmark: the tests' own PostgreSQL and Redis."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))

# The import path above finds them.
from tests.support.databases import PostgreSQL  # noqa: E402
from tests.support.limit_stores import StoreServer  # noqa: E402
from tests.support.parts import find  # noqa: E402

__all__ = ["PostgreSQL", "StoreServer", "running_postgresql", "running_redis"]


@contextmanager
def running_postgresql() -> Iterator[PostgreSQL]:
    initdb = find("initdb")
    if initdb is None:
        raise SystemExit("This takes the programs of PostgreSQL (Debian's package postgresql).")
    with PostgreSQL.running(Path(initdb).resolve().parent) as server:
        yield server


@contextmanager
def running_redis(folder: Path) -> Iterator[StoreServer]:
    server = StoreServer(folder, aof=True)
    server.start()
    try:
        yield server
    finally:
        server.stop()
