"""Analyst notes as tables, one trap a test."""

from datetime import date, datetime, time

import pytest

from qotgate.model import DayOrder, FileKind, Market, Note, ParsedFile, Security, Unreadable
from qotgate.sources import read

HEADER = "ticker,name,firm,rating,price_target,date"


def rows(*lines: str, header: str = HEADER) -> ParsedFile:
    parsed = read("\n".join((header, *lines)).encode())
    assert parsed.kind is FileKind.NOTES
    return parsed


def record(line: str, header: str = HEADER) -> Note:
    parsed = rows(line, header=header)
    assert not parsed.rejects
    return parsed.records[0]


def test_a_row_is_a_note() -> None:
    assert record('NKE,"NIKE, Inc.",UBS,Buy,,2012-02-08') == Note(
        security=Security(Market.US, "NKE"),
        name="NIKE, Inc.",
        firm="UBS",
        day=date(2012, 2, 8),
        time=None,
        word="Buy",
        target=None,
        prior_word="",
        prior_target=None,
        starts=False,
        line=2,
    )


@pytest.mark.parametrize(
    "header",
    [
        "Symbol,Company,Analyst Firm,Grade,Target Price,Recommendation Date,From Grade,Prior PT,Action,Time",
        "code,stock,institution,recommendation,pt,published,last_rating,last_target_price,action,time",
        "security,company,broker,toGrade,target,day,priorRating,priorPriceTarget,action,time",
        "TICKER,NAME,brokerage,rating,Price Target,DATE,previous_rating,prior_price_target,ACTION,TIME",
    ],
)
def test_columns_go_by_many_names(header: str) -> None:
    line = 'CA.SHOP,Shopify,RBC,Outperform,"$1,500.00",2/28/2024,Hold,C,initiated,4:05 PM'
    note = record(line.replace(",C,", ",$90,"), header)
    assert (str(note.security), note.name, note.firm, note.word) == (
        "CA.SHOP",
        "Shopify",
        "RBC",
        "Outperform",
    )
    assert (note.target, note.prior_word, note.prior_target, note.starts) == (1500.0, "Hold", 90.0, True)
    assert (note.day, note.time) == (date(2024, 2, 28), time(16, 5))


def test_of_several_names_for_one_column_the_first_counts() -> None:
    assert record("Apple,AAPL,UBS,Buy,2024-01-02", "security,ticker,firm,rating,date").security.code == "AAPL"


def test_name_and_targets_may_have_no_column() -> None:
    note = record("AAPL,UBS,Buy,2024-01-02", "ticker,firm,rating,date")
    assert (note.name, note.target) == ("", None)


@pytest.mark.parametrize("missing", ["ticker", "firm", "rating", "date"])
def test_a_required_column_is_missed_by_name(missing: str) -> None:
    header = ",".join(column for column in HEADER.split(",") if column != missing)
    with pytest.raises(Unreadable, match=f"analyst notes but has no {missing} column$"):
        read(f"{header}\n".encode())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-22", None),
        ("2024/1/22", None),
        ("1/22/2024", None),
        ("22/1/2024", None),
        ("22-01-2024", None),
        ("22.01.2024", None),
        ("Jan-22-24", None),
        ("Jan 22, 2024", None),
        ("January 22 2024 4:05 PM", time(16, 5)),
        ("22-Jan-24", None),
        ("22 January 2024", None),
        ("2024-01-22T09:30:00", time(9, 30)),
        ("2024-01-22 09:30:15.123456", time(9, 30, 15)),
        ("2024-01-22T23:30:00Z", time(23, 30)),
        ("2024-01-22T23:30:00.000+08:00", time(23, 30)),
        ("2024-01-22 23:30:00-0500", time(23, 30)),
        ("1/22/2024 4:05 PM", time(16, 5)),
        ("22/1/2024 12:05 am", time(0, 5)),
    ],
)
def test_dates_and_times_stand_as_written(text: str, expected: time | None) -> None:
    note = record(f'AAPL,,UBS,Buy,,"{text}"')
    assert (note.day, note.time) == (date(2024, 1, 22), expected)


