"""The history of loads: each has a number, and a bounded list of its rejects."""

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

import qotgate.store
from qotgate.model import LoadOutcome
from qotgate.service.coverage import provenance
from qotgate.service.coverage.status import status
from qotgate.service.loading import LoadReport, find_files, load
from qotgate.service.reference import Reference
from qotgate.store import Store, loads
from tests.support.paths import SAMPLE

HEADER = "ticker,name,firm,rating,price_target,date\n"
GOOD = HEADER + "MU,Micron,UBS,Buy,10,2026-06-02\n"
PART = HEADER + "MU,Micron,UBS,Buy,abc,2026-06-01\nMU,Micron,UBS,Hold,10,2026-06-03\n"
BAD = "neither this\nnor that\n"
Load = Callable[..., LoadReport]


def numbers(store: Store) -> list[int]:
    return [row["id"] for row in provenance.loads(store)[0]]


def test_each_load_has_a_number_a_time_and_an_outcome(store: Store, load_text: Load) -> None:
    texts: list[dict[str, str]] = [{"good": GOOD}, {"good": GOOD}, {"bad": BAD}, {"part": PART, "worse": BAD}]
    reports = [load_text(**each) for each in texts]
    assert [report.number for report in reports] == [1, 2, 3, 4]
    assert [report.outcome for report in reports] == [
        LoadOutcome.LOADED,
        LoadOutcome.NOTHING_NEW,
        LoadOutcome.UNREADABLE,
        LoadOutcome.LOADED,
    ]
    found, more = provenance.loads(store)
    assert more is None
    columns = ("id", "outcome", "generation", "files", "read", "unchanged", "rejected", "left_out", "added")
    assert [tuple(row[name] for name in columns) for row in found] == [
        (4, "LOADED", 2, 2, 1, 0, 1, 1, 1),
        (3, "UNREADABLE", 1, 1, 0, 0, 1, 0, 0),
        (2, "NOTHING_NEW", 1, 1, 0, 1, 0, 0, 0),
        (1, "LOADED", 1, 1, 1, 0, 0, 0, 1),
    ]
    assert all(row["loaded_at"].endswith("+00:00") for row in found)
    files, _ = provenance.files(store)
    assert [row["load_id"] for row in files] == [4, 1]


def test_what_a_load_left_out_is_kept_with_it(store: Store, load_text: Load, tmp_path: Path) -> None:
    report = load_text(part=PART, bad=BAD)
    found = provenance.left_out(store, report.number)
    assert found is not None
    whole, line = found.rows
    assert (whole["path"], whole["file_id"], whole["line"]) == (str(tmp_path / "bad.csv"), None, None)
    assert "no known format" in whole["reason"]
    assert (line["path"], line["file_id"], line["line"]) == (str(tmp_path / "part.csv"), 1, 2)
    assert provenance.left_out(store, report.number + 1) is None


def test_a_file_that_could_not_be_read_is_shown_until_it_can(store: Store, load_text: Load) -> None:
    load_text(one=BAD, two=BAD + "!", good=GOOD)
    load_text(one=BAD)
    found = status(store)
    assert found.unread_files == 2
    assert [Path(row["path"]).name for row in found.unread] == ["one.csv", "two.csv"]
    assert [row["load_id"] for row in found.unread] == [2, 1]
    load_text(one=PART)
    assert [Path(row["path"]).name for row in status(store).unread] == ["two.csv"]


def test_a_dry_run_is_not_in_the_history(store: Store, reference: Reference) -> None:
    load(store, reference, find_files([SAMPLE]), dry_run=True)
    assert numbers(store) == []


def test_the_history_is_bounded(store: Store, load_text: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loads, "MAX_IDLE_LOADS", 3)
    monkeypatch.setattr(loads, "MAX_REJECTED_FILES", 2)
    load_text(good=GOOD)
    for _ in range(4):
        load_text(good=GOOD, one=BAD, two=BAD + "2", three=BAD + "3")
    # The load with new rows stays.
    assert numbers(store) == [5, 4, 3, 1]
    found = provenance.left_out(store, 5)
    assert found is not None
    assert (found.load["rejected"], len(found.rows)) == (3, 2)
    with store.reading() as connection:
        assert loads.count_unread(connection) == len(loads.unread_files(connection, None, 10)) == 2


def test_a_page_of_the_history_leads_to_the_next(store: Store, load_text: Load) -> None:
    for _ in range(5):
        load_text(good=GOOD)
    rows, more = provenance.loads(store, count=2)
    assert ([row["id"] for row in rows], more) == ([5, 4], 4)
    rows, more = provenance.loads(store, more, count=3)
    assert ([row["id"] for row in rows], more) == ([3, 2, 1], None)


def test_a_database_from_before_gets_the_history(tmp_path: Path, reference: Reference) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(qotgate.store.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text(
                "INSERT INTO file (id, digest, path, kind, generation, loaded_at, records) "
                "VALUES (1, 'x', '/old.csv', 'notes', 1, '2026-01-01T00:00:00+00:00', 0)"
            )
        )
        connection.execute(text("INSERT INTO state VALUES ('secret', 's'), ('generation', '1')"))
    engine.dispose()
    store = Store.open(url)
    (file,), _ = provenance.files(store)
    assert (file["path"], file["load_id"]) == ("/old.csv", None)
    (tmp_path / "good.csv").write_text(GOOD)
    assert load(store, reference, find_files([tmp_path / "good.csv"])).number == 1
    assert [row["load_id"] for row in provenance.files(store)[0]] == [1, None]
    store.close()
