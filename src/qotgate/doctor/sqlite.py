"""A database in a file: existing, ours, intact, writable, and with room to grow."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from qotgate.doctor.finding import Finding, fail, ok, warn
from qotgate.doctor.revisions import revision_findings
from qotgate.store import references

CHECK = "database"
MIB = 1 << 20
ROOM_LEAST = 64 * MIB
WAL_MOST = 256 * MIB
LOCK_SECONDS = 2.0
NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "ceph", "glusterfs")
"""File systems on which processes on different machines do not share locks and memory, which WAL needs."""


def database(path: Path, *, thorough: bool = False) -> Iterator[Finding]:
    """Findings about the file at ``path``; ``thorough`` also verifies every index."""
    yield from _held_deleted(path)
    if not path.exists():
        yield from _missing(path)
        return
    try:
        with closing(_opened(path)) as connection:
            revision = _revision(connection)
            yield from revision_findings(str(path), revision)
            if revision is None:
                return
            yield from _whole(path, connection, thorough=thorough)
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    except sqlite3.Error as error:
        yield fail(CHECK, f"{path} cannot be read: {error}.", "Restore a backup: qotgate restore FILE")
        return
    if mode != "wal":
        yield warn(
            CHECK,
            f"{path} is in journal mode {mode}: a load would keep readers waiting.",
            "It is set when the gateway opens the file; see that it may write there.",
        )
    yield from _writable(path)
    yield from _room(path)
    yield from _place(path)


def _held_deleted(path: Path) -> Iterator[Finding]:
    """A finding for each program that has a deleted or replaced file of the database open. Linux lists them
    in /proc: this user's programs, or all for root."""
    gone = {f"{path.resolve()}{end} (deleted)" for end in ("", "-wal")}
    for program in sorted(Path("/proc").glob("[0-9]*")):
        if not gone.isdisjoint(_open_files(program)):
            yield fail(
                CHECK,
                f"{path}, or its -wal file, was deleted or replaced while process {program.name} had it "
                "open: what is loaded there is lost when that process ends.",
                f"Stop the process (kill {program.name}), restore the database (qotgate restore FILE), "
                "and start the process again.",
            )


def _open_files(program: Path) -> Iterator[str]:
    # The program or one of its files may have gone, or belong to another user.
    with suppress(OSError):
        for file in (program / "fd").iterdir():
            with suppress(OSError):
                yield str(file.readlink())


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=LOCK_SECONDS)


def _missing(path: Path) -> Iterator[Finding]:
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if os.access(folder, os.W_OK | os.X_OK):
        yield warn(CHECK, f"{path} is not there yet.", "qotgate load FOLDER, or qotgate fetch ark, makes it.")
    else:
        yield fail(CHECK, f"{path} is not there, and {folder} cannot be written.", f"chown or chmod {folder}")


def _revision(connection: sqlite3.Connection) -> str | None:
    with suppress(sqlite3.OperationalError):
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row[0])
    return None


def _whole(path: Path, connection: sqlite3.Connection, *, thorough: bool) -> Iterator[Finding]:
    pragma = "integrity_check" if thorough else "quick_check"
    said = [str(row[0]) for row in connection.execute(f"PRAGMA {pragma}(5)")]
    if thorough:
        said += [
            f"row {row[1]} of {row[0]} names no row of {row[2]}"
            for row in connection.execute("PRAGMA foreign_key_check").fetchmany(5)
        ]
        said += references.broken(connection.execute)
    wrong = [line for line in said if line != "ok"]
    if wrong:
        yield fail(
            CHECK,
            f"{path} is damaged: {'; '.join(wrong)}.",
            "Stop the gateway, keep a copy of the file, and restore a backup: qotgate restore FILE",
        )
    else:
        yield ok(CHECK, f"{path} is whole ({pragma}).")


def _writable(path: Path) -> Iterator[Finding]:
    try:
        with closing(sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        yield ok(CHECK, f"{path} can be written.")
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
            yield ok(CHECK, f"{path} is being written: a load is at work.")
        else:
            yield fail(
                CHECK,
                f"{path} cannot be written: {error}.",
                f"Check the permissions of {path} and of {path.parent}, and whether the disk is read-only.",
            )


def _room(path: Path) -> Iterator[Finding]:
    size = path.stat().st_size
    free = shutil.disk_usage(path.parent).free
    told = f"{path} has {size / MIB:,.0f} MiB; {free / MIB:,.0f} MiB are free beside it"
    if free < ROOM_LEAST:
        yield fail("disk", f"{told}.", "Make room: a load that does not fit is undone.")
    elif free < size:
        yield warn("disk", f"{told}.", "Make room: a restore takes as much again.")
    else:
        yield ok("disk", f"{told}.")
    wal = path.with_name(path.name + "-wal")
    with suppress(FileNotFoundError):
        if (written := wal.stat().st_size) > WAL_MOST:
            yield warn(
                "disk",
                f"{wal} has grown to {written / MIB:,.0f} MiB: a program has been reading for a long time.",
                f"Find the program (fuser {path}); it shrinks when the last program closes the database.",
            )


def _place(path: Path) -> Iterator[Finding]:
    """Whether the file is on a file system where SQLite's WAL mode works."""
    kind = _file_system(path)
    if kind is not None and kind.startswith(NETWORK_FILE_SYSTEMS):
        yield fail(
            CHECK,
            f"{path} lies on a file system of the network ({kind}), where WAL mode loses data.",
            "Move it to a local disk, or use PostgreSQL for several machines.",
        )


def _file_system(path: Path) -> str | None:
    """The type of the file system of ``path``, None if the system does not tell."""
    best, kind = "", None
    with suppress(OSError):
        for line in Path("/proc/self/mounts").read_text().splitlines():
            _, mounted, name = line.split()[:3]
            place = mounted.replace("\\040", " ")
            if path.resolve().is_relative_to(place) and len(place) >= len(best):
                best, kind = place, name
    return kind
