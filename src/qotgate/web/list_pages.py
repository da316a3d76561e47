"""The pages of the ARK funds' combined holdings, of their active trades, and of streaks."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
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
from qotgate.model.research import Streak
from qotgate.protocol.interface import ACTIVE_TRANSACTIONS, FUND_HOLDINGS, ListQuestion
from qotgate.protocol.research import LONGEST_STREAK, STREAKS
from qotgate.service.ark.lists import active_transactions, fund_holdings
from qotgate.service.questions import Questions, of_fund
from qotgate.service.research import part
from qotgate.service.research.streaks import TRADING_DAYS, TRANSACTIONS
from qotgate.web.list_api import Fund
from qotgate.web.pages import Cursor, OneDay, Start, given, or_sentence, page_from
from qotgate.web.render import View, show
from qotgate.web.site import Site, TheSite

ROWS_ON_A_PAGE = 50
STREAKS_ON_A_PAGE = 100
STREAK_DAYS = 3
STREAK_KINDS = (TRADING_DAYS, TRANSACTIONS)
TRADE_SORTS = (ArkActiveTransactionSortField.CHANGE_AMOUNT, ArkActiveTransactionSortField.CHANGE_SHARES)

SALES = (ArkActiveTransactionHoldingType.DECREASE, ArkActiveTransactionHoldingType.SOLD_OUT)

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
    sort_dir: RankSortDir | None = None,
    fund: FundName = None,
    as_of: OneDay = None,
    page: Cursor = None,
) -> Response:
    """What the funds actively bought or sold, the largest trades first unless ``sort_dir`` is given: sales
    are negative, so the largest are the lowest."""
    largest_first = RankSortDir.ASCENDING if holding_type in SALES else RankSortDir.DESCENDING
    direction = sort_dir or largest_first
    choices = _choices(holding_type, cycle_type, sort_field, direction, fund, as_of)

    def ask(questions: Questions) -> Page[ActiveTransaction]:
        return active_transactions(
            questions, holding_type, cycle_type, sort_field, direction, ROWS_ON_A_PAGE, page, as_of
        )

    types = list(ArkActiveTransactionHoldingType)
    return _show(
        request,
        site,
        "active_trades.html",
        choices,
        types,
        list(TRADE_SORTS),
        ask,
        ACTIVE_TRANSACTIONS,
        # The other tab has a default of its own.
        kept_by_tabs={**choices, "sort_dir": None if direction is largest_first else direction},
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
    kept_by_tabs: dict[str, Any] | None = None,
) -> Response:
    kept = choices if kept_by_tabs is None else kept_by_tabs

    def make(view: View) -> dict[str, Any]:
        questions = site.questions[view.lang]
        found, no_rows = or_sentence(view, lambda: ask(of_fund(questions, choices["fund"])))
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
            "others": {name: value for name, value in kept.items() if name != "holding_type"},
            "types": types,
            "lists": lists,
            "funds": site.questions[view.lang].held_funds,
        }

    return show(request, site, template, make)


@router.get("/streaks")
def streaks(
    request: Request,
    site: TheSite,
    side: Literal["ALL", "BUY", "SELL"] = "ALL",
    days: Annotated[int, Query(ge=2, le=LONGEST_STREAK)] = STREAK_DAYS,
    fund: FundName = None,
    as_of: OneDay = None,
    kind: Literal["TRADING_DAYS", "TRANSACTIONS"] | None = None,
    start: Start = 1,
) -> Response:
    """What the funds bought or sold ``days`` times in a row or more; with ``kind`` one of the two tables,
    from row ``start`` on."""
    choices = {"side": side, "days": days, "fund": fund and fund.upper(), "as_of": as_of}
    values = {"side": side, "days": days, "as_of": as_of, "funds": fund and (fund.upper(),)}

    def make(view: View) -> dict[str, Any]:
        questions = site.questions[view.lang]
        found, no_rows = or_sentence(view, lambda: part(questions, STREAKS, values))
        rows = [Streak(*row) for row in found.rows] if found else []
        tables = {
            one: page_from(
                sorted((row for row in rows if row.kind == one), key=_longest), start, STREAKS_ON_A_PAGE
            )
            for one in ((kind,) if kind else STREAK_KINDS)
        }
        return {
            "day": found and found.known_to,
            "no_rows": no_rows,
            "tables": tables,
            "choices": choices,
            "longest": LONGEST_STREAK,
            "window": questions.window_days,
            "funds": questions.funds,
        }

    return show(request, site, "streaks.html", make)


def _longest(row: Streak) -> tuple[int, int, str]:
    """The longest streak first."""
    return (
        -(row.trading_days if row.kind == TRADING_DAYS else row.transactions),
        -row.transactions,
        row.security,
    )
