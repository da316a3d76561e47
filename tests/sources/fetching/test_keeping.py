"""Storing fetched files: complete, once, unchanged, and never over another file."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from qotgate import sources
from qotgate.model import QotGateError
from qotgate.sources.fetching import ark
from qotgate.sources.fetching import folder as folders
from qotgate.sources.fetching.files import Outcome, Status
from qotgate.sources.fetching.folder import FetchFolder
from tests.support.publishing import Publisher, Reply, holdings, visible

ARKK = ark.FILES["ARKK"]


def test_a_file_is_kept_as_it_came_before_it_is_read(
    publisher: Publisher, fetch_arkk: Callable[..., Outcome], tmp_path: Path
) -> None:
    publisher.publish(f"/{ARKK}", holdings("ARKK"))
    outcome = fetch_arkk()
    assert outcome == Outcome("ARKK", Status.FETCHED, tmp_path / "2026-06-23" / ARKK)
    assert outcome.path.read_bytes() == holdings("ARKK")
    assert len(sources.read(outcome.path.read_bytes()).records) == 2


def test_what_has_not_changed_is_not_sent_again(
    publisher: Publisher, fetch_arkk: Callable[..., Outcome], tmp_path: Path
) -> None:
    changed = "Tue, 23 Jun 2026 20:00:00 GMT"
    versions = {"ETag": '"v1"', "Last-Modified": changed}
    publisher.publish(f"/{ARKK}", Reply(holdings("ARKK"), headers=versions))
    first, second, third = fetch_arkk(), fetch_arkk(), fetch_arkk(date(2026, 6, 24))
    assert [outcome.status for outcome in (first, second, third)] == ["fetched", "unchanged", "unchanged"]
    assert third.path == first.path
    asked = [request.headers for request in publisher.asked]
    assert [headers["If-None-Match"] for headers in asked] == [None, '"v1"', '"v1"']
    assert [headers["If-Modified-Since"] for headers in asked] == [None, changed, changed]
    assert visible(tmp_path) == [f"2026-06-23/{ARKK}"]
    first.path.unlink()
    assert fetch_arkk().status is Status.FETCHED
    assert publisher.asked[-1].headers["If-None-Match"] is None


def test_a_changed_file_of_the_day_gets_a_number_and_the_same_bytes_none(
    publisher: Publisher, fetch_arkk: Callable[..., Outcome], tmp_path: Path
) -> None:
    one, two, three = (holdings("ARKK", shares=shares) for shares in (1, 2, 3))
    publisher.publish(f"/{ARKK}", one, two, one, three, three)
    outcomes = [fetch_arkk(), fetch_arkk(), fetch_arkk(), fetch_arkk(), fetch_arkk(date(2026, 6, 24))]
    stem = ARKK.removesuffix(".csv")
    assert visible(tmp_path) == [f"2026-06-23/{stem}{number}.csv" for number in ("-2", "-3", "")]
    assert [outcome.status for outcome in outcomes] == [
        "fetched", "fetched", "unchanged", "fetched", "unchanged",
    ]  # fmt: skip
    assert [outcome.path.read_bytes() for outcome in outcomes] == [one, two, one, three, three]


def test_nothing_is_overwritten(
    publisher: Publisher, fetch_arkk: Callable[..., Outcome], tmp_path: Path
) -> None:
    taken = tmp_path / "2026-06-23" / ARKK
    taken.parent.mkdir()
    taken.write_bytes(b"mine")
    publisher.publish(f"/{ARKK}", holdings("ARKK"))
    assert fetch_arkk().path != taken
    assert taken.read_bytes() == b"mine"


@pytest.mark.parametrize("taken", [False, True])
def test_a_file_system_without_links_will_do(
    publisher: Publisher,
    fetch_arkk: Callable[..., Outcome],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    taken: bool,
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    if taken:
        (tmp_path / "2026-06-23").mkdir()
        (tmp_path / "2026-06-23" / ARKK).write_bytes(b"mine")
    publisher.publish(f"/{ARKK}", holdings("ARKK"))
    assert fetch_arkk().path.read_bytes() == holdings("ARKK")
    assert len(visible(tmp_path)) == 1 + taken


def test_a_full_disk_leaves_no_half_file(
    publisher: Publisher,
    fetch_arkk: Callable[..., Outcome],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    publisher.publish(f"/{ARKK}", holdings("ARKK"))
    with pytest.raises(OSError, match="No space left"):
        fetch_arkk()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "memory", ["", "{", "[]", '{"versions": [], "waiting": {}}', '{"versions": {"x": 1}}']
)
def test_a_broken_memory_costs_a_download_and_nothing_else(
    publisher: Publisher, fetch_arkk: Callable[..., Outcome], tmp_path: Path, memory: str
) -> None:
    publisher.publish(f"/{ARKK}", Reply(holdings("ARKK"), headers={"ETag": '"v1"'}))
    fetch_arkk()
    (tmp_path / folders.MEMORY).write_text(memory)
    assert fetch_arkk().status is Status.UNCHANGED
    assert publisher.asked[-1].headers["If-None-Match"] is None


def test_what_was_not_loaded_waits(
    publisher: Publisher, fetch_arkk: Callable[..., Outcome], tmp_path: Path
) -> None:
    publisher.publish(f"/{ARKK}", holdings("ARKK"), holdings("ARKK", shares=2))
    paths = [fetch_arkk().path, fetch_arkk().path]
    assert FetchFolder(tmp_path).waiting() == paths
    FetchFolder(tmp_path).loaded(paths[:1])
    assert FetchFolder(tmp_path).waiting() == paths[1:]
    paths[1].unlink()
    assert FetchFolder(tmp_path).waiting() == []


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    refused = pytest.raises(QotGateError, match="Another qotgate fetch is at work")
    with FetchFolder.open(tmp_path / "a" / "b") as first, refused, FetchFolder.open(first.folder):
        pass
    with FetchFolder.open(tmp_path / "a" / "b"):
        pass


def test_no_address_that_is_remembered_holds_a_password() -> None:
    (wanted,) = ark.wanted(["ARKK"], "https://user:pass@mirror.example/ark/")
    assert wanted.address == f"https://mirror.example/ark/{ARKK}"
