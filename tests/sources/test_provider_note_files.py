"""The notes of each provider, in the form in which it publishes them."""

import csv
import io
import json
from collections.abc import Callable
from datetime import date, datetime, time

import polars as pl
import pytest

from qotgate.model import FileKind, Market, Note, Security, Unreadable
from qotgate.sources import read
from qotgate.sources.formats import LAYOUTS
from qotgate.sources.tabular import tables

AAPL = Security(Market.US, "AAPL")

YFINANCE = [
    {
        "GradeDate": "2024-02-01 13:30:05",
        "Firm": "UBS",
        "ToGrade": "Buy",
        "FromGrade": "",
        "Action": "init",
        "priceTargetAction": "Announces",
        "currentPriceTarget": 200.5,
        "priorPriceTarget": 0.0,
    },
    {
        "GradeDate": "2024-01-02 11:00:00",
        "Firm": "Barclays",
        "ToGrade": "Underweight",
        "FromGrade": "Equal-Weight",
        "Action": "down",
        "priceTargetAction": "Lowers",
        "currentPriceTarget": 160.0,
        "priorPriceTarget": 161.0,
    },
]
FMP_GRADES = [
    {
        "symbol": "AAPL",
        "date": "2025-01-31",
        "gradingCompany": "Morgan Stanley",
        "previousGrade": "Equal Weight",
        "newGrade": "Overweight",
        "action": "upgrade",
    },
    {
        "symbol": "BRK-B",
        "date": "2025-01-30",
        "gradingCompany": "UBS",
        "previousGrade": None,
        "newGrade": "Buy",
        "action": "initialise",
    },
]
FMP_GRADE_NEWS = [
    {
        "symbol": "SHOP.TO",
        "publishedDate": "2025-02-04T19:18:06.000Z",
        "newsURL": "https://example.com/a",
        "newsTitle": "Shopify raised, again",
        "newsBaseURL": "example.com",
        "newsPublisher": "Example",
        "newGrade": "Outperform",
        "previousGrade": "Hold",
        "gradingCompany": "RBC Capital",
        "action": "upgrade",
        "priceWhenPosted": 120.5,
    }
]
FMP_TARGETS = [
    {
        "symbol": "AAPL",
        "publishedDate": "2024-01-12T10:35:00.000Z",
        "newsURL": "https://example.com/b",
        "newsTitle": "A target, raised",
        "analystName": "Jane Doe",
        "priceTarget": 1000,
        "adjPriceTarget": 250.0,
        "priceWhenPosted": 180.25,
        "newsPublisher": "Example",
        "newsBaseURL": "example.com",
        "analystCompany": "Wedbush",
    },
    {
        "symbol": "AAPL",
        "publishedDate": "2024-01-11T10:35:00.000Z",
        "newsURL": "",
        "newsTitle": "",
        "analystName": "",
        "priceTarget": 240,
        "adjPriceTarget": 0,
        "priceWhenPosted": 180.25,
        "newsPublisher": "",
        "newsBaseURL": "",
        "analystCompany": "Citigroup",
    },
]
BENZINGA = [
    {
        "id": "65a0f3b00e4b5a0001c0ffee",
        "date": "2024-01-12",
        "time": "09:05:11",
        "ticker": "SHOP",
        "exchange": "TSX",
        "name": "Shopify",
        "currency": "CAD",
        "action_pt": "Announces",
        "action_company": "Initiates Coverage On",
        "rating_current": "Outperform",
        "pt_current": "900.0000",
        "adjusted_pt_current": "90.0000",
        "rating_prior": "",
        "pt_prior": "",
        "adjusted_pt_prior": "",
        "url": "https://www.benzinga.com/stock/SHOP/ratings",
        "importance": 0,
        "notes": "",
        "updated": 1705068318,
        "analyst": "Scotiabank",
        "analyst_name": "Jane Doe",
    },
    {
        "id": "65a0f3b00e4b5a0001c0ffef",
        "date": "2024-01-11",
        "time": "16:20:00",
        "ticker": "BRK/B",
        "exchange": "NYSE",
        "name": "Berkshire Hathaway",
        "currency": "USD",
        "action_pt": "Maintains",
        "action_company": "Reinstates",
        "rating_current": "Hold",
        "pt_current": "400.00",
        "adjusted_pt_current": "",
        "rating_prior": "Buy",
        "pt_prior": "0",
        "adjusted_pt_prior": "410.00",
        "url": "",
        "importance": 3,
        "notes": "",
        "updated": 1705068318,
        "analyst": "Keefe, Bruyette & Woods",
        "analyst_name": "",
    },
]
FINNHUB = [
    {
        "symbol": "AAPL",
        "gradeTime": 1706794205,
        "company": "Evercore ISI Group",
        "fromGrade": "",
        "toGrade": "Outperform",
        "action": "init",
    }
]
PLAIN = [{"ticker": "AAPL", "name": "Apple", "firm": "UBS", "rating": "Buy", "date": "2024-01-02"}]


