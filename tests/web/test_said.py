"""The dynamic in words: the text is correct, in both languages."""

import html
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from qotgate.service.loading import LoadReport, find_files, load
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.support.in_process import run_alone, web_in_process

NOTICES = """fund,date,direction,ticker,cusip,shares
ARKK,2026-06-01,{0},TSLA,88160R101,100
ARKK,2026-06-10,{0},TSLA,88160R101,200
ARKK,2026-06-24,{0},TSLA,88160R101,300
"""
SAID = {
    (direction, lang): text.format(word)
    for lang, text, words in (
        (
            "en",
            "The ARK funds were net {} on each of the last 3 days with trades: 600 shares in total, "
            "most recently on 2026-06-24.",
            ("buyers", "sellers"),
        ),
        ("zh", "ARK 基金最近 3 次交易均为净{}，合计 600 股，最近一笔在 2026-06-24。", ("买入", "卖出")),
        ("zh-TW", "ARK 基金最近 3 次交易均為淨{}，合計 600 股，最近一筆在 2026-06-24。", ("買入", "賣出")),
    )
    for direction, word in zip(("Buy", "Sell"), words, strict=True)
}


@pytest.fixture
def loaded(tmp_path: Path, reference: Reference) -> Callable[[str], str]:
    """Returns the URL of a database with notices weeks apart, all in one direction."""

    def make(direction: str) -> str:
        url = f"sqlite:///{tmp_path / direction}.db"
        (tmp_path / "notices.csv").write_text(NOTICES.format(direction))
        store = Store.open(url)
        report: LoadReport = load(store, reference, find_files([tmp_path / "notices.csv"]))
        store.close()
        assert report.added["notices"] == 3
        return url

    return make


@pytest.mark.parametrize(("direction", "lang"), SAID)
def test_transactions_weeks_apart_are_not_days_in_a_row(
    loaded: Callable[[str], str], direction: str, lang: str
) -> None:
    async def ask() -> str:
        async with web_in_process(loaded(direction)) as (web, _):
            return (await web.get("/securities/US.TSLA", headers={"Accept-Language": lang})).text

    page = run_alone(ask())
    said = re.search(r'class="said"[^>]*>(.*?)</p>', page, re.DOTALL)
    assert said is not None
    assert html.unescape(re.sub("<[^>]+>", "", said[1]).strip()) == SAID[direction, lang]
    assert "in a row" not in page
    assert "个交易日卖出" not in page
