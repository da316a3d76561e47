"""Answers: the model's words to the Responses of the wire, and back."""

from datetime import date
from typing import Any

from qotgate.model import ActiveTransaction, ArkDynamic, FundHolding, Page, RatingChange, Security
from qotgate.protocol.messages import RESPONSES, ProtoId, RetType
from qotgate.protocol.names import CHANGE_TYPES, DYNAMIC_TYPES, LEVELS, MARKETS


def write_dynamic(answer: ArkDynamic) -> Any:
    """The Response of 3424."""
    response = RESPONSES[ProtoId.Qot_GetArkStockDynamic](retType=RetType.SUCCEED, retMsg="", errCode=0)
    s2c = response.s2c
    s2c.dynamicType = DYNAMIC_TYPES[answer.dynamic_type]
    s2c.transactionCount = answer.transaction_count
    s2c.netShares = answer.net_shares
    if answer.last_transaction_day is not None:
        s2c.lastTransactionTime = answer.last_transaction_day.isoformat()
    return response


def write_rating_changes(answer: Page[RatingChange]) -> Any:
    """The Response of 3426."""
    response = _page(ProtoId.Qot_GetRatingChange, answer)
    for row in answer.rows:
        item = response.s2c.dataList.add(
            name=row.name,
            rating=LEVELS[row.rating],
            targetPrice=row.target_price,
            lastTargetPrice=row.last_target_price,
            changeType=CHANGE_TYPES[row.change_type],
            institutionName=row.institution,
            recommendationDate=row.day.isoformat(),
            lastRecommendationDate=_text(row.last_day),
        )
        _write_security(item, row.security)
        if row.last_rating is not None:
            item.lastRating = LEVELS[row.last_rating]
    return response


def write_fund_holdings(answer: Page[FundHolding]) -> Any:
    """The Response of 3423."""
    response = _page(ProtoId.Qot_GetArkFundHolding, answer)
    for row in answer.rows:
        item = response.s2c.dataList.add(
            name=row.name,
            shares=row.shares,
            sharesChange=row.shares_change,
            marketValue=row.market_value,
            weight=row.weight,
            weightChange=row.weight_change,
        )
        _write_security(item, row.security)
    return response


def write_active_transactions(answer: Page[ActiveTransaction]) -> Any:
    """The Response of 3425."""
    response = _page(ProtoId.Qot_GetArkActiveTransaction, answer)
    for row in answer.rows:
        item = response.s2c.dataList.add(
            name=row.name, changeAmount=row.change_amount, changeShares=row.change_shares
        )
        _write_security(item, row.security)
    return response


def _page(proto_id: ProtoId, answer: Page[Any]) -> Any:
    response = RESPONSES[proto_id](retType=RetType.SUCCEED, retMsg="", errCode=0)
    response.s2c.allCount = answer.all_count
    if answer.next_page is not None:
        response.s2c.nextPage = answer.next_page
    return response


def _write_security(item: Any, security: Security | None) -> None:
    if security is not None:
        item.security.market = MARKETS[security.market]
        item.security.code = security.code


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
