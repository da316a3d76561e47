"""Answers of the public ARK API (arkfunds.io), exports with their own headers, and other files."""

import json
from datetime import date

import pytest

from qotgate import sources
from qotgate.model import FileKind, Holding, Notice, Unreadable

TSLA = {"ticker": "TSLA", "company": "TESLA INC", "cusip": "88160R101"}


def read(answer: object) -> list[Holding | Notice]:
    found = sources.read(json.dumps(answer).encode())
    assert found.rejects == ()
    return list(found.records)


def test_holdings_whose_fund_and_day_stand_outside_the_list() -> None:
    line = TSLA | {"shares": 2710821, "market_value": 2049326459.58, "weight": 10.99, "weight_rank": 1}
    (one,) = read({"symbol": "ARKK", "date": "2021-01-06", "holdings": [line]})
    assert isinstance(one, Holding)
    assert (one.fund, one.day, one.ticker, one.shares) == ("ARKK", date(2021, 1, 6), "TSLA", 2_710_821)
    assert (one.identifier, one.name, one.weight) == ("88160R101", "TESLA INC", 10.99)


def test_holdings_whose_fund_and_day_stand_in_the_list() -> None:
    line = TSLA | {"fund": "ARKK", "date": "2021-10-08", "shares": 2469443, "weight": 9.65}
    price = {"market_value": 1959774659.23, "share_price": 793.61}
    (one,) = read(
        {"symbol": "ARKK", "date_from": "2021-10-08", "date_to": "2021-10-08", "holdings": [line | price]}
    )
    assert isinstance(one, Holding)
    assert (one.fund, one.day, one.shares, one.market_value) == (
        *("ARKK", date(2021, 10, 8), 2_469_443, 1_959_774_659.23),
    )


@pytest.mark.parametrize("named", [True, False])
def test_trades_of_a_fund_and_of_a_stock(named: bool) -> None:
    line = {"date": "2021-08-05", "fund": "ARKW", "direction": "Sell", "shares": 19558, "etf_percent": 0.2365}
    symbol = "ARKW" if named else "TSLA"
    (one,) = read({"symbol": symbol, "date_from": "2021-08-01", "trades": [line | (TSLA if named else {})]})
    assert isinstance(one, Notice)
    assert (one.fund, one.day, one.ticker, one.shares) == ("ARKW", date(2021, 8, 5), "TSLA", -19_558)
    assert (one.weight, one.identifier) == (0.2365, "88160R101" if named else "")


@pytest.mark.parametrize(
    ("header", "line"),
    [
        (
            "Date, ETF, Direction, Ticker, Company Name, Shares Traded, % of Total ETF",
            "2025-05-19,ARKK,Buy,TSM,TAIWAN SEMICONDUCTOR MANUFACTURING CO,123587.0,0.4048",
        ),
        (
            "Trade Date,Fund Ticker,Side,Symbol,Security,Quantity,% of ETF",
            "05/19/2025,ARKK,B,TSM,TAIWAN SEMICONDUCTOR MANUFACTURING CO,123587,0.4048",
        ),
    ],
)
def test_notices_with_headers_of_their_own(header: str, line: str) -> None:
    found = sources.read(f"{header}\n{line}\n".encode())
    assert found.kind is FileKind.NOTICES
    (one,) = found.records
    assert isinstance(one, Notice)
    assert (one.fund, one.day, one.ticker, one.shares) == ("ARKK", date(2025, 5, 19), "TSM", 123_587)
    assert (one.name, one.weight) == ("TAIWAN SEMICONDUCTOR MANUFACTURING CO", 0.4048)


def test_a_symbol_is_the_ticker_and_no_fund() -> None:
    with pytest.raises(Unreadable, match="looks like ARK trade notices but has no fund column"):
        sources.read(b"date,symbol,direction,shares\n2025-05-19,TSM,Buy,1\n")


def test_notices_without_their_direction_are_no_holdings() -> None:
    with pytest.raises(Unreadable, match=r"has no (direction|weight) column"):
        sources.read(b"FUND,Date,Ticker,CUSIP,Name,Shares,% of ETF\nARKK,2021-01-04,TSLA,,TESLA INC,1,0.1\n")


def test_the_list_of_a_fund_of_notes_is_refused_by_what_it_lacks() -> None:
    header = "position,cusip,$ notional per note,market value ($),market weight (%)"
    line = '"TREASURY BILL 0 8/5/2027",912797VR5,"4,900,000","$4,718,634.73",11.31%'
    with pytest.raises(Unreadable) as refused:
        sources.read(f"{header}\n{line}\n".encode())
    assert str(refused.value) == "it looks like ARK holdings but has no fund, date, ticker or shares columns"


def test_the_owners_of_a_stock_are_no_holdings() -> None:
    """Neither v1, with one list of them, nor v2, with such a list for each day."""
    owner = {"date": "2021-08-20", "fund": "ARKK", "weight": 10.56, "shares": 3256252, "market_value": 2.2e9}
    flat = {"symbol": "TSLA", "date": "2021-08-20", "ownership": [owner]}
    nested = {
        "symbol": "TSLA",
        "data": [{"date": "2021-08-20", "ownership": [owner], "totals": {"funds": 1}}],
    }
    for answer in (flat, nested):
        with pytest.raises(Unreadable) as refused:
            sources.read(json.dumps(answer).encode())
        assert str(refused.value) == (
            "it lists the funds that hold one stock, not the whole book of a fund; load the funds' holdings"
        )


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("Date,Status,Outer,Price", "Finviz ratings but has no rating column"),
        (
            "published_date,symbol,analyst_firm,price_target,rating_now",
            "analyst notes but has no rating column",
        ),
        ("institution,status,name,us,hk,day", "analyst notes but has no ticker or rating columns"),
    ],
)
def test_what_is_not_read_is_told_by_what_it_lacks(header: str, sentence: str) -> None:
    with pytest.raises(Unreadable) as refused:
        sources.read(f"{header}\n".encode())
    assert str(refused.value) == f"it looks like {sentence}"


def test_what_looks_like_nothing_is_refused_in_a_short_sentence() -> None:
    with pytest.raises(Unreadable) as refused:
        sources.read(b"open,high,low,close\n1,2,3,4\n")
    assert str(refused.value) == "it is of no known format; docs/formats.md lists those that are read"
