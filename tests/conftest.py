"""What tests share: the real data, the sample in a database, a gateway in a process of its own."""

import os
from collections.abc import Callable, Iterator
from importlib.resources import files
from itertools import count
from pathlib import Path

import pytest

from qotgate.service.loading import LoadReport, find_files, load
from qotgate.service.reference import Reference, load_reference
from qotgate.store import Store
from tests.databases import PostgreSQL, programs
from tests.serving import Serving, serving

ROOT = Path(__file__).parents[1]
SAMPLE = Path(str(files("qotgate") / "sample"))
CI = os.environ.get("CI") == "true"


def missing(what: str) -> None:
    """Skip for a part that is not there; in CI, fail."""
    if CI:
        pytest.fail(f"{what}, which CI must have")
    pytest.skip(what)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real files beside the repository."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        missing(f"no real data at {folder}")
    return folder


@pytest.fixture(scope="session")
def reference() -> Reference:
    return load_reference()


@pytest.fixture(scope="session")
def postgresql_programs() -> Path:
    """The folder of PostgreSQL's programs."""
    folder = programs()
    if folder is None:
        missing("no PostgreSQL server (Debian's package postgresql)")
    assert folder is not None
    return folder


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
    """Gives the URL of another empty database at each call; tests that take it run on each engine."""
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        return server.new
    numbers = count(1)
    return lambda: f"sqlite:///{tmp_path / f'test{next(numbers)}.db'}"


@pytest.fixture
def store(new_url: Callable[[], str]) -> Iterator[Store]:
    store = Store.open(new_url())
    yield store
    store.close()


@pytest.fixture
def load_text(store: Store, reference: Reference, tmp_path: Path) -> Callable[..., LoadReport]:
    """Loads texts as files: ``load_text(name=text, ...)``."""

    def load_texts(**texts: str) -> LoadReport:
        paths = []
        for name, text in texts.items():
            path = tmp_path / f"{name}.csv"
            path.write_text(text, encoding="utf-8")
            paths.append(path)
        return load(store, reference, find_files(paths))

    return load_texts


ENGINE = os.environ.get("QOTGATE_TEST_ENGINE", "sqlite")
"""The engine of the databases that a whole run shares; postgresql runs every test of a gateway on it."""


def _database(request: pytest.FixtureRequest, folder: Path, reference: Reference, *paths: Path) -> str:
    url = f"sqlite:///{folder / 'qotgate.db'}"
    if ENGINE == "postgresql":
        url = request.getfixturevalue("postgresql").new()
    store = Store.open(url)
    load(store, reference, find_files(paths))
    store.close()
    return url


@pytest.fixture(scope="session")
def sample_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, reference: Reference
) -> str:
    """A database with the sample; tests only read it."""
    return _database(request, tmp_path_factory.mktemp("sample"), reference, SAMPLE)


@pytest.fixture(scope="session")
def real_url(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    reference: Reference,
    shared_data: Path,
) -> str:
    """A database with all of the real data; tests only read it, or copy it."""
    folder = tmp_path_factory.mktemp("real")
    return _database(request, folder, reference, shared_data / "ark", shared_data / "ratings")


@pytest.fixture(scope="session")
def sample_gateway(sample_url: str) -> Iterator[Serving]:
    """A gateway on the sample without a limit."""
    with serving(sample_url, "--rate-limit", "off") as gateway:
        yield gateway
