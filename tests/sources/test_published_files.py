"""Every real published file, complete and damaged."""

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qotgate.model import DayOrder, FileKind, Unreadable
from qotgate.sources import read
from qotgate.sources.identifiers import is_cusip, is_sedol


def total(files: list[Path], kind: FileKind) -> tuple[Counter, list]:
    counts: Counter = Counter()
    records = []
    for file in files:
        parsed = read(file.read_bytes(), name=file.name)
        assert parsed.kind is kind
        assert parsed.rejects == (), file
        counts.update(files=1, records=len(parsed.records))
        records += parsed.records
    return counts, records


def test_every_holdings_file(shared_data: Path) -> None:
    counts, holdings = total(sorted(shared_data.glob("ark/holdings/*/*.csv")), FileKind.HOLDINGS)
    assert counts == {"files": 1032, "records": 53_631}
    odd = {h.identifier for h in holdings if not is_cusip(h.identifier) and not is_sedol(h.identifier)}
    assert odd == {"X9USDDGCM", "X9USDMORS", "CHF", "EUR", "GBP", "HKD", "ILS", "JPY", "SEK", "ZAR"}
    assert {h.ticker for h in holdings} >= {"TREE UW", "DSY FP", "MOG/A", "9923", "4689", "ONVO", ""}
    assert all(h.name and h.market_value is not None and h.weight is not None for h in holdings)


def test_every_trade_notice(shared_data: Path) -> None:
    counts, notices = total(
        sorted(p for p in shared_data.glob("ark/trades/*/*") if p.is_file()), FileKind.NOTICES
    )
    assert counts == {"files": 497, "records": 3_399}
    assert all(is_cusip(notice.identifier) for notice in notices)
    assert Counter(notice.shares > 0 for notice in notices) == {True: 1854, False: 1545}
    assert {n.identifier for n in notices if n.ticker == "AVAV"} == {"008073108"}
    assert min(notice.line for notice in notices) == 5


def test_every_note(shared_data: Path) -> None:
    counts, notes = total([shared_data / "ratings" / "us_large_caps.csv"], FileKind.NOTES)
    assert counts == {"files": 1, "records": 26_400}
    assert (len({note.security for note in notes}), len({note.firm for note in notes})) == (50, 194)
    assert [note.line for note in notes] == list(range(2, 26_402))


@pytest.mark.parametrize("pattern", ["ark/trades/*/*.xls", "ark/trades/*/*.xlsx", "ark/holdings/*/*.csv"])
def test_damaged_files_are_read_or_refused(shared_data: Path, pattern: str) -> None:
    """Seeds are fixed: a failure can be reproduced."""
    files = sorted(shared_data.glob(pattern))
    for seed in range(150):
        chance = random.Random(seed)
        content = bytearray(chance.choice(files).read_bytes())
        for _ in range(chance.choice((1, 3, 10, 100))):
            most = len(content) if chance.random() < 0.7 else min(len(content), 3000)
            content[chance.randrange(most)] = chance.choice((0, 254, 255, chance.randrange(256)))
        if chance.random() < 0.1:
            del content[chance.randrange(len(content)) :]
        try:
            parsed = read(bytes(content))
        except Unreadable as problem:
            assert len(str(problem)) < 1000
        else:
            assert all(reject.line and reject.reason for reject in parsed.rejects)


PIECES = st.sampled_from(
    [
        b"date,fund,company,ticker,cusip,shares,market value,weight",
        b"ticker,firm,rating,date",
        b'{"ticker": "A", "firm": ["B"]}',
        b'"GradeDate": 1704191400000,',
        b"NaN",
        b"PAR1",
    ]
)
PREFIXES = st.sampled_from(
    [
        *(b"", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04", b"\xff\xfe", b"\xef\xbb\xbf"),
        *(b"PAR1", b"[", b"{", b"[{"),
    ]
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.tuples(
        PREFIXES, st.lists(st.one_of(PIECES, st.binary(), st.sampled_from([b"\n", b'"', b",", b"}", b"]"])))
    )
)
def test_any_bytes_are_read_or_refused(drawn: tuple[bytes, list[bytes]]) -> None:
    prefix, pieces = drawn
    try:
        read(prefix + b"".join(pieces))
    except Unreadable as problem:
        assert str(problem)


CELLS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.floats().map(str),
    st.dates().map(str),
    st.sampled_from(
        ["ARKK", "Buy", "TSLA", "88160R101", "3/4/2021", "5", "$1,000.00", "(1)", "9:30 pm", "nan", "1E400"]
    ),
)
HEADERS = (
    "fund,date,direction,ticker,cusip,name,shares,% of etf",
    "date,fund,company,ticker,cusip,shares,market value,weight",
    "date,ticker,name,firm,rating,pt,time,prior pt",
)


@settings(deadline=None)
@given(st.sampled_from(HEADERS), st.lists(st.lists(CELLS, min_size=8, max_size=8), max_size=5))
def test_any_cells_are_read_or_rejected(header: str, lines: list[list[str]]) -> None:
    quoted = [
        "\t".join('"' + cell.replace('"', '""').replace("\0", "") + '"' for cell in line) for line in lines
    ]
    content = "\n".join([header.replace(",", "\t"), *quoted]).encode()
    parsed = read(content, dates=DayOrder.MDY)
    assert len(parsed.records) + len(parsed.rejects) <= len(lines)
