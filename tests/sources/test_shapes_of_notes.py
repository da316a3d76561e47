"""Ratings in common shapes, each as its publisher documents it."""

import json

import pytest

from qotgate.model import Note, Unreadable
from qotgate.sources import read


def notes(content: object, name: str = "") -> list[Note]:
    text = content if isinstance(content, str) else json.dumps(content)
    parsed = read(text.encode(), name=name)
    assert parsed.rejects == ()
    return list(parsed.records)


def told(note: Note) -> tuple[object, ...]:
    """A note without its name, its time and its line."""
    return (
        *(str(note.security), note.firm, str(note.day)),
        *(note.word, note.prior_word, note.target, note.prior_target, note.starts),
    )


def test_openbb_price_target() -> None:
    header = (
        "published_date,published_time,symbol,exchange,company_name,analyst_name,analyst_firm,currency,"
        "price_target,adj_price_target,price_target_previous,previous_adj_price_target,price_when_posted,"
        "rating_current,rating_previous,action,action_change\n"
    )
    line = (
        "2024-05-02,10:15:00,NVDA,NASDAQ,NVIDIA,A Person,Jefferies,USD,"
        "1200.0,120.0,1100.0,110.0,905.5,Buy,Hold,Upgrades,Raises\n"
    )
    (note,) = notes(header + line)
    assert told(note) == ("US.NVDA", "Jefferies", "2024-05-02", "Buy", "Hold", 120.0, 110.0, False)
    assert (note.name, str(note.time)) == ("NVIDIA", "10:15:00")


def test_benzinga_by_massive() -> None:
    record = {"ticker": "NVDA", "firm": "Oppenheimer", "currency": "USD", "analyst": "A Person"}
    before = record | {
        "date": "2024-06-05",
        "rating": "outperform",
        "previous_rating": "perform",
        "price_target": 700.0,
        "previous_price_target": 660.0,
        "adjusted_price_target": 70.0,
        "adjusted_previous_price_target": 66.0,
        "rating_action": "upgrades",
    }
    after = record | {
        "date": "2024-06-20",
        "rating": "outperform",
        "previous_rating": "outperform",
        "price_target": 75.0,
        "previous_price_target": 70.0,
        "adjusted_price_target": 75.0,
        "adjusted_previous_price_target": 70.0,
        "rating_action": "maintains",
    }
    found = notes({"status": "OK", "request_id": "1", "results": [before, after]})
    assert [(note.target, note.prior_target) for note in found] == [(70.0, 66.0), (75.0, 70.0)]
    del before["adjusted_previous_price_target"]
    assert [(note.target, note.prior_target) for note in notes([before])] == [(70.0, None)]


def test_finvizfinance() -> None:
    text = (
        "Date,Status,Outer,Rating,Price\n"
        "2024-02-02,Upgrade,Jefferies,Hold → Buy,$450 → $465\n"
        "2024-01-31,Initiated,UBS,Buy,$480\n"
        "2024-01-30,Reiterated,Wedbush,Outperform,\n"
    )
    assert [told(note) for note in notes(text, "finvizfinance_AAPL.csv")] == [
        ("US.AAPL", "Jefferies", "2024-02-02", "Buy", "Hold", 465.0, 450.0, False),
        ("US.AAPL", "UBS", "2024-01-31", "Buy", "", 480.0, None, True),
        ("US.AAPL", "Wedbush", "2024-01-30", "Outperform", "", None, None, False),
    ]
    with pytest.raises(Unreadable, match=r"^it is Finviz's ratings and has no ticker column, and the name"):
        read(text.encode(), name="ratings.csv")
    with_ticker = text.replace("Date,", "Ticker,Date,").replace("\n2024", "\nTSLA,2024")
    assert {str(note.security) for note in notes(with_ticker, "AAPL.csv")} == {"US.TSLA"}


def test_finviz() -> None:
    record = {"date": "Aug-26-20", "category": "Reiterated", "analyst": "Wedbush", "rating": "Outperform"}
    found = notes(
        [
            record | {"price_from": "515", "price_to": "600"},
            record | {"rating": "Buy → Neutral", "price_from": 0, "price_to": "470"},
        ],
        "AAPL.json",
    )
    assert [told(note) for note in found] == [
        ("US.AAPL", "Wedbush", "2020-08-26", "Outperform", "", 600.0, 515.0, False),
        ("US.AAPL", "Wedbush", "2020-08-26", "Neutral", "Buy", 470.0, None, False),
    ]


