"""Holdings files, one trap a test."""

from datetime import date, datetime, time

import pytest

from qotgate.model import FileKind, Holding, ParsedFile, Unreadable
from qotgate.sources import read

HEADER = 'date,fund,company,ticker,cusip,shares,"market value($)",weight(%)'
ROW = '3/4/2021,ARKQ,"TESLA INC",TSLA,88160R101,530925.00,329938032.00,10.03'


def rows(*lines: str, header: str = HEADER) -> ParsedFile:
    parsed = read("\n".join((header, *lines)).encode())
    assert parsed.kind is FileKind.HOLDINGS
    return parsed


def record(line: str = ROW, header: str = HEADER) -> Holding:
    parsed = rows(line, header=header)
    assert not parsed.rejects
    return parsed.records[0]


def reason(line: str) -> str:
    parsed = rows(ROW, line)
    assert len(parsed.records) == 1
    assert [reject.line for reject in parsed.rejects] == [3]
    return parsed.rejects[0].reason


def test_a_row_is_a_holding() -> None:
    day = date(2021, 3, 4)
    expected = Holding("ARKQ", day, "TSLA", "88160R101", "TESLA INC", 530925.0, 329938032.0, 10.03, 2)
    assert record() == expected


@pytest.mark.parametrize(
    "header",
    [
        'date,fund,company,ticker,cusip,shares,"market value ($)","weight (%)"',
        "\ufeffDate, Fund ,Company,TICKER,CUSIP,Shares,Market Value($),Weight (%)",
        "date,fund,company,ticker,cusip,shares,market_value,weight,,,",
    ],
)
def test_every_variant_of_the_header_is_the_same_format(header: str) -> None:
    assert record(header=header) == record()


def test_columns_may_come_in_any_order_with_others_between() -> None:
    header = "weight,junk,shares,cusip,ticker,company,fund,date,market value($)"
    assert record("10.03,x,530925,88160R101,TSLA,TESLA INC,ARKQ,2021-03-04,329938032", header) == record()


def test_without_shares_the_whole_file_is_refused() -> None:
    header = 'date,fund,company,ticker,cusip,"market value($)",weight(%)'
    with pytest.raises(Unreadable, match=r"looks like ARK holdings but has no shares column$"):
        read(f"{header}\n3/4/2021,ARKQ,TESLA INC,TSLA,88160R101,329938032.00,10.03\n".encode())


@pytest.mark.parametrize(
    "text", ["3/4/2021", "03/04/2021", "2021-03-04", "2021/3/4", "3/4/2021 0:00", " 3/4/2021 "]
)
def test_dates_in_every_spelling(text: str) -> None:
    assert record(ROW.replace("3/4/2021", text)).day == date(2021, 3, 4)


@pytest.mark.parametrize(
    "text", ["13/4/2021", "2/30/2021", "3/4/1999", "3/4/2101", "44259", "3/4/21", "0/0/0000", "٣/4/2021"]
)
def test_a_date_that_is_none_is_a_reject(text: str) -> None:
    assert reason(ROW.replace("3/4/2021", text)).startswith(f"date is '{text}', ")


@pytest.mark.parametrize(
    ("shares", "value", "weight", "expected"),
    [
        ("530,925", "$329,938,032.00", "10.03%", (530925.0, 329938032.0, 10.03)),
        ("(1,234.5)", "($5.00)", "-0.01%", (-1234.5, -5.0, -0.01)),
        (" 0.24 ", "", " ", (0.24, None, None)),
        ("-.5", "-$5", "1E-3", (-0.5, -5.0, 0.001)),
        ("+7.", "$(3)", "0", (7.0, -3.0, 0.0)),
    ],
)
def test_numbers_in_every_dress(shares: str, value: str, weight: str, expected: tuple) -> None:
    found = record(f'3/4/2021,ARKQ,X,X,,"{shares}","{value}","{weight}"')
    assert (found.shares, found.market_value, found.weight) == expected


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-Infinity", "1e999", "abc", "1.2.3", '"10,03"', '"1,23,456"', "5%", "$5", "١"]
)
def test_a_number_that_is_none_is_a_reject_that_names_column_and_value(text: str) -> None:
    bare = text.strip('"')
    assert reason(ROW.replace("530925.00", text)).startswith(f"shares is '{bare}', not a ")


def test_a_value_whose_sums_would_have_no_number_is_a_reject() -> None:
    assert (
        reason(ROW.replace("329938032.00", "1e308"))
        == "market value($) is '1e308', neither 0 nor from 1e-06 to 1e+15"
    )


def test_blank_shares_and_a_blank_fund_are_rejects() -> None:
    assert reason(ROW.replace("530925.00", "")) == "shares is blank"
    assert reason(ROW.replace("ARKQ", "\xa0")) == "fund is blank"


def test_a_security_needs_ticker_identifier_or_name() -> None:
    assert "names no security" in reason("3/4/2021,ARKQ, ,,-,1,1,1")
    cash = record("3/4/2021,ARKQ,EURO,,EUR,1,1,1")
    assert (cash.ticker, cash.identifier, cash.name) == ("", "EUR", "EURO")