def days(*written: str, dates: DayOrder | None = None) -> list[str]:
    lines = [f"AAPL,,UBS,Buy,,{text}" for text in written]
    parsed = read("\n".join((HEADER, *lines)).encode(), dates=dates)
    return [str(note.day) for note in parsed.records]


def test_one_day_above_12_tells_the_order_of_a_file() -> None:
    assert days("1/2/2024", "3/4/2024", "13/4/2024") == ["2024-02-01", "2024-04-03", "2024-04-13"]
    assert days("1/2/2024", "3/4/2024", "4/13/2024") == ["2024-01-02", "2024-03-04", "2024-04-13"]
    assert days("1/2/2024 4:05 PM", "2024-05-06", "13-4-2024") == ["2024-02-01", "2024-05-06", "2024-04-13"]


def test_days_that_may_be_either_are_refused_unless_the_user_says_which() -> None:
    with pytest.raises(Unreadable) as refused:
        days("5/5/2024", "1/2/2024")
    assert str(refused.value) == (
        "its days may be D/M/Y or M/D/Y, as '1/2/2024' in line 3; load it with --dates dmy or --dates mdy"
    )
    assert days("5/5/2024", "1/2/2024", dates=DayOrder.DMY) == ["2024-05-05", "2024-02-01"]
    assert days("5/5/2024", "1/2/2024", dates=DayOrder.MDY) == ["2024-05-05", "2024-01-02"]
    assert days("5/5/2024") == ["2024-05-05"]
    assert days("01.02.2024") == ["2024-02-01"]


def test_a_file_with_days_in_both_orders_is_refused_unless_the_user_says_which() -> None:
    with pytest.raises(
        Unreadable, match=r"M/D/Y \('1/13/2024' in line 2\) and as D/M/Y \('14/2/2024' in line 4\)"
    ):
        days("1/13/2024", "3/4/2024", "14/2/2024")
    assert days("1/13/2024", "3/4/2024", "14/2/2024", dates=DayOrder.DMY) == ["2024-04-03", "2024-02-14"]


def test_an_arrow_in_a_cell_has_what_was_before_on_its_left() -> None:
    for arrow in ("→", " ➝ ", " -> ", "=>"):
        note = record(f'AAPL,,UBS,Hold{arrow}Buy,"$1,450{arrow}$1,465",2024-01-22')
        assert (note.prior_word, note.word, note.prior_target, note.target) == ("Hold", "Buy", 1450.0, 1465.0)
    (reject,) = rows("AAPL,,UBS,Hold → Buy → Sell,,2024-01-22").rejects
    assert reject.reason == "rating is 'Hold → Buy → Sell', with more than one arrow"
    own = record("AAPL,UBS,Hold → Buy,2024-01-22,Sell", "ticker,firm,rating,date,prior rating")
    assert (own.prior_word, own.word) == ("Sell", "Buy")


@pytest.mark.parametrize(
    "text",
    ["2024-02-30", "2024-01-02T25:00", "2024-01-02 13:00 PM", "1/2/2024 noon", "1492-01-02", "20240102"],
)
def test_a_date_or_time_that_is_none_is_a_reject(text: str) -> None:
    (reject,) = rows(f"AAPL,,UBS,Buy,,{text}").rejects
    assert reject.reason.startswith("date is '")


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ('"$1,500.00"', 1500.0),
        ("", None),
        ("0", None),
        ("$0.00", None),
        ("-", None),
        ("N/A", None),
        ("45", 45.0),
    ],
)
def test_targets(text: str, target: float | None) -> None:
    assert record(f"AAPL,,UBS,Buy,{text},2024-01-02").target == target


@pytest.mark.parametrize("text", ["-5", "(5)", "nan", "inf", "1e999", "45-50", "C$45", "--5"])
def test_a_target_that_is_no_price_is_a_reject(text: str) -> None:
    (reject,) = rows(f"AAPL,,UBS,Buy,{text},2024-01-02").rejects
    assert reject.reason.startswith(f"price_target is '{text}', ")


