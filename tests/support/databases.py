"""A separate PostgreSQL for the tests: Debian's programs in a temporary folder, on a free port of
127.0.0.1."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Self

import psycopg

from qotgate.service.loading import find_files, load
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.support.parts import missing
from tests.support.paths import SAMPLE
from tests.support.wire import free_port

SETTINGS = {
    # The tests kill processes, not the machine.
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
}


class PostgreSQL:
    """A server that can be stopped, killed and restarted; its databases stay."""

    _numbers = count(1)

    def __init__(self, programs: Path, folder: Path, port: int) -> None:
        self.port = port
        self._programs = programs
        self._folder = folder
        self._template: str | None = None
        self._kept: dict[str, str] = {}

    @classmethod
    @contextmanager
    def running(cls, programs: Path) -> Iterator[Self]:
        """A fresh server, until the end of the block."""
        try:
            subprocess.run([programs / "postgres", "--version"], check=True, user=other_user(), cwd="/")
        except PermissionError:
            missing(f"the user {other_user()} cannot reach PostgreSQL in {programs}")
        with _folder() as folder:
            server = cls(programs, folder / "primary", free_port())
            server._run("initdb", "--auth=trust", "--username=qotgate", "--encoding=UTF8", "--no-sync")
            with (server._folder / "postgresql.conf").open("a") as file:
                file.writelines(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
                file.write(f"port = {server.port}\n")
            server.start()
            try:
                yield server
            finally:
                server.stop("immediate")

    @contextmanager
    def standby(self) -> Iterator["PostgreSQL"]:
        """A standby of this server, which can be read."""
        with _folder() as folder:
            other = PostgreSQL(self._programs, folder / "standby", free_port())
            source = self.url("postgres")
            options = ("--write-recovery-conf", "--checkpoint=fast", "--no-sync")
            other._run("pg_basebackup", *options, "-d", source)
            with (other._folder / "postgresql.conf").open("a") as file:
                file.write(f"port = {other.port}\n")
            other.start()
            try:
                yield other
            finally:
                other.stop("immediate")

    @property
    def pid(self) -> int:
        """The server's main process, the parent of all others."""
        return int((self._folder / "postmaster.pid").read_text().split()[0])

    def url(self, database: str) -> str:
        return f"postgresql://qotgate@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        self._run("pg_ctl", "start", "--wait", "--silent", f"--log={self._folder.parent / 'log'}")

    def stop(self, mode: str = "fast") -> None:
        """``mode`` is pg_ctl's: smart, fast, or immediate (a crash)."""
        self._run("pg_ctl", "stop", "--wait", "--silent", f"--mode={mode}", check=False)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def new(self) -> str:
        """The URL of a new database with empty tables."""
        if self._template is None:
            self._template = self.empty().rpartition("/")[2]
            Store.open(self.url(self._template)).close()
        return self.empty(self._template)

    def empty(self, template: str = "template0", encoding: str | None = None) -> str:
        """The URL of a new database, without tables unless ``template`` has them."""
        name = f"test{next(self._numbers)}"
        other = f"ENCODING '{encoding}' LOCALE 'C'" if encoding else ""
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} {other}")
        return self.url(name)

    def served(self, url: str) -> str:
        """A copy of a database for programs that stay connected. The original can still be copied, unlike a
        database in use."""
        copy = self.copy(url)
        self._kept[copy] = url
        return copy

    def copy(self, url: str) -> str:
        """The URL of a new database with the data of one without connections, or of one that is served."""
        return self.empty(self._kept.get(url, url).rpartition("/")[2])

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        """Run a program on the server's folder; as another user if we are root, since it refuses to run as
        root."""
        self._folder.mkdir(exist_ok=True, mode=0o700)
        user = other_user()
        if user is not None:
            shutil.chown(self._folder, user)
            shutil.chown(self._folder.parent, user)
        command = [str(self._programs / program), "-D", str(self._folder), *arguments]
        subprocess.run(
            command, check=check, user=user, cwd="/", stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )


def other_user() -> str | None:
    """The user to run PostgreSQL as if we are root, which it refuses; None otherwise."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


@contextmanager
def _folder() -> Iterator[Path]:
    # Not in pytest's folders, which other users cannot enter.
    with tempfile.TemporaryDirectory(prefix="qotgate-postgresql-") as name:
        yield Path(name)


def filled(url: str, reference: Reference, *paths: Path) -> str:
    """The URL of a database with the files loaded, or with the sample."""
    store = Store.open(url)
    load(store, reference, find_files(paths or [SAMPLE]))
    store.close()
    return url
