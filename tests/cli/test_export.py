"""``qotgate export`` writes the tables, and the next export writes only the changes."""

import sqlite3
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from qotgate.protocol.research import TABLES, Kind, columns_of
from qotgate.service.loading import LoadReport
from qotgate.service.questions import Questions
from qotgate.service.reference import Reference
from qotgate.service.research import parts
from qotgate.service.research.export import EXPORTED, STATE
from qotgate.service.research.frames import schema_of
from qotgate.store import Store
from tests.support.commands import run
from tests.support.paths import ROOT

NOTICES = "fund,date,direction,ticker,company,shares\n"


def rows_of(url: str, reference: Reference, name: str) -> list[tuple[Any, ...]]:
    store = Store.open(url)
    table = TABLES[name]
    found = parts(Questions(store, reference, lang="en"), table, table.values({}))
    rows = [row for part in found for row in part.rows]
    store.close()
    return rows


def test_the_files_are_the_tables(sample_url: str, reference: Reference, tmp_path: Path) -> None:
    folder, file = tmp_path / "out", tmp_path / "out.db"
    done = run("export", folder, "--sqlite", file, "--lang", "en", "--db", sample_url)
    assert done.returncode == 0, done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [table.name for table in EXPORTED]
    connection = sqlite3.connect(file)
    for table in EXPORTED:
        rows = rows_of(sample_url, reference, table.name)
        assert rows
        written = pl.read_parquet(folder / table.name / "*.parquet")
        assert dict(written.schema) == schema_of(table.row)
        assert sorted(written.rows(), key=str) == sorted(rows, key=str)
        if table.by:
            for path in (folder / table.name).iterdir():
                months = pl.read_parquet(path)[table.by].dt.strftime("%Y-%m").unique().to_list()
                assert months == [path.stem]
        kinds = [kind for kind, _ in columns_of(table.row).values()]
        in_sql = [
            tuple(
                date.fromisoformat(value)
                if kind is Kind.DAY and value
                else bool(value)
                if kind is Kind.TRUTH
                else value
                for kind, value in zip(kinds, row, strict=False)
            )
            for row in connection.execute(f"SELECT * FROM {table.name}")
        ]
        assert sorted(in_sql, key=str) == sorted(rows, key=str)
    connection.close()


def test_only_what_has_changed_is_written(
    store: Store, load_text: Callable[..., LoadReport], tmp_path: Path
) -> None:
    folder, file = tmp_path / "out", tmp_path / "out.db"

    def export(*options: object) -> str:
        done = run("export", folder, "--db", store.url, *options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    load_text(a=f"{NOTICES}ARKK,2026-05-14,Buy,TSLA,Tesla,5\nARKK,2026-06-15,Buy,TSLA,Tesla,7\n")
    assert "trades: 2 rows of 2 months, 2 written\n" in export("--sqlite", file)
    may, june = (folder / "trades" / f"2026-0{month}.parquet" for month in (5, 6))
    before = may.stat().st_mtime_ns, june.stat().st_mtime_ns
    assert export() == f"Nothing has changed since the last export to {folder}.\n"
    load_text(b=f"{NOTICES}ARKK,2026-06-16,Buy,TSLA,Tesla,9\n")
    told = export("--sqlite", file)
    assert "trades: 3 rows of 2 months, 1 written\n" in told
    assert may.stat().st_mtime_ns == before[0]
    assert june.stat().st_mtime_ns != before[1]
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT shares FROM trades ORDER BY day").fetchall() == [(5,), (7,), (9,)]
    # The next export replaces a missing or damaged file, and completes an interrupted export.
    may.unlink()
    june.write_bytes(b"PAR1")
    (folder / STATE).unlink()
    assert "trades: 3 rows of 2 months, 2 written\n" in export()
    assert pl.read_parquet(folder / "trades" / "*.parquet").height == 3
    # Unloaded data leaves the export.
    load_text(c=f"{NOTICES}ARKK,2026-07-01,Buy,TSLA,Tesla,1\n")
    assert "trades: 4 rows of 3 months, 1 written\n" in export("--sqlite", file)
    assert run("unload", "--load", 3, "--db", store.url).returncode == 0
    assert "trades: 3 rows of 2 months, 0 written, 1 removed\n" in export("--sqlite", file)
    assert sorted(path.stem for path in (folder / "trades").iterdir()) == ["2026-05", "2026-06"]
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT count(*) FROM trades").fetchall() == [(3,)]
    # In another language the names may differ: everything is written again.
    assert "Nothing has changed" not in export("--lang", "en")
    connection.close()


def test_what_is_wrong_is_one_sentence(sample_url: str, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    (tmp_path / "file").write_text("")
    for arguments, sentence in (
        ((tmp_path / "out", "--sqlite", other), "is a database of another kind: name a file of its own."),
        ((tmp_path / "out", "--sqlite", tmp_path / "no" / "x.db"), "x.db cannot be written: "),
        ((tmp_path / "file",), "file cannot be written: "),
        ((tmp_path / "out", "--funds", "ARKZ"), "ARKZ, of which nothing is loaded"),
    ):
        done = run("export", *arguments, "--db", sample_url)
        assert done.returncode == 2, arguments
        assert sentence in done.stderr
        assert len(done.stderr.splitlines()) == 1
    with sqlite3.connect(other) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("mine",)]
    connection.close()


@pytest.mark.parametrize("table", EXPORTED, ids=lambda table: table.name)
def test_the_schema_is_documented(table: Any) -> None:
    document = (ROOT / "docs" / "export.md").read_text()
    section = document.partition(f"### {table.name}\n")[2].partition("\n### ")[0]
    for name, (kind, optional) in columns_of(table.row).items():
        assert f"| `{name}` | {kind.name.lower()}{', or null' if optional else ''} |" in section, name