@pytest.mark.parametrize(
    ("cell", "ticker"),
    [
        ('"ONVO "', "ONVO"),
        ("TREE  UW", "TREE UW"),
        ("DSY\xa0FP", "DSY FP"),
        ("mog/a", "MOG/A"),
        ("9923", "9923"),
    ],
)
def test_tickers_lose_their_padding_and_keep_their_exchange(cell: str, ticker: str) -> None:
    assert record(ROW.replace("TSLA", cell)).ticker == ticker


def test_a_name_has_no_padding_and_may_span_lines() -> None:
    parsed = rows(ROW.replace("TESLA INC", "\xa0TESLA\n  INC "), ROW)
    assert [(holding.name, holding.line) for holding in parsed.records] == [
        ("TESLA INC", 2),
        ("TESLA INC", 4),
    ]


def test_blank_rows_and_the_disclaimer_are_passed_over() -> None:
    parsed = rows(
        ROW, ",,,,,,,", "", " , ,,,,,,", '"The principal risks, and others,\nof investing",,,,,,', "the end"
    )
    assert (len(parsed.records), parsed.rejects) == (1, ())


def test_a_date_alone_is_a_row_cut_short() -> None:
    assert reason("3/4/2021") == "the row has 1 cells, the header 8"
    assert reason("3/4/2021,,,,,,,") == "fund is blank"


def test_a_row_with_more_or_fewer_cells_than_the_header_is_not_misread() -> None:
    assert reason(ROW.replace('"TESLA INC"', "TESLA, INC")) == "the row has 9 cells, the header 8"
    assert reason(ROW.rsplit(",", 1)[0]) == "the row has 7 cells, the header 8"
    assert record(ROW + ",,, ") == record()


def test_a_stray_quote_costs_its_own_line_only() -> None:
    assert "cannot be split" in reason('3/4/2021,ARKQ,"TESLA" INC,TSLA,88160R101,530925,1,1')
    parsed = rows('3/4/2021,ARKQ,"TESLA INC,TSLA,88160R101,1,1,1', ROW, ROW)
    assert [reject.line for reject in parsed.rejects] == [2]
    assert [holding.line for holding in parsed.records] == [4]


def test_a_very_long_cell_costs_its_own_line_only() -> None:
    assert "field larger than field limit" in reason(ROW.replace("TESLA INC", "x" * 200_000))
    assert len(reason(ROW.replace("530925.00", "x" * 100_000))) < 100


def test_joined_files_are_read_through_their_headers() -> None:
    other = 'fund,date,company,ticker,cusip,shares,"market value ($)","weight (%)"'
    line = '"ARKK","03/05/2021","TESLA INC","TSLA","88160R101","3,834,077","$2,649,538,910.85","11.07%"'
    parsed = rows(ROW, "", "the disclaimer,,,,,,", "\ufeff" + HEADER, ROW, other, line)
    assert parsed.rejects == ()
    assert [(holding.fund, holding.line) for holding in parsed.records] == [
        ("ARKQ", 2),
        ("ARKQ", 6),
        ("ARKK", 8),
    ]


def test_a_header_alone_gives_no_records() -> None:
    assert rows() == ParsedFile(FileKind.HOLDINGS, (), ())


def test_a_column_twice_is_refused() -> None:
    with pytest.raises(Unreadable, match="ARK holdings but has 2 columns headed 'shares'"):
        read(f"{HEADER},shares\n{ROW},1\n".encode())


def test_a_trade_notice_without_direction_is_not_taken_for_holdings() -> None:
    with pytest.raises(Unreadable, match="ARK trade notices but has no direction column"):
        read(b"FUND,Date,Ticker,CUSIP,Name,Shares,% of ETF\nARKQ,3/4/2021,TSLA,88160R101,TESLA,5,0.1\n")


def test_a_spreadsheet_of_holdings(workbook) -> None:
    head = ["date", "fund", "company", "ticker", "cusip", "shares", "market value ($)", "weight (%)"]
    parsed = read(
        workbook(
            [
                head,
                [date(2021, 3, 4), "ARKQ", "AEROVIRONMENT", "AVAV", 8073108, 10, 1e3, 0.5],
                [
                    datetime.combine(date(2021, 3, 4), time(9, 30)),
                    "ARKF",
                    "Z HOLDINGS",
                    4689,
                    6084848,
                    "1,000",
                    "$5",
                    "1%",
                ],
                [date(1900, 3, 4), "ARKQ", "X", "X", "", 1, 1, 1],
                [date(2021, 3, 4), "ARKQ", "X", "X", "", True, 1, 1],
                [44259, "ARKQ", "X", "X", "", 1, 1, 1],
                ["The principal risks"],
            ]
        )
    )
    first, second = parsed.records
    assert (first.day, first.identifier, first.shares) == (date(2021, 3, 4), "008073108", 10.0)
    assert (second.day, second.ticker, second.identifier, second.shares) == (
        date(2021, 3, 4),
        "4689",
        "6084848",
        1e3,
    )
    assert [reject.line for reject in parsed.rejects] == [4, 5, 6]
    assert parsed.rejects[1].reason == "shares is 'TRUE', not a number"
