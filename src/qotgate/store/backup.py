"""A backup: a whole database of either engine in one SQLite file.

It is one state of the data, taken while loads and gateways continue. The file has all tables, and one more,
the manifest: the number of rows of each table and a digest of them, by which a restore detects missing or
damaged rows. The file is written under a temporary name, verified, and then renamed.
"""

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, create_engine, func, select
from sqlalchemy.exc import DBAPIError

from qotgate.model import StoreError
from qotgate.model.version import __version__
from qotgate.store import bulk, references, tables
from qotgate.store.database import HEAD, Store, generation
from qotgate.store.dialect import Progress
from qotgate.store.dialects import dialect_of
from qotgate.store.faults import reason
from qotgate.store.sqlite import file_of

OWNER_ALONE = 0o600
CHUNK = 5_000
"""Rows in memory at once."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of a backup: ``rows`` and ``digests`` by table, each digest over all rows in the order of
    their keys."""

    made_at: str
    version: str
    revision: str
    generation: int
    rows: dict[str, int]
    digests: dict[str, str]


def backup(store: Store, path: Path, *, replace: bool = False, progress: Progress | None = None) -> Manifest:
    """Write the current data to the file ``path``; with ``replace``, over an existing file.

    Raises StoreError, and then leaves nothing behind.
    """
    tell = progress or _silent
    if path.exists() and not replace:
        raise StoreError(f"{path} is there already: name another file, or replace it with --force.")
    if is_file_of(store, path):
        raise StoreError(f"{path} is the database itself; name another file.")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}.") from error
    os.close(descriptor)
    partial = Path(name)
    try:
        with store.reading() as source:
            number = generation(source)
            if not dialect_of(source).copy_file(source, partial, tell):
                _copy_rows(source, partial, tell)
            rows, digests = contents(source, "Reading", tell)
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = Manifest(made_at, __version__, HEAD, number, rows, digests)
        _seal(partial, manifest)
        _check(partial, manifest, tell)
        _give_name(partial, path, replace=replace)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}.") from error
    except DBAPIError as error:
        raise StoreError(f"{path} cannot be written: {reason(error)}.") from error
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            partial.with_name(partial.name + end).unlink(missing_ok=True)
    return manifest


@contextmanager
def opened(path: Path, progress: Progress | None = None) -> Iterator[tuple[Connection, Manifest]]:
    """The rows of a backup, which is verified first, and its manifest. The file is not changed: one from an
    older version is migrated in a copy.

    Raises StoreError if it is not a backup, is damaged, or is from a newer version.
    """
    tell = progress or _silent
    manifest = _read_manifest(path)
    if manifest.revision == HEAD:
        with _reading(path) as connection:
            _compare(path, connection, manifest, tell)
            yield connection, manifest
        return
    with tempfile.TemporaryDirectory(prefix="qotgate-restore-") as folder:
        copy = Path(folder, "copy.db")
        try:
            shutil.copyfile(path, copy)
        except OSError as error:
            raise StoreError(f"{path} cannot be copied: {error.strerror}.") from error
        Store.open(f"sqlite:///{copy}").close()  # refuses a newer one
        with _reading(copy) as connection:
            _whole(path, connection)
            yield connection, manifest


def is_file_of(store: Store, path: Path) -> bool:
    """Whether ``path`` is the file of the database itself."""
    file = file_of(store.engine.url)
    return file is not None and path.exists() and path.samefile(file)


def contents(connection: Connection, what: str, tell: Progress) -> tuple[dict[str, int], dict[str, str]]:
    """The number of rows of each table, and their digest, without the state, whose secret and number a
    restore renews."""
    rows: dict[str, int] = {}
    digests: dict[str, str] = {}
    total = sum(map(connection.scalar, map(_count, tables.METADATA.sorted_tables)))
    done = 0
    for table in tables.METADATA.sorted_tables:
        if table is tables.state:
            continue
        digest, number = sha256(), 0
        for chunk in chunks(connection, table):
            for row in chunk:
                digest.update(repr(tuple(row)).encode())
            number += len(chunk)
            tell(what, done + number, total)
        rows[table.name], digests[table.name] = number, digest.hexdigest()
        done += number
    return rows, digests