def test_a_rating_may_be_blank_beside_a_target_only() -> None:
    assert record("AAPL,,UBS,N/A,45,2024-01-02").word == ""
    (reject,) = rows("AAPL,,UBS,,,2024-01-02").rejects
    assert reject.reason == "the row has neither a rating nor a price target"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("AAPL,Apple,,Buy,,2024-01-02", "firm is blank"),
        (",Apple,UBS,Buy,,2024-01-02", "ticker is '', not a ticker such as TSLA, TSX:SHOP or CA.SHOP"),
        (
            "9923,Yeahka,UBS,Buy,,2024-01-02",
            "ticker is '9923', not a ticker such as TSLA, TSX:SHOP or CA.SHOP",
        ),
        ("AAPL,Apple,UBS,Buy,,", "date is blank"),
        ("AAPL,Apple,UBS,Buy,,2024-01-02,extra", "the row has 7 cells, the header 6"),
        ("AAPL,Apple,UBS,Buy", "the row has 4 cells, the header 6"),
    ],
)
def test_a_row_that_lacks_something_is_a_reject(line: str, reason: str) -> None:
    parsed = rows("AAPL,,UBS,Buy,,2024-01-02", line)
    assert len(parsed.records) == 1
    assert [(reject.line, reject.reason) for reject in parsed.rejects] == [(3, reason)]


@pytest.mark.parametrize(
    ("action", "starts"),
    [
        *(
            (word, True)
            for word in ("init", "Initiated", "initiates coverage on", "Initiation", "initialise", "首次覆盖")
        ),
        *(
            (word, True)
            for word in ("coverage starts", "Starts coverage at", "started", "New Coverage", "begins")
        ),
        *(
            (word, False)
            for word in ("", "reiterated", "reit", "main", "upgrade", "down", "Resumed", "reinstated")
        ),
        *(
            (word, False)
            for word in ("re-initiated", "Reinitiates coverage", "restarts coverage", "drops coverage")
        ),
    ],
)
def test_only_words_of_initiation_start_coverage(action: str, starts: bool) -> None:
    assert record(f"AAPL,UBS,Buy,2024-01-02,{action}", "ticker,firm,rating,date,action").starts is starts


def test_lines_of_prose_and_blank_lines_are_passed_over() -> None:
    parsed = rows("", "AAPL,,UBS,Buy,,2024-01-02", ",,,,,", "Source: a feed")
    assert (len(parsed.records), parsed.rejects) == (1, ())


def test_a_column_twice_is_refused_only_if_it_is_wanted() -> None:
    assert record("AAPL,UBS,Buy,2024-01-02,x,y", "ticker,firm,rating,date,memo,memo").firm == "UBS"
    with pytest.raises(Unreadable, match="analyst notes but has 2 columns headed 'Rating'"):
        read(b"ticker,firm,Rating,date,rating\n")


def test_a_spreadsheet_of_notes(workbook) -> None:
    """Excel converts TRUE to a truth value, and dates and times to its own types."""
    parsed = read(
        workbook(
            [
                ["ticker", "firm", "rating", "date", "price target", "time"],
                [True, "UBS", "Buy", date(2024, 1, 2), 45.5, time(9, 30)],
                ["AAPL", "UBS", "Buy", datetime.combine(date(2024, 1, 2), time(16, 5)), "-", None],
                [date(2024, 3, 1), "UBS", "Buy", date(2024, 1, 2), 45.5, None],
                ["AAPL", "UBS", "Buy", date(2024, 1, 2), 45.5, 0.25],
            ]
        )
    )
    assert [(note.security.code, note.target, note.time) for note in parsed.records] == [
        ("TRUE", 45.5, time(9, 30)),
        ("AAPL", None, time(16, 5)),
    ]
    assert [reject.line for reject in parsed.rejects] == [4, 5]
