"""Research tables on the wire: parts survive a round trip; parameters are parsed, or refused with a
sentence."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qotgate.model import InvalidRequest, Part
from qotgate.protocol.body import FORMATS, decode, encode
from qotgate.protocol.messages import RESPONSES, ProtoId
from qotgate.protocol.research import TABLES, Kind, columns_of, read_part, table_named, write_part

VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.TEXT: st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    Kind.WHOLE: st.integers(-(2**63), 2**63 - 1),
    Kind.REAL: st.floats(allow_nan=False, allow_infinity=False),
    Kind.TRUTH: st.booleans(),
    Kind.DAY: st.dates(),
}


@st.composite
def parts(draw: st.DrawFn) -> tuple[str, Part[tuple[Any, ...]]]:
    name = draw(st.sampled_from(sorted(TABLES)))
    cells = [
        st.none() | VALUES[kind] if optional else VALUES[kind]
        for kind, optional in columns_of(TABLES[name].row).values()
    ]
    rows = draw(st.lists(st.tuples(*cells), max_size=4))
    return name, Part(tuple(rows), draw(st.none() | st.just("next")), draw(st.none() | st.dates()))


@given(parts(), st.sampled_from(sorted(FORMATS)))
def test_what_is_written_is_read(given_part: tuple[str, Part[tuple[Any, ...]]], body_format: int) -> None:
    name, part = given_part
    table = TABLES[name]
    body = encode(write_part(table.row, part), body_format)
    s2c = decode(RESPONSES[ProtoId.Qotgate_GetResearch], body, body_format).s2c
    found = read_part(table, s2c)
    columns = columns_of(table.row)
    assert [tuple(getattr(row, one) for one in columns) for row in found.rows] == list(part.rows)
    assert (found.next_page, found.known_to) == (part.next_page, part.known_to)


def test_no_number_that_is_none_goes_out() -> None:
    table = TABLES["positions"]
    rows = tuple(
        (date(2026, 1, 2), "ARKK", None, "", number, 1.0, None, None, None, None, None)
        for number in (float("nan"), float("inf"), 2.0)
    )
    found = read_part(table, write_part(table.row, Part(rows, None)).s2c)
    assert [row.shares for row in found.rows] == [None, None, 2.0]


def test_a_column_that_is_missing_is_null_or_an_error() -> None:
    table = TABLES["latest_days"]
    s2c = write_part(table.row, Part((("trades", "ARKK", date(2026, 1, 2)),), None)).s2c
    s2c.columns.add(name="of a later version", kind=7)
    assert len(read_part(table, s2c).rows) == 1
    del s2c.columns[0]
    with pytest.raises(ValueError, match="lacks the column kind"):
        read_part(table, s2c)


@pytest.mark.parametrize("damage", ["short", "word", "null", "kind"])
def test_a_damaged_part_is_no_rows(damage: str) -> None:
    table = TABLES["latest_days"]
    s2c = write_part(table.row, Part((("trades", "ARKK", date(2026, 1, 2)),), None)).s2c
    if damage == "short":
        s2c.rowCount = 2
    elif damage == "word":
        s2c.columns[0].places[0] = 1
    elif damage == "null":
        s2c.columns[2].nulls.append(5)
    else:
        s2c.columns[0].kind = Kind.DAY
    with pytest.raises(ValueError, match="column"):
        read_part(table, s2c)


@pytest.mark.parametrize(
    ("name", "given_texts", "sentence"),
    [
        ("trades", {"start": ["2026-1-2"]}, "start takes a day as yyyy-MM-dd, not '2026-1-2'."),
        ("trades", {"start": ["20260102"]}, "start takes a day"),
        ("trades", {"start": ["2026-01-02", "2026-01-03"]}, "start takes one value, not 2."),
        ("trades", {"start": ["2026-01-03"], "end": ["2026-01-02"]}, "start takes a day up to end"),
        ("trades", {"codes": ["TSLA"]}, "codes takes a code as MARKET.CODE"),
        ("trades", {"cods": ["US.TSLA"]}, "The table trades has no parameter 'cods'; it takes start, "),
        ("coverage", {"start": ["2026-01-02"]}, "it takes none."),
        ("streaks", {"days": ["1"]}, "days takes a whole number from 2 to 250, not '1'."),
        ("streaks", {"days": ["٣"]}, "days takes a whole number"),
        ("streaks", {"side": ["up"]}, "side takes one of ALL, BUY, SELL, not 'UP'."),
        ("dynamics", {"codes": ["held", "all"]}, "codes takes a code"),
        ("trades", {"codes": ["US.A"] * 10_001}, "codes takes at most 10000 values, not 10001."),
    ],
)
def test_parameters_that_are_refused(name: str, given_texts: dict[str, list[str]], sentence: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        TABLES[name].values(given_texts)
    assert sentence in str(refused.value)


def test_parameters_are_read_in_any_case() -> None:
    table = table_named("Rating-Changes")
    values = table.values(
        table.split({"codes": ["us.aapl,ca.shop"], "institutions": ["Stifel, Nicolaus"], "market": ["us"]})
    )
    assert [str(code) for code in values["codes"]] == ["US.AAPL", "CA.SHOP"]
    assert values["institutions"] == ("Stifel, Nicolaus",)
    assert (values["market"], values["change_type"], values["start"]) == ("US", "ALL", None)
    assert TABLES["trades"].values({"codes": []})["codes"] == ()
    with pytest.raises(InvalidRequest, match="table takes one of dynamics, trades,"):
        table_named("trade")
