"""The days that the data covers, and the holes in it: on the Data page, over HTTP and on the command line."""

import json
import re

import httpx
import pytest

from qotgate.cli.main import main
from tests.support.in_process import run_alone, web_in_process

HOLES = [
    {"fund": fund, "first_day": "2026-04-21", "last_day": "2026-06-12", "sessions": 38}
    for fund in ("ARKK", "ARKW")
]


def test_the_api_and_the_page_show_it(sample_url: str) -> None:
    async def ask() -> None:
        async with web_in_process(sample_url) as (web, _):
            found = (await web.get("/api/v1/coverage")).json()
            assert found.pop("loaded_at")
            assert found == {
                "first_ark_day": "2026-04-17",
                "ark_day": "2026-06-22",
                "note_day": "2026-06-23",
                "files": 18,
                "left_out": 0,
                "rows": HOLES,
            }
            lines = (await web.get("/api/v1/coverage.csv")).text.splitlines()
            assert lines[:2] == ["fund,first_day,last_day,sessions", "ARKK,2026-04-21,2026-06-12,38"]
            page = (await web.get("/data")).text
            assert re.search(r"ARKW</th><td.*>2026-04-21</td><td.*>2026-06-12</td><td.*>38</td>", page)

    run_alone(ask())


def test_status_prints_it(sample_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    def printed(*options: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["status", "--db", sample_url, *options])
        assert ended.value.code == 0
        return capsys.readouterr().out

    assert json.loads(printed("--json"))["holes"] == HOLES
    assert re.search(r"ARKK +│ 2026-04-21 +│ 2026-06-12 +│ 38 ", printed())


def test_a_span_reaches_to_the_end_of_a_hole(web: httpx.Client) -> None:
    page = web.get("/data", headers={"Accept-Language": "en"}).text
    body = re.search(r'<tbody id="coverage">(.*?)</tbody>', page, re.DOTALL)
    assert body is not None
    found = [" ".join(re.sub("<[^>]+>", " ", row).split()) for row in body[1].split("</tr>")]
    assert "Trading days unknown: too many missing files ARKK 1 2026-04-21 2026-06-12" in found
