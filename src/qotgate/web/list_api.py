"""The HTTP API of the two longer ARK questions: what the funds hold together, and what they traded."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from qotgate.model import (
    ArkActiveTransactionHoldingType,
    ArkActiveTransactionSortField,
    ArkCycleType,
    ArkFundHoldingSortField,
    ArkHoldingType,
    RankSortDir,
)
from qotgate.protocol.interface import ACTIVE_TRANSACTIONS, FUND_HOLDINGS
from qotgate.service.questions import Questions
from qotgate.web.api import ANSWERS, AsOf
from qotgate.web.asked import TheRequest
from qotgate.web.shapes import ActiveTransactions, Holdings, Shape, ark_page

Cycle = Annotated[ArkCycleType, Query(description="How many trading days back a change is measured.")]
Direction = Annotated[RankSortDir, Query()]
Count = Annotated[int, Query(ge=1, le=FUND_HOLDINGS.most)]
PageCursor = Annotated[
    str | None, Query(description="The `next_page` of an earlier answer to the same question.")
]
Fund = Annotated[
    str | None,
    Query(
        description="One fund, in any case; all that are summed unless given.",
        pattern="^[A-Za-z]{1,10}$",
        examples=["ARKK"],
    ),
]

router = APIRouter(prefix="/api/v1", responses=ANSWERS)


def of_fund(questions: Questions, fund: str | None) -> Questions:
    return questions.varied(funds=(fund.upper(),)) if fund else questions


@router.get("/ark/holdings", response_model=Holdings, tags=["ARK"])
def holdings(
    asked: TheRequest,
    holding_type: ArkHoldingType = ArkHoldingType.POSITION,
    cycle_type: Cycle = ArkCycleType.ONE_DAY,
    sort_field: ArkFundHoldingSortField = ArkFundHoldingSortField.SHARES,
    sort_dir: Direction = RankSortDir.DESCENDING,
    count: Count = FUND_HOLDINGS.count,
    page: PageCursor = None,
    fund: Fund = None,
    as_of: AsOf = None,
) -> Response:
    """What the ARK funds hold together, and how it changed over a cycle."""

    def make() -> Shape:
        found = of_fund(asked.questions, fund).fund_holdings(
            holding_type, cycle_type, sort_field, sort_dir, count, page or None, as_of
        )
        return ark_page(Holdings, found)

    return asked.answer("holdings", make, later_page=bool(page))


@router.get("/ark/active-transactions", response_model=ActiveTransactions, tags=["ARK"])
def active_transactions(
    asked: TheRequest,
    holding_type: ArkActiveTransactionHoldingType = ArkActiveTransactionHoldingType.INCREASE,
    cycle_type: Cycle = ArkCycleType.ONE_DAY,
    sort_field: ArkActiveTransactionSortField = ArkActiveTransactionSortField.CHANGE_AMOUNT,
    sort_dir: Direction = RankSortDir.DESCENDING,
    count: Count = ACTIVE_TRANSACTIONS.count,
    page: PageCursor = None,
    fund: Fund = None,
    as_of: AsOf = None,
) -> Response:
    """What the ARK funds actively bought or sold together over a cycle, flows left out."""

    def make() -> Shape:
        found = of_fund(asked.questions, fund).active_transactions(
            holding_type, cycle_type, sort_field, sort_dir, count, page or None, as_of
        )
        return ark_page(ActiveTransactions, found)

    return asked.answer("active-transactions", make, later_page=bool(page))
