"""The funds' combined holdings and trades on the real files: compared with a recomputation, and with each
other."""

import math
from collections.abc import Iterator
from datetime import date
from itertools import pairwise, product
from pathlib import Path

import polars as pl
import pytest

from qotgate.model import (
    ActiveTransaction,
    ArkActiveTransactionHoldingType,
    ArkActiveTransactionSortField,
    ArkCycleType,
    ArkFundHoldingSortField,
    ArkHoldingType,
    FundHolding,
    RankSortDir,
)
from qotgate.service.ark.lists import active_transactions, fund_holdings
from qotgate.service.questions import Questions
from qotgate.service.reference import load_reference
from qotgate.store import Store
from tests.support.paths import TABLES
from tests.support.recompute_lists import FUNDS, Lists

# In a gap of all files, before and on the days of splits (TTD, NVDA, ADYEY), a Sunday, the last day.
DAYS = [
    date(2021, 3, 9),
    date(2021, 5, 28),
    date(2021, 6, 17),
    date(2021, 7, 19),
    date(2021, 7, 20),
    date(2021, 8, 22),
    date(2021, 8, 24),
    date(2021, 9, 9),
]
SORTS = {
    ArkFundHoldingSortField.SHARES: "shares",
    ArkFundHoldingSortField.WEIGHT_CHANGE: "weight_change",
    ArkFundHoldingSortField.SHARES_CHANGE: "shares_change",
    ArkFundHoldingSortField.MARKET_VALUE: "value",
    ArkFundHoldingSortField.WEIGHT: "weight",
    ArkActiveTransactionSortField.UNKNOWN: "change_amount",
    ArkActiveTransactionSortField.CHANGE_AMOUNT: "change_amount",
    ArkActiveTransactionSortField.CHANGE_SHARES: "change_shares",
}


@pytest.fixture(scope="module")
def questions(real_url: str) -> Iterator[Questions]:
    store = Store.open(real_url)
    yield Questions(store, load_reference(), funds=FUNDS)
    store.close()


@pytest.fixture(scope="module")
def lists(real_url: str, shared_data: Path) -> Lists:
    return Lists(shared_data, TABLES, real_url)


def key(row: FundHolding | ActiveTransaction) -> str:
    return row.name if row.security is None else str(row.security)


@pytest.mark.slow
@pytest.mark.parametrize("day", DAYS, ids=str)
def test_every_row_of_every_list_is_what_a_recomputation_gets(
    questions: Questions, lists: Lists, day: date
) -> None:
    for cycle in ArkCycleType:
        expected = lists.changes(day, cycle.value)
        for kind, sort, way in product(ArkHoldingType, ArkFundHoldingSortField, RankSortDir):
            if kind is ArkHoldingType.POSITION:
                if cycle is not ArkCycleType.ONE_DAY:
                    continue
                wanted = expected.filter(pl.col("shares") > 0)
            else:
                wanted = expected.filter(pl.col("kind") == kind.value)
            answer = fund_holdings(questions, kind, cycle, sort, way, 200, as_of=day)
            assert (answer.all_count, answer.next_page) == (len(wanted), None)
            same_holdings(answer.rows, wanted)
            in_order([row[SORTS[sort]] for row in ordered(answer.rows, wanted)], way)
        for kind, sort, way in product(
            ArkActiveTransactionHoldingType, ArkActiveTransactionSortField, RankSortDir
        ):
            wanted = expected.filter((pl.col("kind") == kind.value) & (pl.col("change_shares") != 0))
            transactions = active_transactions(questions, kind, cycle, sort, way, 200, as_of=day)
            assert (transactions.all_count, transactions.next_page) == (len(wanted), None)
            same_transactions(transactions.rows, wanted)
            in_order([row[SORTS[sort]] for row in ordered(transactions.rows, wanted)], way)


def ordered(
    rows: tuple[FundHolding, ...] | tuple[ActiveTransaction, ...], wanted: pl.DataFrame
) -> list[dict]:
    """The expected rows, in the order of the answer."""
    by_key = {row["key"]: row for row in wanted.to_dicts()}
    assert len(by_key) == len(wanted)
    return [by_key[key(row)] for row in rows]


def in_order(values: list[float | None], way: RankSortDir) -> None:
    """Unknown values come last, in either direction."""
    known = [value for value in values if value is not None]
    assert values == known + [None] * (len(values) - len(known))
    assert all(
        math.isclose(one, other, abs_tol=1e-9, rel_tol=1e-9)
        or (one > other) == (way is RankSortDir.DESCENDING)
        for one, other in pairwise(known)
    )


def same_holdings(rows: tuple[FundHolding, ...], wanted: pl.DataFrame) -> None:
    for row, other in zip(rows, ordered(rows, wanted), strict=True):
        assert (row.shares, row.shares_change) == (other["shares"], other["shares_change"]), other["key"]
        assert row.market_value == pytest.approx(other["value"], abs=0.005)
        assert row.weight == pytest.approx(other["weight"], abs=1e-9)
        assert row.weight_change == pytest.approx(other["weight_change"], abs=1e-9)


def same_transactions(rows: tuple[ActiveTransaction, ...], wanted: pl.DataFrame) -> None:
    for row, other in zip(rows, ordered(rows, wanted), strict=True):
        assert row.change_shares == other["change_shares"], other["key"]
        if other["change_amount"] is None:
            assert row.change_amount is None
        else:
            assert row.change_amount == pytest.approx(other["change_amount"], abs=0.006)
