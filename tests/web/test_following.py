"""News about followed names: the page, the feed, and following by name."""

import asyncio
from threading import Event
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from fastapi import FastAPI

from qotgate.model import InvalidRequest
from qotgate.service.following import MAX_FOLLOWED, Followed
from tests.support.in_process import run_alone, web_in_process

ATOM = "{http://www.w3.org/2005/Atom}"
EN, HANT = {"Accept-Language": "en"}, {"Accept-Language": "zh-TW"}


def entries(web: httpx.Client, follow: str, headers: dict[str, str] = EN) -> list[tuple[str, str]]:
    answer = web.get("/feed.atom", params={"follow": follow} if follow else {}, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/atom+xml")
    feed = ElementTree.fromstring(answer.text)
    return [
        (str(one.findtext(f"{ATOM}id")), str(one.findtext(f"{ATOM}title")))
        for one in feed.iter(f"{ATOM}entry")
    ]


def test_a_list_of_names_is_sorted_out() -> None:
    followed = Followed.parse(["us.tsla", "arkk", "UBS", "J.P. Morgan", "UBS", ""], ["ARKK"])
    assert followed == Followed(("US.TSLA",), ("ARKK",), ("UBS", "J.P. Morgan"))
    with pytest.raises(InvalidRequest):
        Followed.parse([f"US.A{n}" for n in range(MAX_FOLLOWED + 1)], [])


def test_a_feed_has_what_is_followed_and_nothing_else(web: httpx.Client) -> None:
    titles = [title for _, title in entries(web, "US.TSLA")]
    assert "ARKK bought 28,000 shares of US.TSLA Tesla" in titles
    assert "US.TSLA Tesla: Morgan Stanley · Downgrade" in titles
    assert all("US.TSLA" in title for title in titles)
    assert {title.split()[0] for _, title in entries(web, "ARKW")} == {"ARKW"}
    assert all("Goldman Sachs" in title for _, title in entries(web, "Goldman Sachs"))
    everything = entries(web, "")
    assert set(titles) < {title for _, title in everything}


def test_an_entry_is_the_same_in_each_language(web: httpx.Client) -> None:
    english, chinese = entries(web, "高盛,US.MU"), entries(web, "高盛,US.MU", HANT)
    assert [key for key, _ in english] == [key for key, _ in chinese]
    assert "US.MU 美光科技: 美銀證券 · 上調" in [title for _, title in chinese]


def test_the_page_lists_the_same_and_names_the_feed(web: httpx.Client) -> None:
    page = web.get("/following", params={"follow": "US.TSLA, ARKW"}, headers=EN).text
    assert "ARKW bought 12,000 shares of US.TSLA Tesla" in page
    assert 'href="/feed.atom?follow=US.TSLA%2CARKW"' in page
    assert "You follow nothing yet." in web.get("/following", headers=EN).text


@pytest.mark.parametrize("lang", ["en", "zh-CN", "zh-TW"])
def test_the_help_page_explains_each_basis(web: httpx.Client, lang: str) -> None:
    page = web.get("/help", headers={"Accept-Language": lang}).text
    for ground in ("NOTICE", "STILL", "FLOW", "UNSURE", "OPENED", "CLOSED", "GAP"):
        assert f'id="basis-{ground}"' in page
    assert 'href="/help#basis-NOTICE"' in web.get("/securities/US.TSLA").text


def test_the_reference_has_each_path_and_no_pattern(web: httpx.Client) -> None:
    document, page = web.get("/api/v1/openapi.json").json(), web.get("/api", headers=EN).text
    for path in document["paths"]:
        assert f"<code>GET {path}</code>" in page
    assert "A-Za-z" not in page
    assert "a-z]" not in page
    assert "ONE_DAY | FIVE_DAY" in page
    assert "Default: ONE_DAY." in page
    assert "ArkCycleType" not in page
    assert "`" not in page


def test_threads_that_ask_at_once_get_one_document(monkeypatch: pytest.MonkeyPatch, sample_url: str) -> None:
    """The first requests of several threads need it, each to check the names of its parameters."""
    made: list[int] = []
    make = FastAPI.openapi

    def slow(app: FastAPI) -> Any:
        made.append(1)
        together.wait(0.2)
        return make(app)

    together = Event()
    monkeypatch.setattr(FastAPI, "openapi", slow)
    monkeypatch.setattr("qotgate.web.app._App._document", None)

    async def ask() -> list[int]:
        async with web_in_process(sample_url) as (web, _):
            paths = ("/api/v1/ark/positions/US.TSLA", "/api/v1/ark/transactions/US.TSLA", "/api/v1/coverage")
            return [answer.status_code for answer in await asyncio.gather(*map(web.get, paths))]

    assert run_alone(ask()) == [200, 200, 200]
    assert made == [1]
