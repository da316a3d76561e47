"""A database deleted under a gateway is noticed; SQLite itself continues in a file without a name."""

from pathlib import Path

import httpx
import pytest

from qotgate.model import StoreError
from qotgate.store import Store
from qotgate.store.database import generation
from tests.support.serving import serving_process, until


@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_a_deleted_file_is_noticed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "q.db"
    store = Store.open(f"sqlite:///{path}")
    # Another connection keeps the -wal file there.
    with store.reading() as kept, store.reading() as connection:
        assert generation(connection) == generation(kept) == 0
    if not (tmp_path / f"q.db{suffix}").exists():
        pytest.skip("this SQLite keeps no -wal file here")
    (tmp_path / f"q.db{suffix}").unlink()
    for _ in range(2 if not suffix else 1):
        with pytest.raises(StoreError, match="was deleted or replaced"), store.reading() as connection:
            generation(connection)
    assert path.exists() == bool(suffix)
    store.close()


def test_a_gateway_says_so(sample_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "q.db"
    path.write_bytes(sample_file.read_bytes())
    log = tmp_path / "log"
    with log.open("w") as file:
        url = f"sqlite:///{path}"
        with serving_process(url, "--http-port", "0", "--lang", "en", stderr=file.fileno()) as gateway:
            assert httpx.get(f"{gateway.pages}/readyz").status_code == 200
            for one in tmp_path.glob("q.db*"):
                one.unlink()
            until(lambda: httpx.get(f"{gateway.pages}/readyz").status_code == 503)
            until(lambda: "was deleted or replaced" in log.read_text(), 60)
            assert not path.exists()
