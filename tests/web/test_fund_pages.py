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


def test_the_days_of_a_fund_can_be_taken_away(web: httpx.Client) -> None:
    page = web.get("/funds/ARKK", headers=EN).text
    assert 'href="/api/v1/ark/funds/ARKK/days.csv?lang=en&amp;count=all"' in page
    path = "/api/v1/ark/funds/arkk/days"
    every = web.get(path, params={"count": "all"}).json()["rows"]
    assert [row["day"] for row in every] == [row.split()[0] for row in rows(page, "days")]
    assert {name: every[0][name] for name in ("source", "bought", "sold", "amount", "flow")} == {
        "source": "notice",
        "bought": 1,
        "sold": 0,
        "amount": 8_680_000,
        "flow": None,
    }
    (hole,) = (row for row in every if row["source"] == "hole")
    assert (hole["through"], hole["bought"], hole["sold"], hole["amount"]) == ("2026-06-12", None, None, None)
    first = web.get(path, params={"count": 3}).json()
    rest = web.get(path, params={"count": 200, "before": first["next_before"]}).json()
    assert first["rows"] + rest["rows"] == every
    assert rest["next_before"] is None
    text = web.get(f"{path}.csv", params={"count": "all", "as_of": "2026-06-18"}).text.splitlines()
    assert (text[0], text[1][:10]) == ("day,through,source,flow,bought,sold,amount", "2026-06-18")
    for wrong in ({"count": 0}, {"count": 201}, {"before": "monday"}, {"as_of": "1999-01-01"}):
        assert web.get(path, params=wrong).status_code == 422
    answer = web.get("/api/v1/ark/funds/NONE/days", params={"lang": "en"})
    assert (answer.status_code, "ARKK, ARKW" in answer.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("kind", "order", "other"),
    [("INCREASE", "DESCENDING", "DECREASE"), ("DECREASE", "ASCENDING", "INCREASE")],
)
def test_the_largest_trades_come_first(web: httpx.Client, kind: str, order: str, other: str) -> None:
    """Sales are negative; each tab has an order of its own, unless the reader chose another."""

    def shown(**choices: str) -> tuple[str, str]:
        page = web.get("/active-trades", params={"holding_type": kind, **choices}, headers=EN).text
        (selected,) = re.findall('<option value="((?:DE|A)SCENDING)" selected>', page)
        (tab,) = re.findall(rf'<a href="(/active-trades\?holding_type={other}[^"]*)"', page)
        return selected, tab

    selected, tab = shown()
    assert (selected, "sort_dir" in tab) == (order, False)
    chosen = "ASCENDING" if order == "DESCENDING" else "DESCENDING"
    selected, tab = shown(sort_dir=chosen)
    assert (selected, f"sort_dir={chosen}" in tab) == (chosen, True)


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
