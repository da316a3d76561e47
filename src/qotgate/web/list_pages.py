"""The pages of what the ARK funds hold together, and of what they actively traded."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BeforeValidator

from qotgate.model import (
    ActiveTransaction,
    ArkActiveTransactionHoldingType,
    ArkActiveTransactionSortField,
    ArkCycleType,
    ArkFundHoldingSortField,
    ArkHoldingType,
    FundHolding,
    Page,
    RankSortDir,
)
from qotgate.protocol.interface import ACTIVE_TRANSACTIONS, FUND_HOLDINGS, ListQuestion
from qotgate.service.ark.lists import active_transactions, fund_holdings
from qotgate.service.questions import Questions
from qotgate.web.list_api import Fund, of_fund
from qotgate.web.pages import Cursor, OneDay, given, or_sentence
from qotgate.web.render import View, show
from qotgate.web.site import Site, TheSite

ROWS_ON_A_PAGE = 50
TRADE_SORTS = (ArkActiveTransactionSortField.CHANGE_AMOUNT, ArkActiveTransactionSortField.CHANGE_SHARES)

FundName = Annotated[Fund, BeforeValidator(given)]

router = APIRouter()


@router.get("/holdings")
def holdings(
    request: Request,
    site: TheSite,
    holding_type: ArkHoldingType = ArkHoldingType.POSITION,
    cycle_type: ArkCycleType = ArkCycleType.ONE_DAY,
    sort_field: ArkFundHoldingSortField = ArkFundHoldingSortField.MARKET_VALUE,
    sort_dir: RankSortDir = RankSortDir.DESCENDING,
    fund: FundName = None,
    as_of: OneDay = None,
    page: Cursor = None,
) -> Response:
    """What the funds hold, or how it changed."""
    choices = _choices(holding_type, cycle_type, sort_field, sort_dir, fund, as_of)

    def ask(questions: Questions) -> Page[FundHolding]:
        return fund_holdings(
            questions, holding_type, cycle_type, sort_field, sort_dir, ROWS_ON_A_PAGE, page, as_of
        )

    return _show(
        request,
        site,
        "holdings.html",
        choices,
        list(ArkHoldingType),
        list(ArkFundHoldingSortField),
        ask,
        FUND_HOLDINGS,
    )


@router.get("/active-trades")
def active_trades(
    request: Request,
    site: TheSite,
    holding_type: ArkActiveTransactionHoldingType = ArkActiveTransactionHoldingType.INCREASE,
    cycle_type: ArkCycleType = ArkCycleType.ONE_DAY,
    sort_field: ArkActiveTransactionSortField = ArkActiveTransactionSortField.CHANGE_AMOUNT,
    sort_dir: RankSortDir = RankSortDir.DESCENDING,
    fund: FundName = None,
    as_of: OneDay = None,
    page: Cursor = None,
) -> Response:
    """What the funds actively bought or sold."""
    choices = _choices(holding_type, cycle_type, sort_field, sort_dir, fund, as_of)

    def ask(questions: Questions) -> Page[ActiveTransaction]:
        return active_transactions(
            questions, holding_type, cycle_type, sort_field, sort_dir, ROWS_ON_A_PAGE, page, as_of
        )

    types = list(ArkActiveTransactionHoldingType)
    return _show(
        request, site, "active_trades.html", choices, types, list(TRADE_SORTS), ask, ACTIVE_TRANSACTIONS
    )


def _choices(*values: object) -> dict[str, Any]:
    names = ("holding_type", "cycle_type", "sort_field", "sort_dir", "fund", "as_of")
    return dict(zip(names, values, strict=True))


def _show(
    request: Request,
    site: Site,
    template: str,
    choices: dict[str, Any],
    types: list[Any],
    sorts: list[Any],
    ask: Callable[[Questions], Page[Any]],
    question: ListQuestion[Any],
) -> Response:
    def make(view: View) -> dict[str, Any]:
        questions = of_fund(site.questions[view.lang], choices["fund"])
        found, no_rows = or_sentence(view, lambda: ask(questions))
        lists: dict[str, list[StrEnum]] = {
            "cycle_type": list(ArkCycleType),
            "sort_field": sorts,
            "sort_dir": list(RankSortDir),
        }
        return {
            "found": found,
            "api_path": f"/api/v1/{question.path}",
            "no_rows": no_rows,
            "choices": choices,
            "others": {name: value for name, value in choices.items() if name != "holding_type"},
            "types": types,
            "lists": lists,
            "funds": site.questions[view.lang].held_funds,
        }

    return show(request, site, template, make)