def as_csv(records: list[dict]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, records[0].keys())
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode()


def as_json(records: list[dict]) -> bytes:
    return json.dumps(records).encode()


def as_parquet(records: list[dict]) -> bytes:
    content = io.BytesIO()
    frame = pl.DataFrame(records)
    if "GradeDate" in frame.columns:
        frame = frame.with_columns(pl.col("GradeDate").str.to_datetime(time_unit="ns"))
    frame.write_parquet(content)
    return content.getvalue()


in_every_container = pytest.mark.parametrize("save", [as_csv, as_json, as_parquet])
Save = Callable[[list[dict]], bytes]


def notes(content: bytes, name: str = "") -> list[Note]:
    parsed = read(content, name=name)
    assert parsed.kind is FileKind.NOTES
    assert parsed.rejects == ()
    return list(parsed.records)


@pytest.mark.parametrize(
    ("records", "title", "others"),
    [
        (YFINANCE, "yfinance upgrades_downgrades", set()),
        ([{"ticker": "AAPL"} | YFINANCE[0]], "yfinance upgrades_downgrades", {"analyst notes"}),
        (FMP_GRADES, "analyst notes", set()),
        (FMP_GRADE_NEWS, "analyst notes", set()),
        (FMP_TARGETS, "FMP price targets", set()),
        (BENZINGA, "Benzinga ratings", set()),
        (FINNHUB, "Finnhub upgrade-downgrade", set()),
        (PLAIN, "analyst notes", set()),
    ],
)
@in_every_container
def test_no_provider_is_taken_for_another(save: Save, records: list[dict], title: str, others: set) -> None:
    """Only a yfinance table with a ticker is also a plain one, and reads the same in both forms."""
    header = next(iter(next(tables(save(records)))))
    fitting = [layout.title for layout in LAYOUTS if not layout.header(header.cells)[1]]
    assert (fitting[0], set(fitting[1:])) == (title, others)


def yfinance_notes(first_line: int) -> list[Note]:
    return [
        Note(AAPL, "", "UBS", date(2024, 2, 1), time(13, 30, 5), "Buy", 200.5, "", None, True, first_line),
        Note(
            security=AAPL,
            name="",
            firm="Barclays",
            day=date(2024, 1, 2),
            time=time(11),
            word="Underweight",
            target=160.0,
            prior_word="Equal-Weight",
            prior_target=161.0,
            starts=False,
            line=first_line + 1,
        ),
    ]


@in_every_container
def test_yfinance(save: Save) -> None:
    assert notes(save(YFINANCE), "AAPL.csv") == yfinance_notes(2 if save is as_csv else 1)


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text + "+00:00").timestamp() * 1000)


@pytest.mark.parametrize("dates", [_milliseconds, lambda text: text.replace(" ", "T") + ".000Z"])
@pytest.mark.parametrize("form", ["columns", "index", "records", "split", "table", "reset"])
def test_yfinance_in_the_json_of_pandas(form: str, dates: Callable[[str], object]) -> None:
    labels = [dates(record["GradeDate"]) for record in YFINANCE]
    rows = [{name: value for name, value in record.items() if name != "GradeDate"} for record in YFINANCE]
    records = [{"GradeDate": label} | row for label, row in zip(labels, rows, strict=True)]
    names = list(rows[0])
    pandas = {
        "columns": {
            name: {str(at): row[name] for at, row in zip(labels, rows, strict=True)} for name in names
        },
        "index": {str(at): row for at, row in zip(labels, rows, strict=True)},
        "records": records,
        "split": {"columns": names, "index": labels, "data": [list(row.values()) for row in rows]},
        "table": {
            "schema": {"fields": [{"name": "GradeDate"}], "primaryKey": ["GradeDate"]},
            "data": records,
        },
        "reset": {name: {"0": records[0][name], "1": records[1][name]} for name in records[0]},
    }
    assert notes(json.dumps(pandas[form]).encode(), "AAPL.json") == yfinance_notes(1)


