"""Common fixtures: the real data, the sample in a database, a gateway in a separate process."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from qotgate.service.loading import LoadReport, find_files, load
from qotgate.service.reference import Reference, load_reference
from qotgate.store import Store
from qotgate.testing.running import log_to_logging
from tests.support.certificates import make_certificate
from tests.support.databases import PostgreSQL, filled
from tests.support.folders import keep_files_in_memory, made_once
from tests.support.limit_stores import LIMIT_STORES, StoreServer
from tests.support.parts import find, program, shared, skip_for_missing_programs
from tests.support.paths import SAMPLE
from tests.support.serving import Serving, serving

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell has background jobs ignore it, and the programs under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Programs run as a user's do: with buffered output, and with Python's bytecode cache.
for name in ("COLUMNS", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "QOTGATE_LANG"):
    os.environ.pop(name, None)
# And with output in English, whatever the terminal's language.
os.environ["LC_ALL"] = "C.UTF-8"
pytest_plugins = ["tests.support.passed"]
skip_for_missing_programs()
keep_files_in_memory()
log_to_logging()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: a test spends a third of its time waiting."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real files next to the repository."""
    return shared("data")


@pytest.fixture(scope="session")
def reference() -> Reference:
    return load_reference()


@pytest.fixture(scope="session")
def postgresql_programs() -> Path:
    """The folder of PostgreSQL's programs."""
    return Path(program("initdb")).resolve().parent


@pytest.fixture(scope="session")
def postgresql(postgresql_programs: Path) -> Iterator[PostgreSQL]:
    """A PostgreSQL server."""
    with PostgreSQL.running(postgresql_programs) as server:
        yield server


@pytest.fixture
def postgresql_alone(postgresql_programs: Path) -> Iterator[PostgreSQL]:
    """A PostgreSQL server for one test, which may stop it."""
    with PostgreSQL.running(postgresql_programs) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """A function that returns the URL of a new empty database; tests that use it run on each engine."""
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        return server.new
    numbers = count(1)
    return lambda: f"sqlite:///{tmp_path / f'test{next(numbers)}.db'}"


@pytest.fixture
def copied(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """A function that returns the URL of a database's copy, secret included, without connections."""
    numbers = count(1)

    def copy(url: str) -> str:
        if url.startswith("postgresql"):
            server: PostgreSQL = request.getfixturevalue("postgresql")
            return server.copy(url)
        path = tmp_path / f"copy{next(numbers)}.db"
        # In another process: when a process closes a file, it loses all its locks on it, SQLite's too.
        subprocess.run(["cp", url.removeprefix("sqlite:///"), path], check=True)
        return f"sqlite:///{path}"

    return copy


@pytest.fixture
def store(new_url: Callable[[], str]) -> Iterator[Store]:
    store = Store.open(new_url())
    yield store
    store.close()


@pytest.fixture
def load_text(store: Store, reference: Reference, tmp_path: Path) -> Callable[..., LoadReport]:
    """A function that loads texts as files: ``load_text(name=text, ...)``; by default it accepts incomplete
    books."""

    def load_texts(*, any_book: bool = True, **texts: str) -> LoadReport:
        paths = []
        for name, text in texts.items():
            path = tmp_path / f"{name}.csv"
            path.write_text(text, encoding="utf-8")
            paths.append(path)
        return load(store, reference, find_files(paths), any_book=any_book)

    return load_texts


ENGINE = os.environ.get("QOTGATE_TEST_ENGINE", "sqlite")
"""The engine of the databases shared by a whole run; postgresql runs every test of a gateway on it."""


@pytest.fixture
def postgresql_sample(postgresql: PostgreSQL, reference: Reference) -> str:
    """The sample on PostgreSQL."""
    return filled(postgresql.new(), reference)


def _database(
    request: pytest.FixtureRequest,
    factory: pytest.TempPathFactory,
    name: str,
    reference: Reference,
    *paths: Path,
) -> str:
    """The URL of a database that is filled once in a run; on SQLite once for all of its processes."""
    if ENGINE == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        return server.served(filled(server.new(), reference, *paths))

    def fill(folder: Path) -> None:
        filled(f"sqlite:///{folder / 'qotgate.db'}", reference, *paths)

    return f"sqlite:///{made_once(factory, name, fill) / 'qotgate.db'}"


@pytest.fixture(scope="session")
def sample_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, reference: Reference
) -> str:
    """A database with the sample; tests only read it."""
    return _database(request, tmp_path_factory, "sample", reference, SAMPLE)


@pytest.fixture(scope="session")
def sample_file(tmp_path_factory: pytest.TempPathFactory, reference: Reference) -> Path:
    """The same in SQLite, whatever the engine, for tests to copy: no connection has it open."""
    made = tmp_path_factory.mktemp("sample") / "qotgate.db"
    filled(f"sqlite:///{made}", reference)
    return made


@pytest.fixture(scope="session")
def real_url(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    reference: Reference,
    shared_data: Path,
) -> str:
    """A database with all of the real data; tests only read or copy it."""
    return _database(
        request, tmp_path_factory, "real", reference, shared_data / "ark", shared_data / "ratings"
    )


@pytest.fixture(scope="session")
def sample_gateway(sample_url: str) -> Iterator[Serving]:
    """A gateway on the sample without a limit."""
    with serving(sample_url, "--rate-limit", "off") as gateway:
        yield gateway


@pytest.fixture(params=[*filter(find, LIMIT_STORES)] or LIMIT_STORES[:1])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., StoreServer]]:
    """Starts servers of a limit store, as :class:`StoreServer`, and stops them at the end; each test runs on
    each kind that is installed."""
    servers: list[StoreServer] = []

    def start(**how: Any) -> StoreServer:
        folder = tmp_path / f"store{len(servers)}"
        folder.mkdir()
        servers.append(StoreServer(folder, request.param, **how))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def redis_server(new_store: Callable[..., StoreServer]) -> StoreServer:
    """A running Redis that loses all data when stopped."""
    return new_store()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    make_certificate(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", folder / "key.pem"
