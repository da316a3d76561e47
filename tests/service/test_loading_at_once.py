"""A load gives the same tables, row by row, for any number of rows read, written and judged at once."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Index, select

import qotgate.service.loading as loads
from qotgate.service.ark import trade_rows
from qotgate.service.loading import find_files, load, writing
from qotgate.service.reference import Reference
from qotgate.sources import layout
from qotgate.store import Store, snapshots, sqlite, writes
from qotgate.store.tables import METADATA
from tests.support.paths import SAMPLE

LEFT_OUT = {"file.loaded_at", "load.loaded_at", "rating_change.id"}


def dump(store: Store) -> dict[str, list[Any]]:
    """Every row of every table, without times and random values, and without the ids of rating changes: those
    follow the order of judging, and nothing refers to them."""
    with store.reading() as connection:
        return {
            table.name: sorted(
                repr(tuple(row))
                for row in connection.execute(
                    select(*(column for column in table.c if str(column) not in LEFT_OUT))
                )
                if "secret" not in row
            )
            for table in METADATA.sorted_tables
        }


def loaded(folder: Path, reference: Reference, parts: Sequence[Sequence[Path]]) -> dict[str, list[Any]]:
    folder.mkdir()
    store = Store.open(f"sqlite:///{folder}/one.db")
    for files in parts:
        load(store, reference, files)
    found = dump(store)
    store.close()
    return found


@pytest.mark.parametrize("order", ["at once", "backwards", "in parts"])
def test_the_sample(
    order: str, tmp_path: Path, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = find_files([SAMPLE])
    ways = {"at once": [files], "backwards": [files[::-1]], "in parts": [files[1::2], files[::2]]}
    many = loaded(tmp_path / "many", reference, ways[order])
    monkeypatch.setattr(layout._Table, "_at_once", lambda _, lines: [None] * len(lines))
    monkeypatch.setattr(loads, "MAX_HELD", 0)
    monkeypatch.setattr(writing, "MAX_WEIGHTS", 1)
    monkeypatch.setattr(snapshots, "MAX_WAITING", 0)
    monkeypatch.setattr(trade_rows, "MAX_BOOKS_AT_ONCE", 1)
    monkeypatch.setattr(writes, "RUN", 1)
    monkeypatch.setattr(writing, "MAX_NEW_NOTES", 0)
    monkeypatch.setattr(sqlite, "LITERALS_FROM", 1)
    few = loaded(tmp_path / "few", reference, ways[order])
    assert many == few
    for name in ("holding", "trade", "ark_day", "difference", "note", "rating_change", "spelling"):
        assert many[name], name


def test_indexes_made_anew_by_a_large_load_are_those_that_were_there(
    tmp_path: Path, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = find_files([SAMPLE / "ratings"])
    few = loaded(tmp_path / "few", reference, [files])
    monkeypatch.setattr(sqlite, "BULK_FROM", 1)
    made: list[str | None] = []
    create = Index.create

    def noted(index: Index, bind: Connection) -> None:
        made.append(index.name)
        create(index, bind)

    monkeypatch.setattr(Index, "create", noted)
    assert loaded(tmp_path / "many", reference, [files]) == few
    assert {"ix_note_day", "ix_rating_change_history_id_until"} <= set(made)
    schemas = []
    for name in ("few", "many"):
        with closing(sqlite3.connect(tmp_path / name / "one.db")) as connection:
            schemas.append(sorted(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql <> ''")))
    assert schemas[0] == schemas[1]