def test_yfinance_before_it_had_targets() -> None:
    old = [{name: record[name] for name in list(record)[:5]} for record in YFINANCE]
    assert [note.target for note in notes(as_csv(old), "AAPL.csv")] == [None, None]


@pytest.mark.parametrize("index", ["__index_level_0__", "index", "epochGradeDate"])
def test_yfinance_without_the_name_of_its_index(index: str) -> None:
    content = io.BytesIO()
    pl.read_parquet(as_parquet(YFINANCE)).rename({"GradeDate": index}).write_parquet(content)
    assert notes(content.getvalue(), "AAPL.parquet") == yfinance_notes(1)


def test_yahoos_own_answer_has_its_history_inside() -> None:
    """``quoteSummary`` unchanged, and the part that yahoo-finance2 returns."""
    record = {"firm": "UBS", "toGrade": "Buy", "fromGrade": "", "action": "init"}
    for stamp in (1706877000, "2024-02-02T12:30:00.000Z"):
        part = {"upgradeDowngradeHistory": {"history": [record | {"epochGradeDate": stamp}], "maxAge": 86400}}
        for answer in (part, {"quoteSummary": {"result": [part], "error": None}}):
            (found,) = notes(json.dumps(answer).encode(), "MSFT.json")
            assert (found.firm, found.word, str(found.day)) == ("UBS", "Buy", "2024-02-02")


def test_yfinance_without_its_index_is_refused() -> None:
    records = [{name: value for name, value in record.items() if name != "GradeDate"} for record in YFINANCE]
    with pytest.raises(Unreadable, match="looks like yfinance upgrades_downgrades but has no date column"):
        read(as_json(records), name="AAPL.json")
    numbered = {name: {"0": record} for name, record in records[0].items()}
    assert [reject.reason[:14] for reject in read(json.dumps(numbered).encode(), name="A.json").rejects] == [
        "index is '0', "
    ]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("AAPL.csv", "US.AAPL"),
        ("US.AAPL_upgrades.json", "US.AAPL"),
        ("upgrades_downgrades-BRK-B.parquet", "US.BRK.B"),
        ("folder/BRK.B.csv", "US.BRK.B"),
        ("SHOP.TO.JSON", "CA.SHOP"),
        ("CA.SHOP", "CA.SHOP"),
        ("yfinance_REI-UN.TO_2024-01-02.csv.txt", "CA.REI.UN"),
        ("AAPL-2024-01-02 (1).csv", "US.AAPL"),
        ("V_20240102.ndjson", "US.V"),
    ],
)
def test_yfinance_has_its_ticker_in_the_name_of_the_file(name: str, code: str) -> None:
    assert {str(note.security) for note in notes(as_csv(YFINANCE), name)} == {code}


@pytest.mark.parametrize(
    "name", ["", "aapl.csv", "upgrades_downgrades.csv", "data.json", "AAPL_MSFT.csv", "UPGRADES-AAPL_1 A.csv"]
)
def test_yfinance_without_a_ticker_is_refused(name: str) -> None:
    with pytest.raises(
        Unreadable, match="has no ticker column, and the name of the file tells none; name it"
    ):
        read(as_csv(YFINANCE), name=name)


def test_a_ticker_column_wins_over_the_name() -> None:
    both = [{"Symbol": "MSFT"} | YFINANCE[0], {"Symbol": ""} | YFINANCE[1]]
    parsed = read(as_csv(both), name="AAPL.csv")
    assert [str(note.security) for note in parsed.records] == ["US.MSFT"]
    assert [reject.line for reject in parsed.rejects] == [3]


@in_every_container
def test_fmp_grades(save: Save) -> None:
    first, second = notes(save(FMP_GRADES))
    assert (str(first.security), first.firm, first.day) == ("US.AAPL", "Morgan Stanley", date(2025, 1, 31))
    assert (first.word, first.prior_word, first.starts) == ("Overweight", "Equal Weight", False)
    assert (str(second.security), second.prior_word, second.starts) == ("US.BRK.B", "", True)
    (news,) = notes(save(FMP_GRADE_NEWS))
    assert (str(news.security), news.firm, news.day, news.time) == (
        "CA.SHOP",
        "RBC Capital",
        date(2025, 2, 4),
        time(19, 18, 6),
    )
    assert (news.word, news.prior_word, news.target) == ("Outperform", "Hold", None)


