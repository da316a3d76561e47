"""The page, the HTTP API, the wire and the command line agree: random questions on real data."""

import json
import random
import re
from datetime import date, timedelta
from html import unescape
from typing import Any

import httpx
import pytest

from qotgate.cli.main import main
from qotgate.model import (
    ArkActiveTransactionHoldingType,
    ArkCycleType,
    ArkFundHoldingSortField,
    ArkHoldingType,
    Market,
    RankSortDir,
    RatingChangeType,
)
from qotgate.protocol.messages import ProtoId
from qotgate.protocol.names import (
    CHANGE_TYPE_OF,
    CYCLES,
    DYNAMIC_TYPES,
    HOLDING_SORTS,
    HOLDING_TYPES,
    MARKETS,
    TRANSACTION_TYPES,
)
from qotgate.store import Store, reads
from tests.support.pages import facts
from tests.support.serving import Serving
from tests.support.wire import Wire

SEED = 20260623
DYNAMICS = 140
RATINGS = 60
LISTS = 40
FIRST_DAY, LAST_DAY = date(2021, 3, 10), date(2021, 9, 9)


@pytest.fixture(scope="module")
def codes(real_url: str) -> list[str]:
    store = Store.open(real_url)
    with store.reading() as connection:
        found = sorted(reads.securities.known_codes(connection))
    store.close()
    return found


@pytest.fixture(scope="module")
def web(real_site: Serving) -> httpx.Client:
    return httpx.Client(base_url=str(real_site.pages), headers={"Accept-Language": "en"})


def command(capsys: pytest.CaptureFixture[str], url: str, *arguments: str) -> Any:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--json", "--db", url])
    assert ended.value.code == 0
    return json.loads(capsys.readouterr().out)


def cells(page: str) -> list[list[str]]:
    """The rows of the table of rating changes."""
    rows = re.findall(r"<tr>\s*<td class=\"day[^>]*>.*?</tr>", page, re.S)
    found = []
    for row in rows:
        parts = re.findall(r"<t[dh][ >].*?</t[dh]>", row, re.S)
        found.append([" ".join(unescape(re.sub(r"<[^>]*>", " ", part)).split()) for part in parts])
    return found


