"""``qotgate research``: whole tables, printed or written."""

import json
from io import StringIO
from pathlib import Path

import polars as pl
import pytest

from qotgate.protocol.research import TABLES
from tests.support.commands import run


@pytest.mark.parametrize("path", [table.path for table in TABLES.values()])
def test_every_table_is_a_command(sample_url: str, tmp_path: Path, path: str) -> None:
    asked = ["research", path, "--db", sample_url, "--lang", "en"]
    if path == "streaks":
        asked += ["--days", "2"]
    csv = run(*asked, "--csv")
    assert csv.returncode == 0, csv.stderr
    lines = [json.loads(line) for line in run(*asked, "--json").stdout.splitlines()]
    table = pl.read_csv(StringIO(csv.stdout), infer_schema=False)
    assert table.height == len(lines) > 0
    assert table.columns == list(lines[0])
    written = run(*asked, "--parquet", tmp_path / "table.parquet")
    assert written.stdout == f"{table.height} rows in {tmp_path / 'table.parquet'}.\n"
    assert pl.read_parquet(tmp_path / "table.parquet").height == table.height
    assert [made.name for made in tmp_path.iterdir()] == ["table.parquet"]
    shown = run(*asked).stdout.splitlines()
    assert shown[0].split() == table.columns
    assert "…" not in "".join(shown)
    for line, row in zip(shown[1:], lines, strict=True):
        assert all(str(value) in line for value in row.values() if value is not None)


def test_what_is_wrong_is_one_sentence(sample_url: str, tmp_path: Path) -> None:
    for options, sentence in (
        (("trades", "--start", "1 May"), "start takes a day as yyyy-MM-dd, not '1 May'."),
        (("trades", "--codes", "TSLA"), "codes takes a code as MARKET.CODE"),
        (("trades", "--csv", "--json"), "Of --csv, --json and --parquet one is taken."),
        (("trades", "--parquet", str(tmp_path / "no" / "t.parquet")), "cannot be written: No such file"),
        (("trades", "--funds", "ARKZ"), "funds takes a fund with loaded data"),
    ):
        done = run("research", *options, "--db", sample_url)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_lists_of_the_other_commands_are_whole_where_they_are_piped(sample_url: str) -> None:
    for command in ("holdings", "transactions", "ratings", "status"):
        assert "…" not in run(command, "--db", sample_url).stdout
