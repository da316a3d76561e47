"""Downloads of every list, and the commands that request them."""

import io
import re
from html import unescape

import httpx
import polars as pl
import pytest

EN = {"Accept-Language": "en"}
LISTS = [
    "/ratings",
    "/holdings",
    "/active-trades?cycle_type=SIXTY_DAY",
    "/moves",
    "/streaks?days=2",
    "/funds/ARKK",
    "/securities/US.TSLA",
    "/data/loads",
    "/data/files?kind=notices",
]


def rows(page: str) -> int:
    body = re.search(r'<tbody id="(?:rows|changes|files|loads)">(.*?)</tbody>', page, re.DOTALL)
    assert body is not None
    return body[1].count("<tr>")


@pytest.mark.parametrize("path", LISTS)
def test_each_list_has_files_that_can_be_read(web: httpx.Client, path: str) -> None:
    page = web.get(path, headers=EN).text
    links = [unescape(link) for link in re.findall(r'<a href="([^"]+)" download>', page)]
    assert len(links) % 3 == 0
    assert links
    for link in links:
        answer = web.get(link)
        assert answer.status_code == 200, link
        if ".parquet" in link:
            assert pl.read_parquet(io.BytesIO(answer.content)).height > 0
        elif ".csv" in link:
            assert answer.text.count("\n") > 1
        else:
            assert answer.json()["rows"]


@pytest.mark.parametrize(
    "path",
    [
        "/ratings?market=US",
        "/holdings?fund=ARKK&holding_type=POSITION",
        "/data/files?kind=notices",
        "/data/loads",
    ],
)
def test_a_file_has_the_rows_of_the_list(web: httpx.Client, path: str) -> None:
    page = web.get(path, headers=EN).text
    link = re.search(r'<a href="([^"]+\.csv[^"]*)" download>', page)
    assert link is not None
    assert web.get(unescape(link[1])).text.count("\n") == rows(page) + 1


def test_the_commands_name_the_gateway_as_the_reader_reached_it(web: httpx.Client) -> None:
    page = web.get("/ratings", headers=EN).text
    commands = [unescape(command) for command in re.findall("<code>(.*?)</code>", page)]
    assert commands[0].startswith(f"curl '{web.base_url}".rstrip("/") + "/api/v1/ratings/changes.csv?")
    assert commands[1].startswith("pandas.read_csv('http://127.0.0.1:")


def test_the_facets_count_what_the_list_has(web: httpx.Client) -> None:
    page = web.get("/ratings", headers=EN).text
    counts = dict(re.findall(r">(All|Upgrades|Downgrades|First ratings) <small>(\d+)</small>", page))
    assert counts == {"All": "17", "Upgrades": "6", "Downgrades": "2", "First ratings": "9"}
    chips = dict(re.findall(r'href="(/ratings\?institution=[^"]+)">[^<]* (\d+)</a>', page))
    for link, count in chips.items():
        assert f"{count} in total" in web.get(unescape(link), headers=EN).text
