"""The page of streaks shows the research table, and distinguishes the two kinds."""

import re
from html import unescape

import httpx
import pytest

from tests.support.serving import Serving

EN = {"Accept-Language": "en"}


def rows(page: str, kind: str) -> list[str]:
    body = re.search(rf'<tbody id="{kind}">(.*?)</tbody>', page, re.DOTALL)
    found = re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL) if body else []
    return [" ".join(unescape(re.sub("<[^>]+>", " ", row)).split()) for row in found]


def test_the_kinds_are_told_apart(web: httpx.Client) -> None:
    page = web.get("/streaks", params={"days": 2}, headers=EN).text
    assert rows(page, "TRADING_DAYS") == [
        "US.TSLA Tesla bought 2 times +76,041 +23,572,710 2026-06-18 – 2026-06-22 98% –"
    ]
    assert rows(page, "TRANSACTIONS") == []
    assert "No streaks of 2 or more." in page
    assert "No streaks of 3 or more." in web.get("/streaks", headers=EN).text


@pytest.mark.slow
def test_a_page_has_the_rows_of_the_table(real_site: Serving) -> None:
    """Each stock once, the longest streak first, with the funds whose days in it are unknown."""
    choices = {"days": 2, "as_of": "2021-05-03", "side": "SELL"}
    with httpx.Client(base_url=str(real_site.pages)) as web:
        table = web.get("/api/v1/research/streaks.json", params=choices).json()["rows"]
        page = web.get("/streaks", params=choices, headers=EN).text
    for kind, length in (("TRADING_DAYS", "trading_days"), ("TRANSACTIONS", "transactions")):
        wanted = {row["security"]: row for row in table if row["kind"] == kind}
        shown = rows(page, kind)
        assert {row.split()[0] for row in shown} == wanted.keys()
        assert len(shown) == len(wanted) > 3
        lengths = []
        for row in shown:
            one = wanted[row.split()[0]]
            assert f"sold {one[length]} times {one['shares']:,}".replace("-", "−") in row
            assert one["untold"] is None or one["untold"].split()[0] in row.split("%")[1]
            lengths.append(one[length])
        assert lengths == sorted(lengths, reverse=True)


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"fund": "NONE"}, "funds takes a fund with loaded data (ARKK, ARKW), not NONE."),
        ({"as_of": "1999-01-01"}, "as_of takes a day from 2026-04-17 on"),
    ],
)
def test_what_cannot_be_shown_is_said_in_words(
    web: httpx.Client, choices: dict[str, str], sentence: str
) -> None:
    answer = web.get("/streaks", params=choices, headers=EN)
    assert answer.status_code == 200
    assert sentence in unescape(answer.text)


def test_streaks_of_a_fund_are_found_on_its_page(web: httpx.Client) -> None:
    link = re.search(r'href="(/streaks\?fund=ARKK[^"]*)"', web.get("/funds/ARKK", headers=EN).text)
    assert link is not None
    page = web.get(unescape(link[1]), params={"fund": "ARKK", "days": 2}, headers=EN).text
    assert "<option selected>ARKK</option>" in page
    assert "funds=ARKK" in page


def test_later_rows_come_by_kind(web: httpx.Client) -> None:
    page = web.get("/streaks", params={"days": 2, "kind": "TRADING_DAYS", "start": 2}, headers=EN).text
    assert rows(page, "TRADING_DAYS") == []
    assert "Consecutive trades" not in page
