"""Finding and suggesting: securities, funds and institutions, in either language and script."""

from urllib.parse import unquote

import httpx
import pytest

EN, ZH, HANT = ({"Accept-Language": tag} for tag in ("en", "zh-CN", "zh-TW"))


def suggested(web: httpx.Client, text: str, headers: dict[str, str]) -> list[tuple[str, str]]:
    answer = web.get("/suggest", params={"q": text}, headers=headers)
    assert answer.status_code == 200
    return [(row["href"], row["name"]) for row in answer.json()]


@pytest.mark.parametrize("text", ["高盛", "goldman"])
def test_an_institution_is_found_in_either_language(web: httpx.Client, text: str) -> None:
    (found,) = suggested(web, text, EN)
    assert found == ("/institutions/Goldman%20Sachs", "Goldman Sachs")
    ((href, name),) = suggested(web, text, ZH)
    assert (unquote(href), name) == ("/institutions/高盛", "高盛")


@pytest.mark.parametrize("text", ["摩根士丹利", "英特尔", "英特爾", "US.INTC", "intel"])
def test_both_scripts_find_the_same(web: httpx.Client, text: str) -> None:
    assert suggested(web, text, EN)
    assert suggested(web, text, HANT)


def test_names_come_in_the_reader_s_script(web: httpx.Client) -> None:
    (row,) = web.get("/suggest", params={"q": "US.INTC"}, headers=HANT).json()
    assert row == {"href": "/securities/US.INTC", "name": "US.INTC", "more": "英特爾"}


def test_a_fund_is_found_by_its_beginning(web: httpx.Client) -> None:
    assert suggested(web, "arkk", EN)[0] == ("/funds/ARKK", "ARKK")
    assert suggested(web, "", EN) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [("arkw", "/funds/ARKW"), ("us.tsla", "/securities/US.TSLA"), ("needham", "/institutions/Needham")],
)
def test_an_exact_name_leads_there_without_a_script(web: httpx.Client, text: str, place: str) -> None:
    answer = web.get("/search", params={"q": text}, headers=EN)
    assert (answer.status_code, answer.headers["location"]) == (303, place)


def test_a_search_lists_each_kind(web: httpx.Client) -> None:
    page = web.get("/search", params={"q": "m"}, headers=EN).text
    assert 'href="/institutions/Morgan%20Stanley"' in page
    assert 'href="/securities/US.MU"' in page
    nothing = web.get("/search", params={"q": "no such thing"}, headers=EN).text
    assert "No loaded security, fund or institution has “no such thing”" in nothing
