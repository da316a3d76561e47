"""Trade notices, one trap a test."""

from datetime import date

import pytest

from qotgate.model import FileKind, Notice, ParsedFile
from qotgate.sources import read

HEADER = "FUND,Date,Direction,Ticker,CUSIP,Name,Shares,% of ETF"
ROW = "ARKX,2021-08-31,Buy,6301JP,J35759125,KOMATSU LTD,63500,0.2483"
EXPECTED = Notice("ARKX", date(2021, 8, 31), "6301JP", "J35759125", "KOMATSU LTD", 63500, 0.2483, 2)


def rows(*lines: str, header: str = HEADER) -> ParsedFile:
    parsed = read("\r\n".join((header, *lines)).encode())
    assert parsed.kind is FileKind.NOTICES
    return parsed


@pytest.mark.parametrize(
    "header",
    [
        HEADER,
        "fund,date,direction,ticker,cusip,company,shares,etf_percent",
        "Fund, DATE ,direction,ticker,cusip,company,shares,% of etf",
        "fund,date,direction,ticker,cusip,company,shares,% of ETF\xa0",
    ],
)
def test_every_variant_of_the_header_is_the_same_format(header: str) -> None:
    assert rows(ROW, header=header) == ParsedFile(FileKind.NOTICES, (EXPECTED,), ())


@pytest.mark.parametrize(
    ("word", "shares"),
    [("Buy", 5), ("BUY", 5), ("b", 5), ("Bought", 5), ("sell", -5), ("S", -5), ("SOLD ", -5)],
)
def test_the_direction_gives_the_sign(word: str, shares: int) -> None:
    assert rows(f"ARKX,08/31/2021,{word},X,,,5,").records[0].shares == shares


@pytest.mark.parametrize("text", ["63,500", "63500.0", "63500.", "6.35E+04"])
def test_shares_in_every_dress(text: str) -> None:
    assert rows(ROW.replace("63500", f'"{text}"')).records == (EXPECTED,)


@pytest.mark.parametrize("text", ["12.5", "0", "-5", "(5)", "", "nan", "1e999", "1e13", "five"])
def test_shares_that_are_no_whole_number_above_0_are_a_reject(text: str) -> None:
    (reject,) = rows(ROW.replace("63500", text)).rejects
    assert reject.line == 2
    assert reject.reason.startswith(f"Shares is '{text}', not a ")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (ROW.replace("Buy", "Hold"), "direction is 'Hold', neither Buy nor Sell"),
        (ROW.replace("Buy", ""), "Direction is blank"),
        (ROW.replace("ARKX", ""), "FUND is blank"),
        (ROW.replace("2021-08-31", ""), "Date is blank"),
        (ROW.replace("0.2483", "abc"), "% of ETF is 'abc', not a number"),
    ],
)
def test_a_reject_names_the_column_as_the_file_does(line: str, reason: str) -> None:
    assert [reject.reason for reject in rows(line).rejects] == [reason]


def test_percent_of_the_fund_is_kept_as_it_is() -> None:
    assert rows(ROW.replace("0.2483", "0.0153")).records[0].weight == 0.0153
    assert rows(ROW.replace("0.2483", "0.0153%")).records[0].weight == 0.0153
    assert rows(ROW.replace("0.2483", "")).records[0].weight is None


def test_a_mailed_workbook(workbook) -> None:
    """Three rows above the header, dates as text, CUSIPs as numbers, on the second of three sheets."""
    sheet = [
        ["INTRA-DAY TRADE TO TOTAL FUND HOLDINGS (NOT INDIVIDUAL BASKET)"],
        ['ARK offers fully transparent Exchange Traded Funds ("ETFs")…\n'],
        [],
        ["FUND", "Date", "Direction", "Ticker", "CUSIP", "Name", "Shares", "% of ETF"],
        ["ARKX", "08/31/2021", "Buy", "6301JP", "J35759125", "KOMATSU LTD", 63500, 0.2483],
        [],
        ["ARKQ", "08/31/2021", "Sell", "AVAV", 8073108, "AEROVIRONMENT INC", 1000, 0.0153],
        ["ARKQ", "08/31/2021", "Sell", "TRMB", 896239100, "TRIMBLE INC", 1000.5, 0.0153],
        [None, None, None, None, None, "No further trades."],
    ]
    parsed = read(workbook([["atest Trades"]], sheet, sheet))
    assert [(notice.line, notice.identifier, notice.shares) for notice in parsed.records] == [
        (5, "J35759125", 63500),
        (7, "008073108", -1000),
    ]
    assert [(reject.line, reject.reason) for reject in parsed.rejects] == [
        (8, "Shares is '1000.5', not a whole number of shares above 0")
    ]


def test_rows_have_the_numbers_that_excel_shows(workbook) -> None:
    """A table that does not start in A1 keeps its position."""
    cells = {(6, 2 + x): title for x, title in enumerate(HEADER.split(","))}
    cells |= {(9, 2 + x): value for x, value in enumerate(ROW.split(","))}
    assert [notice.line for notice in read(workbook(cells)).records] == [10]