def test_marketbeat_writes_the_month_first() -> None:
    text = (
        "Company,Symbol,Action,Brokerage,Analyst Name,Current Price,Price Target,Rating,"
        "Impact on Share Price,Date\n"
        "Apple Inc.,AAPL,Upgrade,Jefferies,A Person,$185.92,$1180.00 ➝ $1200.00,Hold ➝ Buy,High,1/5/2024\n"
        "Shopify,TSE:SHOP,Initiated Coverage,RBC,,C$85.92,,Outperform,Low,1/6/2024\n"
    ).replace("TSE:", "TSX:")
    assert [told(note) for note in notes(text)] == [
        ("US.AAPL", "Jefferies", "2024-01-05", "Buy", "Hold", 1200.0, 1180.0, False),
        ("CA.SHOP", "RBC", "2024-01-06", "Outperform", "", None, None, True),
    ]


def test_akshare_has_the_code_in_the_name() -> None:
    text = (
        "id,indicator_id,latest_rating,previous_rating,latest_target_price,previous_target_price,institution,"
        "pub_time,status,name,us,hk\n"
        "1,2,减持,中性,95.0,110.0,高盛,2020-07-10 09:00:00,1,特斯拉(TSLA.O),1,0\n"
        "2,2,买入,,,,瑞银,2020-07-11 09:00:00,1,伯克希尔B(BRKb.N),1,0\n"
        "3,2,买入,,600,,花旗,2020-07-12 09:00:00,1,腾讯控股(0700.HK),0,1\n"
    )
    assert [(note.name, *told(note)) for note in notes(text)] == [
        ("特斯拉", "US.TSLA", "高盛", "2020-07-10", "减持", "中性", 95.0, 110.0, False),
        ("伯克希尔B", "US.BRK.B", "瑞银", "2020-07-11", "买入", "", None, None, False),
        ("腾讯控股", "HK.00700", "花旗", "2020-07-12", "买入", "", 600.0, None, False),
    ]
    later = (
        "日期,个股名称,评级,先前目标价,最新目标价,机构名称\n2024-01-31,苹果(AAPL.O),增持,210,220,摩根大通\n"
    )
    assert told(notes(later)[0])[:7] == ("US.AAPL", "摩根大通", "2024-01-31", "增持", "", 220.0, 210.0)
    (reject,) = read(text.replace("(TSLA.O)", "").encode()).rejects
    assert reject.reason == "name is '特斯拉', without a code in parentheses such as (TSLA.O)"


def test_yahoos_answer_may_have_more_modules_and_formatted_numbers() -> None:
    record = {
        "epochGradeDate": 1706877000,
        "firm": "UBS",
        "toGrade": "Buy",
        "fromGrade": "Hold",
        "action": "up",
        "currentPriceTarget": {"raw": 465, "fmt": "465.00"},
    }
    trend = {"trend": [{"period": "0m", "strongBuy": 1, "buy": 2, "hold": 3, "sell": 4, "strongSell": 5}]}
    modules = {"recommendationTrend": trend, "upgradeDowngradeHistory": {"history": [record], "maxAge": 1}}
    (note,) = notes({"quoteSummary": {"result": [modules], "error": None}}, "MSFT.json")
    assert told(note)[:6] == ("US.MSFT", "UBS", "2024-02-02", "Buy", "Hold", 465.0)
    with pytest.raises(Unreadable, match=r"^it has counts of grades"):
        read(json.dumps({"quoteSummary": {"result": [{"recommendationTrend": trend}]}}).encode())


@pytest.mark.parametrize(
    ("record", "what"),
    [
        (
            {"symbol": "AAPL", "date": "2025-02-01", "analystRatingsBuy": 8, "analystRatingsHold": 14}
            | {"analystRatingsSell": 2, "analystRatingsStrongSell": 2},
            "counts of grades",
        ),
        ({"symbol": "AAPL", "period": "2025-02-01", "buy": 8, "hold": 14, "sell": 2}, "counts of grades"),
        (
            {
                "symbol": "AAPL",
                "targetHigh": 300,
                "targetLow": 200,
                "targetConsensus": 250,
                "targetMedian": 251,
            },
            "a consensus of price targets",
        ),
    ],
)
def test_sums_over_analysts_are_refused_by_what_they_are(record: dict[str, object], what: str) -> None:
    with pytest.raises(Unreadable, match=rf"^it has {what}[^;]* and names no institution; load the notes"):
        read(json.dumps([record]).encode())


@pytest.mark.parametrize(
    ("ticker", "code"),
    [("0700.HK", "HK.00700"), ("HK:700", "HK.00700"), ("HK.00700", "HK.00700"), ("TSLA.US", "US.TSLA")],
)
def test_tickers_with_the_market_behind(ticker: str, code: str) -> None:
    (note,) = notes(f"ticker,firm,rating,date\n{ticker},UBS,Buy,2024-01-02\n")
    assert str(note.security) == code
