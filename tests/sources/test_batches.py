"""Many lines read at once give the same as each line by itself: records, rejects and reasons."""

import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qotgate.model import ParsedFile, Unreadable
from qotgate.sources import layout, read_here
from qotgate.sources.tabular import is_text
from tests.support.paths import ROOT

SAMPLE = sorted((ROOT / "src/qotgate/sample").rglob("*.csv"))
HOLDINGS = "date,fund,company,ticker,cusip,shares,market value ($),weight (%)"
NOTES = "ticker,exchange,name,firm,rating,price target,prior rating,prior target,date,time,action"
CELLS = (
    *(
        "",
        " ",
        "ARKK",
        "arkk ",
        "TSLA",
        "tsla uw",
        "US.TSLA",
        "NYSE",
        "XETRA",
        "88160R101",
        "896239100",
        "USD",
    ),
    *(
        "2026-06-01",
        "6/1/2026",
        "6/30/2026",
        "2026-06-01 09:30",
        "13/13/2026",
        "09:30",
        "4:05 PM",
        "1767225600",
    ),
    *("1,000", "$1,000.50", "12.5%", "(5)", "-0", "1e400", "1e-7", "+7.", "１２", "nan", "1" * 501),
    *(
        "Buy",
        "Hold → Buy",
        "$5 → $6",
        "-",
        "N/A",
        "init",
        "UBS",
        "T\u00e9l\u00e9com\u00a0SA",
        "a\u200eb",
        '"A, ""B"""',
        '"two\nlines"',
        '"open',
    ),
)


def outcome(content: bytes) -> ParsedFile | str:
    try:
        return read_here(content, name="AAPL.csv")
    except Unreadable as refused:
        return str(refused)


def check(contents: Iterable[bytes]) -> None:
    """Read all of ``contents`` at once and line by line."""
    with pytest.MonkeyPatch.context() as patch:
        found = [(content, outcome(content)) for content in contents]
        patch.setattr(layout._Table, "_at_once", lambda _, lines: [None] * len(lines))
        for content, at_once in found:
            assert at_once == outcome(content)


LINES = st.lists(st.sampled_from(CELLS), min_size=6, max_size=12).map(",".join)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from((HOLDINGS, NOTES)), st.lists(LINES, max_size=8), st.permutations(NOTES.split(",")))
def test_odd_lines(header: str, lines: list[str], other: list[str]) -> None:
    whole = [
        '2026-06-01,ARKK,TESLA INC,TSLA,88160R101,"1,000",$5.00,1%',
        "TSLA,NYSE,Tesla,UBS,Buy,5,Hold,4,2026-06-01,09:30,up",
    ]
    text = [header, *whole, *lines, HOLDINGS, *whole, ",".join(other), *lines, header, *whole]
    check(["\n".join(text).encode(), "\r\n".join(text).replace(",", "\t").encode()])


def test_headers_that_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of joined files, each with other columns."""
    monkeypatch.setattr(layout, "MIN_BATCH", 2)
    first = ["ticker,firm,rating,date", *(f"TSLA,Firm {number},Buy,2026-06-01" for number in range(9))]
    other = ["date,rating,firm,ticker", *(f"2026-06-01,Buy,Firm {number},TSLA" for number in range(9))]
    content = "\n".join([*first, *other, *first, *other[:1], *other]).encode()
    found = outcome(content)
    assert isinstance(found, ParsedFile)
    assert [record.firm for record in found.records] == [f"Firm {number}" for number in range(9)] * 4
    assert [record.line for record in found.records][-1] == 41
    assert not found.rejects
    check([content])


def test_damaged_files() -> None:
    chance = random.Random(4)
    contents = []
    for content in (path.read_bytes() for path in SAMPLE for _ in range(4)):
        lines = content.split(b"\n")
        for _ in range(3):
            place = chance.randrange(len(lines))
            cells = lines[place].split(b",")
            cells[chance.randrange(len(cells))] = chance.choice(CELLS).encode()
            lines[place] = b",".join(cells)
        lines.insert(chance.randrange(len(lines)), chance.choice(lines))
        contents += [content, b"\n".join(lines)]
    check(contents)


@pytest.mark.slow
def test_published_files(shared_data: Path) -> None:
    check(path.read_bytes() for path in shared_data.rglob("*.csv"))


def test_the_corpus() -> None:
    """The corpus of fuzzing."""
    kept = (path.read_bytes() for path in (ROOT / "fuzz/corpus").rglob("*") if path.is_file())
    check(content for content in kept if is_text(content))
