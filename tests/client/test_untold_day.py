"""A day on which two funds sold nearly every name in small uneven pieces during redemptions, as on
2021-12-27: nothing is inferred, and every answer reports it."""

import random
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from qotgate import QuoteClient, UntoldDays
from qotgate.model import DynamicType
from qotgate.service.loading import find_files, load
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.support.ark_files import HEADER
from tests.support.commands import run
from tests.support.in_process import in_process, run_alone, web_in_process

DAY = date(2026, 6, 16)
FUNDS = ("ARKK", "ARKW")
UNITS = 3000
REDEEMED = 45
NAMES = 40


def book(day: str, fund: str, positions: dict[str, int]) -> str:
    percent = 100 / (sum(positions.values()) * 10 + 5000)
    rows = [
        f"{day},{fund},COMPANY {ticker},{ticker},,{n},{n * 10},{n * 10 * percent:.5f}"
        for ticker, n in positions.items()
    ]
    return "\n".join([HEADER, *rows, f"{day},{fund},U.S. DOLLAR,,USD,5000,5000,{5000 * percent:.5f}", ""])


@pytest.fixture
def url(new_url: Callable[[], str], reference: Reference, tmp_path: Path) -> str:
    """Books of two funds before and after the day, and of the next day, on which one name was sold."""
    chance = random.Random(27)
    url = new_url()
    folder = tmp_path / "books"
    folder.mkdir()
    for fund in FUNDS:
        before = {
            f"T{chr(65 + n // 20)}{chr(65 + n % 20)}": chance.randrange(2 * 10**5, 9 * 10**6)
            for n in range(NAMES)
        }
        after = {
            name: n - REDEEMED * round(n / UNITS) - round(n * chance.uniform(0.001, 0.02))
            for name, n in before.items()
        }
        later = after | {"TAA": after["TAA"] - 7_000}
        for day, positions in (("6/16/2026", before), ("6/17/2026", after), ("6/18/2026", later)):
            name = f"{fund}-{day.replace('/', '-')}.csv"
            (folder / name).write_text(book(day, fund, positions))
    store = Store.open(url)
    report = load(store, reference, find_files([folder]))
    assert (report.read, report.rejects) == (6, [])
    store.close()
    return url


def test_every_answer_says_what_is_not_told(url: str) -> None:
    untold = tuple(UntoldDays(fund, DAY, DAY, "untold") for fund in FUNDS)
    with in_process(url) as gateway, QuoteClient(port=gateway.port) as client:
        assert client.ark_dynamic("US.TAB").untold == untold
        assert client.ark_dynamic("US.TAB").dynamic_type is DynamicType.NO_DYNAMIC
        sold = client.ark_dynamic("US.TAA")
        assert (sold.net_shares, sold.transaction_count, sold.untold) == (-14_000, 1, untold)
        assert list(client.active_transactions(as_of=DAY)) == []

    async def page() -> str:
        async with web_in_process(url) as (web, _):
            return (await web.get("/securities/US.TAB")).text

    shown = " ".join(re.sub(r"<[^<>]*>", "", run_alone(page())).split())
    why = "unknown: fund flow and trades cannot be separated"
    assert f"Trades of {', '.join(FUNDS)} ({DAY}) are {why}." in shown
    explained = run("ark", "US.TAB", "--explain", "--db", url).stdout
    sentence = "the fund's flow cannot be separated from its trades, so they are unknown"
    for fund in FUNDS:
        assert f"{DAY} {fund}: {sentence}" in explained
    assert "untold" in run("status", "--db", url).stdout