@in_every_container
def test_fmp_price_targets(save: Save) -> None:
    """The adjusted target counts, unless it is 0."""
    first, second = notes(save(FMP_TARGETS))
    assert (first.firm, first.word, first.target, first.starts) == ("Wedbush", "", 250.0, False)
    assert (first.security, first.day, first.time) == (AAPL, date(2024, 1, 12), time(10, 35))
    assert (second.firm, second.target) == ("Citigroup", 240.0)


@in_every_container
def test_benzinga_ratings(save: Save) -> None:
    first, second = notes(save(BENZINGA))
    line = 2 if save is as_csv else 1
    assert first == Note(
        security=Security(Market.CA, "SHOP"),
        name="Shopify",
        firm="Scotiabank",
        day=date(2024, 1, 12),
        time=time(9, 5, 11),
        word="Outperform",
        target=90.0,
        prior_word="",
        prior_target=None,
        starts=True,
        line=line,
    )
    assert (str(second.security), second.firm, second.starts) == (
        "US.BRK.B",
        "Keefe, Bruyette & Woods",
        False,
    )
    assert (second.word, second.target, second.prior_word, second.prior_target) == (
        "Hold",
        400.0,
        "Buy",
        410.0,
    )


def test_benzinga_as_its_calendar_answers() -> None:
    assert notes(json.dumps({"ratings": BENZINGA}).encode()) == notes(as_json(BENZINGA))


@pytest.mark.parametrize(
    ("action", "starts"),
    [
        ("Initiates Coverage On", True),
        *((action, False) for action in ("Upgrades", "Maintains", "Reiterates", "Downgrades", "Assumes")),
    ],
)
def test_what_benzinga_calls_a_start(action: str, starts: bool) -> None:
    assert notes(as_json([BENZINGA[0] | {"action_company": action}]))[0].starts is starts


def test_a_benzinga_note_that_says_nothing_is_a_reject() -> None:
    empty = {"rating_current": "", "pt_current": "", "adjusted_pt_current": "0.00"}
    (reject,) = read(as_json([BENZINGA[0] | empty])).rejects
    assert reject.reason == "the row has neither a rating nor a price target"


@in_every_container
def test_finnhub(save: Save) -> None:
    (note,) = notes(save(FINNHUB))
    assert (note.security, note.name, note.firm) == (AAPL, "", "Evercore ISI Group")
    assert (note.word, note.prior_word, note.starts) == ("Outperform", "", True)
    assert (note.day, note.time) == (date(2024, 2, 1), time(13, 30, 5))


@pytest.mark.parametrize(
    ("exchange", "code"),
    [
        *(
            (name, "CA.SHOP")
            for name in ("TSX", "tsxv", "TSX-V", "TSX Venture", "TOR", "Toronto", "XTSE", "NEO")
        ),
        *((name, "CA.SHOP") for name in ("Toronto Stock Exchange", "Canadian Securities Exchange", "CVE")),
        *(
            (name, "US.SHOP")
            for name in ("", "NASDAQ", "NYSE", "NasdaqGS", "NYSE Arca", "OTC Markets", "NMS")
        ),
    ],
)
def test_an_exchange_column_tells_the_market(exchange: str, code: str) -> None:
    (note,) = notes(as_json([PLAIN[0] | {"ticker": "SHOP", "exchange": exchange}]))
    assert str(note.security) == code


@pytest.mark.parametrize("ticker", ["TECK.B", "TECK-B", "TECK/B", "TECK-B.TO", "TSX:TECK.B", "CA.TECK.B"])
def test_an_exchange_column_and_a_class_share(ticker: str) -> None:
    (note,) = notes(as_json([PLAIN[0] | {"ticker": ticker, "exchange": "TSX"}]))
    assert str(note.security) == "CA.TECK.B"


def test_an_unknown_exchange_is_a_reject() -> None:
    """As a US ticker it would be another company's."""
    (reject,) = read(as_json([PLAIN[0] | {"ticker": "VOD", "exchange": "LSE"}])).rejects
    assert reject.reason.startswith("exchange is 'LSE', other than NASDAQ, NYSE")
