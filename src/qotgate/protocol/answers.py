"""Answers: the model's words to the Responses of the wire, and back."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from qotgate.model import (
    ActiveTransaction,
    ArkDynamic,
    DynamicType,
    FundHolding,
    GlobalState,
    MarketState,
    Page,
    ProgramStatus,
    RatingChange,
    RatingLevel,
    Security,
    StockDynamic,
    UntoldDays,
)
from qotgate.protocol.body import check_text
from qotgate.protocol.messages import RESPONSES, ProtoId, RetType
from qotgate.protocol.names import (
    CHANGE_TYPE_OF,
    CHANGE_TYPES,
    DYNAMIC_TYPE_OF,
    DYNAMIC_TYPES,
    LEVEL_OF,
    LEVELS,
    MARKET_OF,
    MARKET_STATE_OF,
    MARKETS,
    PROGRAM_STATUS_OF,
    STATE_FIELDS,
)

T = TypeVar("T")
W = TypeVar("W")


def write_dynamic(answer: ArkDynamic) -> Any:
    """The Response of 3424."""
    response = RESPONSES[ProtoId.Qot_GetArkStockDynamic](retType=RetType.SUCCEED, retMsg="", errCode=0)
    s2c = response.s2c
    s2c.dynamicType = DYNAMIC_TYPES[answer.dynamic_type]
    s2c.transactionCount = answer.transaction_count
    s2c.netShares = answer.net_shares
    if answer.last_transaction_day is not None:
        s2c.lastTransactionTime = answer.last_transaction_day.isoformat()
    for days in answer.untold:
        first, last = days.first_day.isoformat(), days.last_day.isoformat()
        s2c.untold.add(fund=days.fund, firstDay=first, lastDay=last)
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
    response = _ark_page(ProtoId.Qot_GetArkFundHolding, answer)
    for row in answer.rows:
        item = response.s2c.dataList.add(
            name=row.name or None,
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
    response = _ark_page(ProtoId.Qot_GetArkActiveTransaction, answer)
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


def _ark_page(proto_id: ProtoId, answer: Page[Any]) -> Any:
    response = _page(proto_id, answer)
    for fund, day in answer.left_out:
        response.s2c.leftOut.add(fund=fund, until=day.isoformat())
    return response


def _write_security(item: Any, security: Security | None) -> None:
    if security is not None:
        item.security.market = MARKETS[security.market]
        item.security.code = security.code


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def read_dynamic(s2c: Any, security: Security) -> StockDynamic:
    """The answer of 3424 about ``security``. Raises ValueError."""
    return StockDynamic(
        DYNAMIC_TYPE_OF.get(s2c.dynamicType, DynamicType.UNKNOWN),
        s2c.transactionCount,
        s2c.netShares,
        _day(s2c.lastTransactionTime),
        security,
        untold=tuple(
            UntoldDays(days.fund, date.fromisoformat(days.firstDay), date.fromisoformat(days.lastDay))
            for days in s2c.untold
        ),
    )


def read_rating_changes(s2c: Any) -> Page[RatingChange]:
    """The answer of 3426. Raises ValueError."""
    return _read_page(s2c, _read_rating_change)


def read_fund_holdings(s2c: Any) -> Page[FundHolding]:
    """The answer of 3423. Raises ValueError."""
    return _read_ark_page(s2c, _read_fund_holding)


def read_active_transactions(s2c: Any) -> Page[ActiveTransaction]:
    """The answer of 3425. Raises ValueError."""
    return _read_ark_page(s2c, _read_active_transaction)


def read_global_state(s2c: Any) -> GlobalState:
    """The answer of 1002. Raises ValueError."""
    return GlobalState(
        markets={
            market: MARKET_STATE_OF.get(getattr(s2c, field), MarketState.UNKNOWN)
            for field, market in STATE_FIELDS.items()
            if market and s2c.HasField(field)
        },
        program_status=PROGRAM_STATUS_OF.get(s2c.programStatus.type, ProgramStatus.UNKNOWN),
        server_version=s2c.serverVer,
        time=datetime.fromtimestamp(s2c.time, UTC),
    )


def _read_page(s2c: Any, read: Callable[[Any], T]) -> Page[T]:
    check_text(s2c)
    return Page(tuple(map(read, s2c.dataList)), s2c.nextPage or None, s2c.allCount)


def _read_ark_page(s2c: Any, read: Callable[[Any], T]) -> Page[T]:
    left_out = tuple((one.fund, date.fromisoformat(one.until)) for one in s2c.leftOut)
    return replace(_read_page(s2c, read), left_out=left_out)


def _read_rating_change(item: Any) -> RatingChange:
    return RatingChange(
        security=_security(item),
        name=item.name,
        rating=_level(item.rating),
        last_rating=LEVEL_OF.get(item.lastRating, RatingLevel.UNKNOWN)
        if item.HasField("lastRating")
        else None,
        target_price=_number(item, "targetPrice"),
        last_target_price=_number(item, "lastTargetPrice"),
        change_type=_word(CHANGE_TYPE_OF, item.changeType),
        institution=item.institutionName,
        day=date.fromisoformat(item.recommendationDate[:10]),
        last_day=_day(item.lastRecommendationDate),
    )


def _read_fund_holding(item: Any) -> FundHolding:
    return FundHolding(
        security=_security(item) if item.HasField("security") else None,
        name=item.name,
        shares=item.shares,
        shares_change=item.sharesChange,
        market_value=_number(item, "marketValue"),
        weight=_number(item, "weight"),
        weight_change=_number(item, "weightChange"),
    )


def _read_active_transaction(item: Any) -> ActiveTransaction:
    return ActiveTransaction(
        security=_security(item) if item.HasField("security") else None,
        name=item.name,
        change_amount=_number(item, "changeAmount"),
        change_shares=item.changeShares,
    )


def _security(item: Any) -> Security:
    return Security(_word(MARKET_OF, item.security.market), item.security.code)


def _level(number: int) -> RatingLevel:
    return LEVEL_OF.get(number, RatingLevel.UNKNOWN)


def _word(words: Mapping[int, W], number: int) -> W:
    if number not in words:
        raise ValueError(f"{number} is none of {', '.join(map(str, words))}")
    return words[number]


def _number(item: Any, field: str) -> float | None:
    return getattr(item, field) if item.HasField(field) else None


def _day(text: str) -> date | None:
    return date.fromisoformat(text[:10]) if text else None
