"""JSON in its forms, one trap a test."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qotgate.model import Note, Unreadable
from qotgate.sources import read
from qotgate.sources.json_tables import json_tables
from qotgate.sources.lines import MAX_CELLS

RECORD = {"ticker": "AAPL", "firm": "UBS", "rating": "Buy", "date": "2024-01-02"}
OTHER = {"date": "2024-01-03", "price target": 45.5, "ticker": "MSFT", "firm": "JPM", "rating": None}


def notes(text: str) -> list[Note]:
    parsed = read(text.encode())
    assert parsed.rejects == ()
    return list(parsed.records)


def rejects(text: str) -> list[tuple[int, str]]:
    return [(reject.line, reject.reason) for reject in read(text.encode()).rejects]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([RECORD, OTHER]),
        json.dumps([RECORD, OTHER], indent=2),
        json.dumps({"ratings": [RECORD, OTHER]}),
        json.dumps({"status": "ok", "symbols": ["AAPL"], "count": 2, "data": [RECORD, OTHER]}),
        json.dumps({"columns": [*OTHER], "data": [[RECORD.get(name) for name in OTHER], [*OTHER.values()]]}),
        json.dumps({"a": RECORD, "b": OTHER}),
        json.dumps({name: {"7": RECORD.get(name), "8": OTHER[name]} for name in OTHER}),
        json.dumps(RECORD) + "\n" + json.dumps(OTHER),
    ],
    ids=["list", "indented", "ratings", "data", "split", "index", "columns", "lines"],
)
def test_every_form_gives_the_same_notes(text: str) -> None:
    found = [(note.line, note.security.code, note.word, note.target, note.day.day) for note in notes(text)]
    assert found == [(1, "AAPL", "Buy", None, 2), (2, "MSFT", "", 45.5, 3)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(encoding: str) -> None:
    text = json.dumps([RECORD | {"name": "Société “é”"}], ensure_ascii=False)
    assert read(b" \r\n" * (encoding == "utf-8") + text.encode(encoding)).records[0].name == "Société “é”"


def test_ndjson_has_the_lines_that_an_editor_shows() -> None:
    line = json.dumps(RECORD | {"name": "a\u2028b"}, ensure_ascii=False)
    text = "\r\n".join(["", line, "", line, '{"ticker": ', "[1]", line, ""])
    parsed = read(text.encode())
    assert [note.line for note in parsed.records] == [2, 4, 7]
    (five, broken), six = [(reject.line, reject.reason) for reject in parsed.rejects]
    assert (five, six) == (5, (6, "the record is no JSON object"))
    assert broken.startswith("the record is no JSON object: Expecting value")


def test_what_is_no_record_is_a_reject() -> None:
    assert rejects(json.dumps([RECORD, "AAPL", 5, None, [RECORD]])) == [
        (number, "the record is no JSON object") for number in (2, 3, 4, 5)
    ]
    split = {"columns": [*RECORD], "index": [5], "data": [[*RECORD.values()], "x", ["AAPL", "UBS"]]}
    assert rejects(json.dumps(split)) == [(2, "the row is no list"), (3, "the row has 3 cells, the header 5")]


@pytest.mark.parametrize(
    ("value", "target"),
    [("45", 45.0), ("4.55e1", 45.5), ("null", None), ("NaN", None), ("Infinity", None), ("-Infinity", None)],
)
def test_numbers(value: str, target: float | None) -> None:
    text = json.dumps([RECORD | {"pt": 0}]).replace('"pt": 0', f'"pt": {value}')
    assert notes(text)[0].target == target


@pytest.mark.parametrize("value", ["1e999", "9" * 5000, "true", "[45]", '{"value": 45}'])
def test_what_is_no_number_is_a_reject(value: str) -> None:
    text = json.dumps([RECORD | {"pt": 0}]).replace('"pt": 0', f'"pt": {value}')
    ((line, reason),) = rejects(text)
    assert line == 1
    assert reason.startswith("pt is '")


def test_what_is_nested_in_a_column_that_nobody_reads_does_no_harm() -> None:
    assert len(notes(json.dumps([RECORD | {"links": [{"a": 1}], "more": {"b": 2}}]))) == 1


@pytest.mark.parametrize(
    ("date", "shown"),
    [
        (1704191400, "2024-01-02 10:30:00"),
        (1704191400.0, "2024-01-02 10:30:00"),
        (1704191400999, "2024-01-02 10:30:00"),
        ("1704191400000000", "2024-01-02 10:30:00"),
        (1704191400000000001, "2024-01-02 10:30:00"),
        (946684800000, "2000-01-01 00:00:00"),
        ("2024-01-02T10:30:00.000Z", "2024-01-02 10:30:00"),
    ],
)
def test_a_date_may_be_a_time_since_1970(date: object, shown: str) -> None:
    (note,) = notes(json.dumps([RECORD | {"date": date}]))
    assert f"{note.day} {note.time}" == shown


@pytest.mark.parametrize("date", [20240102, 45293, 0, -1704191400, 17041914000, "4704191400", True])
def test_other_numbers_are_no_date(date: object) -> None:
    ((_, reason),) = rejects(json.dumps([RECORD | {"date": date}]))
    assert reason.startswith("date is '")


def test_a_lone_surrogate_is_replaced() -> None:
    """JSON can write one; no database and no terminal can."""
    assert notes(json.dumps([RECORD | {"firm": "U\ud800S"}]))[0].firm == "U\ufffdS"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "the JSON holds no records"),
        ("{}", "the JSON holds no records"),
        ('{"ratings": []}', "the JSON holds no records"),
        ('{"Error Message": "Invalid API KEY."}', "it is of no known format"),
        (json.dumps([RECORD])[:-5], "the JSON is damaged or cut short: "),
        (json.dumps([RECORD], indent=1)[:-5], "the JSON is damaged or cut short: "),
        ("{\\rtf1 text}", "the JSON is damaged or cut short: "),
        ("[" * 100_000, "the JSON is nested too deep"),
        ('{"a":' * 100_000, "the JSON is nested too deep"),
        (
            json.dumps([{"firm": "UBS", "rating": "Buy"}]),
            "it looks like analyst notes but has no ticker or date columns",
        ),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(text: str, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(text.encode())
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize(
    "text",
    [
        "[" + "0," * (2 * MAX_CELLS + 1) + "0]",
        json.dumps([{str(number): 0} for number in range(3000)]),
        json.dumps({str(number): {str(number): 0} for number in range(3000)}),
    ],
    ids=["values", "records", "labels"],
)
def test_too_many_cells_are_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="more than 5,000,000 cells"):
        read(text.encode())


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from([*RECORD, "index", "columns", "data", "GradeDate", "ToGrade", ""]),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=20,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(JSON, min_size=1, max_size=3), st.integers(0, 60))
def test_any_json_is_read_or_refused(values: list, cut: int) -> None:
    text = "\n".join(map(json.dumps, values))
    for content in (text, text[:-cut], text[cut:]):
        try:
            parsed = read(content.encode(), name="AAPL.json")
        except Unreadable as problem:
            assert str(problem)
        else:
            assert all(reject.line and reject.reason for reject in parsed.rejects)


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries({}, optional={name: st.text() for name in RECORD}), min_size=1))
def test_every_record_is_a_line(records: list[dict[str, str]]) -> None:
    for table in json_tables(json.dumps(records)):
        assert [line.number for line in table] == list(range(len(records) + 1))