@pytest.mark.slow
def test_dynamics(
    codes: list[str],
    web: httpx.Client,
    real_site: Serving,
    real_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chance = random.Random(SEED)
    kinds = set()
    with Wire(real_site.port) as wire:
        for _ in range(DYNAMICS):
            code = chance.choice(codes)
            days = (LAST_DAY - FIRST_DAY).days
            day = (FIRST_DAY + timedelta(days=chance.randint(0, days))).isoformat()
            market, _, listing = code.partition(".")
            told = command(capsys, real_url, "ark", code, "--as-of", day)
            api = web.get(f"/api/v1/ark/dynamics/{code}", params={"as_of": day}).json()
            assert {name: api[name] for name in told} == told, code
            security = {"market": MARKETS[Market[market]], "code": listing}
            s2c = wire.ask(ProtoId.Qot_GetArkStockDynamic, security=security, asOf=day).s2c
            assert DYNAMIC_TYPES[api["dynamic_type"]] == s2c.dynamicType
            assert (s2c.transactionCount, s2c.netShares) == (told["transaction_count"], told["net_shares"])
            assert (s2c.lastTransactionTime or None) == told["last_transaction_time"]
            page = web.get(f"/securities/{code}", params={"as_of": day}).text
            kind, count, net, last, as_of = facts(page)
            assert (int(count), as_of) == (told["transaction_count"], day)
            assert int(net.replace(",", "").replace("−", "-")) == told["net_shares"]
            assert last == (told["last_transaction_time"] or "none")
            kinds.add(kind)
            rows = web.get(f"/api/v1/ark/transactions/{code}", params={"as_of": day}).json()["rows"]
            assert sum(row["adjusted_shares"] for row in rows if row["counted"]) == pytest.approx(
                told["net_shares"], abs=told["transaction_count"]
            )
    assert kinds == {"No trades", "Last trade", "Recent trades", "Same direction"}


@pytest.mark.slow
def test_rating_changes(
    web: httpx.Client, real_site: Serving, real_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(SEED)
    numbers = {kind: number for number, kind in CHANGE_TYPE_OF.items()}
    with Wire(real_site.port) as wire:
        for _ in range(RATINGS):
            kind = chance.choice(list(RatingChangeType))
            count = chance.randint(1, 20)
            last = (date(2014, 1, 1) + timedelta(days=chance.randint(0, 4400))).isoformat()
            arguments = [
                "--market",
                "US",
                "--change-type",
                kind.value,
                "--count",
                str(count),
                "--as-of",
                last,
            ]
            told = command(capsys, real_url, "ratings", "--lang", "en", *arguments)
            asked = {"market": "US", "change_type": kind.value, "count": count, "as_of": last}
            api = web.get("/api/v1/ratings/changes", params=asked).json()
            assert api["all_count"] == told["all_count"]
            assert [{name: row[name] for name in told["rows"][0]} for row in api["rows"]] == told["rows"]
            s2c = wire.ask(
                ProtoId.Qot_GetRatingChange, market=11, changeType=numbers[kind], count=count, asOf=last
            ).s2c
            assert s2c.allCount == told["all_count"]
            assert [
                (row.security.code, row.institutionName, row.recommendationDate, row.lastRecommendationDate)
                for row in s2c.dataList
            ] == [
                (row["security"][3:], row["institution"], row["day"], row["last_day"] or "")
                for row in told["rows"]
            ]
            page = web.get("/ratings", params={"market": "US", "change_type": kind.value, "as_of": last}).text
            assert f"{told['all_count']:,} in total" in page
            levels = {"BUY": "Buy", "HOLD": "Hold", "SELL": "Sell", "N/A": "Unknown"}
            for shown, row in zip(cells(page), told["rows"], strict=False):
                assert shown[0] == row["day"]
                assert shown[1] == f"{row['security']} {row['name']}"
                assert shown[3] == row["institution"]
                assert shown[4].endswith(levels[row["rating"]])
            assert len(cells(page)) >= len(told["rows"]) == min(count, told["all_count"])


def rows_of(page: str) -> list[list[str]]:
    """The numbers of each row of a list, preceded by the fields that identify it."""
    body = page.partition('<tbody id="rows">')[2].partition("</tbody>")[0]
    found = []
    for row in re.findall(r"<tr>.*?</tr>", body, re.S):
        parts = re.findall(r"<t[dh][ >].*?</t[dh]>", row, re.S)
        found.append([" ".join(unescape(re.sub(r"<[^>]*>", " ", part)).split()) for part in parts])
    return found


def number_of(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-").removesuffix("%"))


@pytest.mark.slow
def test_holdings_and_active_transactions(
    web: httpx.Client, real_site: Serving, real_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(SEED)
    with Wire(real_site.port) as wire:
        for _ in range(LISTS):
            cycle = chance.choice(list(ArkCycleType))
            day = (FIRST_DAY + timedelta(days=chance.randint(0, (LAST_DAY - FIRST_DAY).days))).isoformat()
            count = chance.randint(1, 50)
            asked = {"cycle_type": cycle.value, "count": count, "as_of": day}
            common = ["--cycle", cycle.value, "--count", str(count), "--as-of", day, "--lang", "en"]
            on_wire = {"cycleType": CYCLES[cycle], "count": count, "asOf": day}
            if chance.random() < 0.5:
                kind, field = (
                    chance.choice(list(ArkHoldingType)),
                    chance.choice(list(ArkFundHoldingSortField)),
                )
                told = command(capsys, real_url, "holdings", "--type", kind, "--sort", field, *common)
                asked |= {"holding_type": kind.value, "sort_field": field.value}
                api = web.get("/api/v1/ark/holdings", params=asked).json()
                s2c = wire.ask(
                    ProtoId.Qot_GetArkFundHolding,
                    holdingType=HOLDING_TYPES[kind],
                    sortField=HOLDING_SORTS[field],
                    **on_wire,
                ).s2c
                path, columns, fields = "/holdings", (1, 2), ("shares", "shares_change")
                assert [row.sharesChange for row in s2c.dataList] == [
                    row["shares_change"] for row in told["rows"]
                ]
            else:
                sold = chance.choice(list(ArkActiveTransactionHoldingType))
                told = command(capsys, real_url, "transactions", "--type", sold, *common)
                asked |= {"holding_type": sold.value}
                api = web.get("/api/v1/ark/active-transactions", params=asked).json()
                s2c = wire.ask(
                    ProtoId.Qot_GetArkActiveTransaction, holdingType=TRANSACTION_TYPES[sold], **on_wire
                ).s2c
                path, columns, fields = "/active-trades", (1,), ("change_shares",)
                assert [row.changeShares for row in s2c.dataList] == [
                    row["change_shares"] for row in told["rows"]
                ]
            assert api["rows"] == told["rows"]
            assert api["all_count"] == told["all_count"] == s2c.allCount
            # The page begins with the largest sales unless an order is named.
            shown = rows_of(web.get(path, params={**asked, "sort_dir": RankSortDir.DESCENDING}).text)
            assert len(shown) >= len(told["rows"])
            for cells_, row in zip(shown, told["rows"], strict=False):
                named = " ".join(filter(None, (row["security"], row["name"])))
                assert cells_[0] == (named or "Money-market funds")
                assert [number_of(cells_[at]) for at in columns] == [row[name] for name in fields]
