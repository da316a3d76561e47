"""What tests share: the real data, the sample in a database, a gateway in a process of its own."""

import os
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from qotgate.service.loading import LoadReport, find_files, load
from qotgate.service.reference import Reference, load_reference
from qotgate.store import Store
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


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'test.db'}")
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


def _database(folder: Path, reference: Reference, *paths: Path) -> str:
    url = f"sqlite:///{folder / 'qotgate.db'}"
    store = Store.open(url)
    load(store, reference, find_files(paths))
    store.close()
    return url


@pytest.fixture(scope="session")
def sample_url(tmp_path_factory: pytest.TempPathFactory, reference: Reference) -> str:
    """A database with the sample; tests only read it."""
    return _database(tmp_path_factory.mktemp("sample"), reference, SAMPLE)


@pytest.fixture(scope="session")
def real_url(tmp_path_factory: pytest.TempPathFactory, reference: Reference, shared_data: Path) -> str:
    """A database with all of the real data; tests only read it, or copy it."""
    folder = tmp_path_factory.mktemp("real")
    return _database(folder, reference, shared_data / "ark", shared_data / "ratings")


@pytest.fixture(scope="session")
def sample_gateway(sample_url: str) -> Iterator[Serving]:
    """A gateway on the sample without a limit."""
    with serving(sample_url, "--rate-limit", "off") as gateway:
        yield gateway