def chunks(connection: Connection, table: Table) -> Iterator[list[Any]]:
    """The rows of a table in the order of their keys, in chunks."""
    dialect = dialect_of(connection)
    keys = map(dialect.key, table.primary_key.columns)
    columns = map(dialect.value, table.columns)
    found = connection.execute(select(*columns).order_by(*keys).execution_options(yield_per=CHUNK))
    return (list(chunk) for chunk in found.partitions())


def _count(table: Table) -> Any:
    return select(func.count()).select_from(table)


def _silent(_what: str, _done: int, _total: int) -> None:
    pass


def _copy_rows(source: Connection, path: Path, tell: Progress) -> None:
    path.unlink()
    target = Store.open(f"sqlite:///{path}")
    try:
        with target.writing() as connection:
            connection.execute(tables.state.delete())
            copy_tables(source, connection, "Copying", tell)
    finally:
        target.close()
    path.chmod(OWNER_ALONE)


def copy_tables(source: Connection, target: Connection, what: str, tell: Progress) -> None:
    """Write all rows of ``source`` into the empty tables of ``target``."""
    total = sum(map(source.scalar, map(_count, tables.METADATA.sorted_tables)))
    done = 0
    for table in tables.METADATA.sorted_tables:
        for chunk in chunks(source, table):
            bulk.insert_rows(target, table, [dict(row._mapping) for row in chunk])
            done += len(chunk)
            tell(what, done, total)


def _seal(path: Path, manifest: Manifest) -> None:
    """Add the manifest, and leave one self-contained file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("BEGIN")
        connection.execute("DROP TABLE IF EXISTS qotgate_backup")
        connection.execute("CREATE TABLE qotgate_backup (manifest TEXT NOT NULL)")
        connection.execute("INSERT INTO qotgate_backup VALUES (?)", [json.dumps(asdict(manifest))])
        connection.execute("COMMIT")


def _check(path: Path, manifest: Manifest, tell: Progress) -> None:
    with _reading(path) as connection:
        _compare(path, connection, manifest, tell)


def _give_name(partial: Path, path: Path, *, replace: bool) -> None:
    """Sync the file to the disk, then rename it, each in one step."""
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    if replace:
        partial.replace(path)
    else:
        try:
            os.link(partial, path)
        except FileExistsError as error:
            raise StoreError(f"{path} is there already, since a moment ago; name another file.") from error
        except OSError:  # a file system without links
            partial.rename(path)
    with suppress(OSError):  # not every system lets a folder be synced
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)


@contextmanager
def _reading(path: Path) -> Iterator[Connection]:
    engine = create_engine("sqlite://", creator=lambda: _connect(path))
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _read_manifest(path: Path) -> Manifest:
    if not path.is_file():
        raise StoreError(f"{path} is not there, or is no file.")
    try:
        with closing(_connect(path)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
            row = connection.execute("SELECT manifest FROM qotgate_backup").fetchone()
    except sqlite3.OperationalError as error:
        raise StoreError(f"{path} is no backup; `qotgate backup` makes one.") from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} is no backup, or is damaged: {error}.") from error
    try:
        return Manifest(**json.loads(row[0]))
    except (TypeError, ValueError) as error:
        raise StoreError(f"{path} is a damaged backup: its manifest cannot be read.") from error


def _whole(path: Path, connection: Connection) -> None:
    """Raises StoreError if SQLite finds the file damaged, DBAPIError if it cannot be read."""
    said = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
    if said != "ok":
        raise StoreError(f"{path} is damaged: {said}.")
    lost = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if lost is not None or any(references.broken(connection.exec_driver_sql)):
        raise StoreError(f"{path} is damaged: rows name others that are not there.")


def _compare(path: Path, connection: Connection, manifest: Manifest, tell: Progress) -> None:
    """Compare a backup with its manifest. Raises StoreError."""
    try:
        _whole(path, connection)
        found = contents(connection, "Checking", tell)
    except (DBAPIError, ValueError) as error:
        told = reason(error) if isinstance(error, DBAPIError) else str(error)
        raise StoreError(f"{path} is damaged: {told}.") from error
    if found != (manifest.rows, manifest.digests):
        changed = [name for name, digest in manifest.digests.items() if found[1].get(name) != digest]
        raise StoreError(
            f"{path} is not what was backed up: it was changed or damaged ({', '.join(changed)})."
        )
