"""The pages of a fund and of an institution, and the days around a day."""

import re
from urllib.parse import quote

import httpx
import pytest

EN = {"Accept-Language": "en"}


def rows(page: str, table: str) -> list[str]:
    body = re.search(rf'<tbody id="{table}">(.*?)</tbody>', page, re.DOTALL)
    assert body is not None
    found = re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL)
    return [" ".join(re.sub("<[^>]+>", " ", row).split()) for row in found]


def test_a_fund_shows_its_trades_days_and_book(web: httpx.Client) -> None:
    page = web.get("/funds/ARKK", headers=EN).text
    assert rows(page, "moves") == ["US.TSLA Tesla +28,000 +8,680,000"]
    days = rows(page, "days")
    assert days[0].startswith("2026-06-22 1 0 +8,680,000 – from notices")
    # Unknown days are not days without trades.
    assert "2026-04-21 to 2026-06-12 – – – – unknown: too many missing files" in days
    assert "US.TSLA" in page[page.index('id="book-title"') :]
    assert page == web.get("/funds/arkk", headers=EN).text.replace("/funds/arkk", "/funds/ARKK")


def test_a_fund_as_of_an_earlier_day(web: httpx.Client) -> None:
    page = web.get("/funds/ARKK", params={"as_of": "2026-06-18"}, headers=EN).text
    assert rows(page, "days")[0].startswith("2026-06-18 ")
    assert 'rel="next" href="/funds/ARKK?as_of=2026-06-22"' in page


def test_moves_lead_to_the_days_around(web: httpx.Client) -> None:
    page = web.get("/moves", headers=EN).text
    before = re.search(r'rel="prev" href="(/moves\?as_of=[\d-]+)"', page)
    assert before is not None
    assert 'rel="next" href="/moves' not in page
    earlier = web.get(before[1], headers=EN).text
    assert 'rel="next" href="/moves?as_of=2026-06-22"' in earlier


@pytest.mark.parametrize("name", ["Goldman Sachs", "高盛", "goldman sachs"])
def test_an_institution_shows_its_changes(web: httpx.Client, name: str) -> None:
    page = web.get(f"/institutions/{quote(name)}", headers=EN).text
    assert len(rows(page, "changes")) == 2
    assert "institution=Goldman+Sachs" in page
    first = web.get(f"/institutions/{quote(name)}", params={"change_type": "NEW_RATING"}, headers=EN).text
    assert [row.split()[0] for row in rows(first, "changes")] == ["2026-05-20"]


@pytest.mark.parametrize("path", ["/funds/NONE", "/funds/NONE/days", "/institutions/No%20Such%20House"])
def test_what_is_not_loaded_is_not_found(web: httpx.Client, path: str) -> None:
    assert web.get(path, headers=EN).status_code == 404
