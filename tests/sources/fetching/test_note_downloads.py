"""Analyst notes: the requests to each provider, and the stored form."""

import json
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from qotgate.model import Market, QotGateError, Security
from qotgate.sources.fetching import client, files, ratings, yahoo
from qotgate.sources.fetching.client import Client
from qotgate.sources.fetching.files import Outcome, Wanted, fetch
from qotgate.sources.fetching.folder import FetchFolder
from tests.support.publishing import Publisher, Reply, Time, visible

DAY = date(2026, 6, 23)
AAPL = Security(Market.US, "AAPL")


def grades(symbol: str) -> bytes:
    row = {"symbol": symbol, "date": "2026-06-19", "gradingCompany": "UBS", "previousGrade": "Neutral"}
    return json.dumps([row | {"newGrade": "Buy", "action": "upgrade"}]).encode()


def targets(symbol: str, first: int, rows: int) -> bytes:
    row = {"symbol": symbol, "publishedDate": "2026-06-19T12:00:00.000Z", "analystCompany": "UBS"}
    return json.dumps([row | {"priceTarget": first + n} for n in range(rows)]).encode()


def calendar(ticker: str, first: int, rows: int) -> bytes:
    row = {"ticker": ticker, "date": "2026-06-19", "analyst": "UBS", "rating_current": "Buy"}
    return json.dumps({"ratings": [row | {"id": str(first + n)} for n in range(rows)]}).encode()


def run(polite: Client, wanted: list[Wanted], folder: Path) -> list[Outcome]:
    found = FetchFolder(folder, lambda: DAY)
    return [outcome for one in wanted for outcome in fetch(polite, one, found)]


def test_fmp_is_asked_for_grades_and_for_targets_page_by_page(
    publisher: Publisher, polite: Client, tmp_path: Path
) -> None:
    publisher.publish("/stable/grades", grades("BRK-B"), grades("SHOP.TO"))
    publisher.publish("/stable/price-target-news?0", targets("BRK-B", 0, 100), b"[]")
    publisher.publish("/stable/price-target-news?1", targets("BRK-B", 100, 7))
    securities = [Security(Market.US, "BRK.B"), Security(Market.CA, "SHOP")]
    outcomes = run(polite, ratings.fmp_wanted(securities, publisher.url), tmp_path)
    assert [(outcome.title, outcome.status) for outcome in outcomes] == [
        ("US.BRK.B grades", "fetched"),
        ("US.BRK.B price targets", "fetched"),
        ("US.BRK.B price targets, page 2", "fetched"),
        ("CA.SHOP grades", "fetched"),
        ("CA.SHOP price targets", "empty"),
    ]
    assert visible(tmp_path / "2026-06-23") == [
        "grades-BRK-B.json",
        "grades-SHOP.TO.json",
        "price-target-news-BRK-B.json",
        "price-target-news-BRK-B.page2.json",
    ]
    assert (tmp_path / "2026-06-23" / "grades-BRK-B.json").read_bytes() == grades("BRK-B")
    assert [request.params for request in publisher.asked[:3]] == [
        {"symbol": "BRK-B"},
        {"symbol": "BRK-B", "limit": "100", "page": "0"},
        {"symbol": "BRK-B", "limit": "100", "page": "1"},
    ]


def test_benzinga_is_asked_page_by_page_and_a_page_that_has_not_changed_still_leads_on(
    publisher: Publisher, polite: Client, tmp_path: Path
) -> None:
    first = Reply(calendar("AAPL", 0, 1000), headers={"ETag": '"p0"'})
    publisher.publish("/api/v2.1/calendar/ratings?0", first)
    publisher.publish("/api/v2.1/calendar/ratings?1", calendar("AAPL", 1000, 2), calendar("AAPL", 1000, 3))
    wanted = ratings.benzinga_wanted([AAPL], publisher.url)
    assert [outcome.status for outcome in run(polite, wanted, tmp_path)] == ["fetched", "fetched"]
    again = run(polite, wanted, tmp_path)
    assert [outcome.status for outcome in again] == ["unchanged", "fetched"]
    assert [outcome.path.name for outcome in again] == ["ratings-AAPL.json", "ratings-AAPL.page2-2.json"]
    assert publisher.asked[0].params == {
        "parameters[tickers]": "AAPL",
        "pagesize": "1000",
        "page": "0",
    }
    assert publisher.asked[0].headers["Accept"] == "application/json"


