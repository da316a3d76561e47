"""Every page shows the last known days, and the next command if they are old."""

import html
import json
import re
from datetime import date
from pathlib import Path

import httpx
import pytest

from qotgate.service.coverage.calendar import calendar
from qotgate.service.loading import find_files, load
from qotgate.service.reference import Reference
from qotgate.store import Store
from qotgate.web import render
from tests.support.in_process import run_alone, web_in_process

PATHS = (
    "/",
    "/moves",
    "/holdings",
    "/active-trades",
    "/ratings",
    "/search?q=x",
    "/securities/US.TSLA",
    "/data",
)


def pages(url: str, *paths: str) -> list[str]:
    async def ask() -> list[str]:
        async with web_in_process(url) as (web, _):
            return [(await web.get(path)).text for path in paths]

    return run_alone(ask())


def text_of(page: str, part: str) -> str:
    found = re.search(part, page, re.DOTALL)
    assert found is not None
    return " ".join(re.sub("<[^>]+>", " ", found[0]).split())


@pytest.mark.parametrize(
    ("today", "ark", "stale"),
    [
        (date(2026, 6, 26), "ARK trades through 2026-06-22", False),
        (date(2026, 6, 27), "ARK trades through 2026-06-22 (5 days ago)", True),
    ],
)
def test_every_page_says_how_far_the_data_goes(
    monkeypatch: pytest.MonkeyPatch, sample_url: str, today: date, ark: str, stale: bool
) -> None:
    monkeypatch.setattr(render, "_today", lambda: today)
    for path, page in zip(PATHS, pages(sample_url, *PATHS), strict=True):
        known = text_of(page, '<aside class="known".*?</aside>')
        assert f"{ark} Ratings through 2026-06-23" in known, path
        assert ('class="stale"' in page) == stale, path
    (home,) = pages(sample_url, "/")
    assert ("ARK data ends on 2026-06-22 , 5 days ago." in text_of(home, "<main.*?</main>")) == stale


def test_an_empty_database_says_what_comes_next(tmp_path: Path) -> None:
    (home, data) = pages(f"sqlite:///{tmp_path / 'q.db'}", "/", "/data")
    assert "Nothing is loaded yet. Next:" in home
    assert "<code>qotgate fetch ark</code>" in home
    assert "<code>qotgate fetch ratings --symbols" in home
    assert "Trades appear once two days of files are loaded; a full window takes 30 days." in home
    assert "<code>qotgate fetch ark</code>" in data
    assert '<aside class="known"' not in home


def test_a_young_database_says_how_much_of_the_window_it_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reference: Reference
) -> None:
    url = f"sqlite:///{tmp_path / 'q.db'}"
    (tmp_path / "notices.csv").write_text(
        "fund,date,direction,ticker,cusip,shares\n"
        "ARKK,2026-06-12,Buy,TSLA,88160R101,100\nARKK,2026-06-22,Buy,TSLA,88160R101,100\n"
    )
    store = Store.open(url)
    load(store, reference, find_files([tmp_path / "notices.csv"]))
    store.close()
    monkeypatch.setattr(render, "_today", lambda: date(2026, 6, 23))
    assert "looks back 30 days; the data covers 10 of them so far" in pages(url, "/")[0]


def test_the_calendar_counts_no_day_of_a_hole(sample_url: str) -> None:
    """The sample's holdings files stop after 2026-04-20 and resume on 2026-06-15."""
    store = Store.open(sample_url)
    found = calendar(store)
    assert calendar(store, 2020) is not None
    store.close()
    assert found is not None
    assert (found.year, found.years) == (2026, (2026,))
    (arkk,) = [fund for fund in found.funds if fund.fund == "ARKK"]
    known = {month.month: (month.known, len(month.sources)) for month in arkk.months if month.sources}
    assert known == {4: (1, 10), 5: (0, 20), 6: (5, 15)}
    assert set(arkk.months[4].sources) == {"hole"}
    assert arkk.months[5].sources[-1] == "notice"


def test_the_calendar_of_an_empty_database_is_none(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'q.db'}")
    assert calendar(store) is None
    store.close()


def test_the_data_page_draws_the_calendar(sample_url: str) -> None:
    (page,) = pages(sample_url, "/data")
    table = text_of(page, '<table class="calendar">.*?</table>')
    assert "ARKK 1/10 0/20 5/15" in table
    assert page.count('<i class="hole">') > 50


def test_a_chart_of_an_earlier_day_knows_no_later_hole(web: httpx.Client) -> None:
    def breaks(**parameters: str) -> list[list[str]]:
        page = web.get("/securities/US.TSLA", params=parameters).text
        found = re.search(r'data-breaks="([^"]*)"', page)
        assert found is not None
        return list(json.loads(html.unescape(found[1])))

    assert ["ARKK", "2026-04-21", "2026-06-12"] in breaks()
    assert breaks(as_of="2026-04-20") == []
