"""Deceptive names of files and texts in files: they are shown escaped, and no terminal, page or spreadsheet
obeys them."""

import csv
import os
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from unicodedata import bidirectional, category

import httpx
import polars as pl
import pytest

from qotgate.service.loading import LoadReport, find_files, load
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.support.serving import QOTGATE, serving

TEXT = "ticker,name,firm,rating,price_target,date\nMU,{},UBS,Hold,,2026-06-01\n"
NAMES = (
    "new\nline.csv",
    "\x1b]0;title\x07\x1b[31mred.csv",
    "fdp.\u202evsc.csv",
    "<img src=x onerror=alert(1)>.csv",
    "a..%2f..%2fetc%2fpasswd.csv",
    "=cmd()|'x'.csv",
    "日报　一.csv",
    "a" * 250 + ".csv",
)
BYTES = b"bytes\xff\xfe.csv"


def obeyed(text: str) -> set[str]:
    """The parts of a text that a terminal or a page would interpret."""
    return {one for one in text if category(one) == "Cc" or bidirectional(one) in ("RLO", "LRO")} - {"\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files with such names, and entries that are not files; each file has its own contents."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number, name in enumerate((*NAMES, os.fsdecode(BYTES))):
        (folder / name).write_text(TEXT.format(f"Name {number}"))
    (folder / "loop").symlink_to(folder)
    (folder / "dangling.csv").symlink_to(folder / "nowhere.csv")
    (folder / "zero.csv").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.csv")
    (folder / "deep").mkdir()
    (folder / "deep" / "up").symlink_to("..")
    return folder


def test_what_is_no_file_is_passed_over(folder: Path) -> None:
    assert len(find_files([folder])) == len(NAMES) + 1
    assert len(find_files([folder / "loop", folder / "deep" / "up", folder])) == len(NAMES) + 1


def test_names_are_shown_for_what_they_are(folder: Path, tmp_path: Path) -> None:
    (folder / "broken\x1b[2J.csv").write_text("nonsense\n")
    url = f"sqlite:///{tmp_path / 'names.db'}"
    done = subprocess.run(
        [*QOTGATE, "load", "--db", url, str(folder)], capture_output=True, text=True, check=True
    )
    assert obeyed(done.stdout) == set()
    assert "broken\\x1b[2J.csv" in done.stdout
    with serving(url, "--http-port", "0", "--lang", "en") as gateway:
        pages = [httpx.get(f"{gateway.pages}{path}") for path in ("/data", "/data/files", "/data/rejects")]
        pages += [httpx.get(f"{gateway.pages}/files/{number}") for number in range(1, len(NAMES) + 2)]
        rows = httpx.get(f"{gateway.pages}/api/v1/ratings/changes?count=all").json()["rows"]
    for page in pages:
        assert page.status_code == 200
        assert obeyed(page.text) == set()
        assert "<img" not in page.text
    shown = "\n".join(page.text for page in pages)
    for name in (
        "new\\nline.csv",
        "\\x1b]0;title\\x07\\x1b[31mred.csv",
        "fdp.\\u202evsc.csv",
        "日报　一.csv",
    ):
        assert name in shown
    assert len(rows) == 1


@pytest.mark.parametrize("name", ["\x1b]0;x\x07Micron", "\u202enorciM", "Mic\x00ron\x9b", "Micron\u2066"])
def test_a_name_within_a_file_is_bare(store: Store, load_text: Callable[..., LoadReport], name: str) -> None:
    load_text(notes=TEXT.format(f'"{name}"').replace("\x00", ""))
    with store.reading() as connection:
        (kept,) = connection.exec_driver_sql("SELECT name FROM note").scalars()
    assert obeyed(kept) == set()
    assert "ic" in kept or "ci" in kept


FORMULAS = ("=1+1", "+2", "-3", "@SUM(A4)", '=HYPERLINK("x5","y")', "＝6+1", "＠SUM(A7)")


def test_a_text_in_csv_is_no_formula(store: Store, reference: Reference, tmp_path: Path) -> None:
    """CSV is opened in spreadsheets; in JSON and Parquet, which programs read, texts are unchanged."""
    path = tmp_path / "notes.csv"
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("ticker", "name", "firm", "rating", "price_target", "date"))
        lines.writerows(("MU", text, text, "Buy", 20.5, "2026-06-01") for text in FORMULAS)
    assert load(store, reference, find_files([path])).rejected == 0
    with serving(str(store.engine.url), "--http-port", "0", "--lang", "en") as gateway:
        changes = f"{gateway.pages}/api/v1/ratings/changes"
        told = httpx.get(f"{changes}.json?count=all").json()["rows"]
        by_suffix = httpx.get(f"{changes}.csv?count=all").content
        by_header = httpx.get(f"{changes}?count=all", headers={"Accept": "text/csv"}).content
        parquet = httpx.get(f"{changes}.parquet?count=all").content
    names = [row["institution"] for row in told]
    assert set(names) == set(FORMULAS)
    assert pl.read_parquet(BytesIO(parquet))["institution"].to_list() == names
    assert by_header == by_suffix
    table = pl.read_csv(by_suffix)
    assert table["institution"].to_list() == [f"'{name}" for name in names]
    assert set(table["target_price"]) == {20.5}


def test_numbers_in_csv_stay_numbers(sample_url: str) -> None:
    with serving(sample_url, "--http-port", "0") as gateway:
        table = pl.read_csv(httpx.get(f"{gateway.pages}/api/v1/ark/transactions/US.TSLA.csv").content)
    assert table["shares"].dtype == pl.Int64
    assert table["shares"].min() < 0