def test_paging_ends_where_a_page_is_full_and_the_next_is_empty_or_the_same(
    publisher: Publisher, polite: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ratings.benzinga_wanted([AAPL], publisher.url)
    publisher.publish("/api/v2.1/calendar/ratings", calendar("AAPL", 0, 1000), b'{"ratings": []}')
    assert len(run(polite, wanted, tmp_path)) == 1
    publisher.publish("/api/v2.1/calendar/ratings", calendar("AAPL", 0, 1000))
    assert len(run(polite, wanted, tmp_path)) == 1
    monkeypatch.setattr(files, "PAGES", 2)
    replies = [calendar("AAPL", first, 1000) for first in (0, 1000)]
    publisher.publish("/api/v2.1/calendar/ratings", *replies)
    assert run(polite, wanted, tmp_path)[-1].reason == "it has more than 2 pages; the rest was left"


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b'[{"symbol": "AAPL"',
        b'{"Error Message": "Limit Reach"}',
        b'"text"',
        b"[1]",
        b'[{"date": "2026-06-19"}]',
        b"[" * 100_000,
        b"ticker,date\nAAPL,2026-06-19\n",
    ],
)
def test_what_is_not_a_list_of_notes_is_not_kept_and_the_others_go_on(
    publisher: Publisher, polite: Client, tmp_path: Path, body: bytes
) -> None:
    publisher.publish("/stable/grades", body, grades("MSFT"))
    securities = [AAPL, Security(Market.US, "MSFT")]
    wanted = [one for one in ratings.fmp_wanted(securities, publisher.url) if "grades" in one.title]
    failed, fetched = run(polite, wanted, tmp_path)
    assert (failed.status, failed.path, fetched.status) == ("failed", None, "fetched")
    assert visible(tmp_path) == ["2026-06-23/grades-MSFT.json"]


def test_benzinga_is_not_asked_for_what_it_would_mistake() -> None:
    with pytest.raises(QotGateError, match=r"leave out CA.SHOP"):
        ratings.benzinga_wanted([Security(Market.CA, "SHOP")])


def upgrades() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Firm": ["UBS", "B of A Securities"],
            "ToGrade": ["Buy", "Neutral"],
            "FromGrade": ["Neutral", ""],
            "Action": ["up", "init"],
            "priceTargetAction": ["Raises", "Announces"],
            "currentPriceTarget": [250.0, 0.0],
            "priorPriceTarget": [200.0, 0.0],
        },
        index=pd.DatetimeIndex(["2026-06-19 11:32:05", "2026-06-18 09:00:00"], name="GradeDate"),
    )


class YFDataException(Exception):
    pass


def answering(answer: Callable[[str], object]) -> SimpleNamespace:
    """A package whose ``Ticker(symbol).upgrades_downgrades`` is ``answer(symbol)``."""

    class Ticker:
        def __init__(self, symbol: str) -> None:
            self.symbol = symbol

        @property
        def upgrades_downgrades(self) -> object:
            return answer(self.symbol)

    return SimpleNamespace(Ticker=Ticker)


def ask_yahoo(securities: list[Security], folder: Path, time: Time) -> list[Outcome]:
    found = FetchFolder(folder, lambda: DAY)
    return [outcome for job in yahoo.jobs(securities, time.sleep) for outcome in job(found)]


def test_yfinance_s_table_is_kept_as_csv_with_its_ticker(
    tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    symbols: list[str] = []
    monkeypatch.setitem(
        sys.modules, "yfinance", answering(lambda symbol: symbols.append(symbol) or upgrades())
    )
    securities = [AAPL, Security(Market.CA, "REI.UN")]
    assert [outcome.status for outcome in ask_yahoo(securities, tmp_path, time)] == ["fetched", "fetched"]
    assert symbols == ["AAPL", "REI-UN.TO"]
    assert time.slept == [client.PAUSE, client.PAUSE]
    assert (tmp_path / "2026-06-23" / "upgrades_downgrades-AAPL.csv").read_text().splitlines() == [
        "ticker,GradeDate,Firm,ToGrade,FromGrade,Action,"
        "priceTargetAction,currentPriceTarget,priorPriceTarget",
        "AAPL,2026-06-19 11:32:05,UBS,Buy,Neutral,up,Raises,250.0,200.0",
        "AAPL,2026-06-18 09:00:00,B of A Securities,Neutral,,init,Announces,0.0,0.0",
    ]
    assert [outcome.status for outcome in ask_yahoo([AAPL], tmp_path, time)] == ["unchanged"]


def test_yfinance_may_fail_and_may_have_nothing(
    tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(symbol: str) -> object:
        asked.append(symbol)
        if symbol == "AAPL":
            raise ConnectionError("https://query2.example/?crumb=secret")
        if symbol == "MSFT":
            raise YFDataException("No upgrade/downgrade history found for MSFT")
        return {"TSLA": upgrades().iloc[:0], "ROKU": upgrades()[["Firm"]]}[symbol]

    monkeypatch.setitem(sys.modules, "yfinance", answering(answer))
    securities = [Security(Market.US, code) for code in ("AAPL", "MSFT", "TSLA", "ROKU")]
    outcomes = ask_yahoo(securities, tmp_path, time)
    assert [outcome.status for outcome in outcomes] == ["failed", "empty", "failed", "failed"]
    assert outcomes[0].reason == "yfinance failed 3 times (ConnectionError)"
    assert [asked.count(security.code) for security in securities] == [3, 1, 1, 1]
    assert len(time.waits()) == 2
    assert "does not know the symbol, or did not answer" in outcomes[2].reason


def test_without_yfinance_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yfinance", None)
    with pytest.raises(QotGateError, match=r"pip install 'qotgate\[yfinance\]'"):
        yahoo.jobs([AAPL])
