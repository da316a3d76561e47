"""The wire's numbers for the words of the model, both ways, and answers between the two."""

from datetime import date, datetime
from typing import Any

from qotgate.model import (
    ArkDynamic,
    DynamicType,
    InvalidRequest,
    Market,
    MarketState,
    Page,
    RatingChange,
    RatingChangeType,
    RatingLevel,
    Security,
)
from qotgate.protocol.messages import RESPONSES, ProtoId, RetType

SHOWN = 80
MARKETS = {
    Market.HK: 1,
    Market.HK_FUTURE: 2,
    Market.US: 11,
    Market.SH: 21,
    Market.SZ: 22,
    Market.SG: 31,
    Market.JP: 41,
    Market.AU: 51,
    Market.MY: 61,
    Market.CA: 71,
    Market.FX: 81,
    Market.CC: 91,
}
CHANGE_TYPES = {
    RatingChangeType.UPGRADE: 1,
    RatingChangeType.DOWNGRADE: 2,
    RatingChangeType.NEW_RATING: 3,
}
LEVELS = {RatingLevel.UNKNOWN: 0, RatingLevel.SELL: 1, RatingLevel.HOLD: 2, RatingLevel.BUY: 3}
DYNAMIC_TYPES = {
    DynamicType.CONSECUTIVE_SAME_DIRECTION: 1,
    DynamicType.RECENT_TRANSACTION: 2,
    DynamicType.LAST_TRANSACTION: 3,
    DynamicType.NO_DYNAMIC: 4,
}
MARKET_STATES = {
    MarketState.NONE: 0,
    MarketState.MORNING: 3,
    MarketState.REST: 4,
    MarketState.AFTERNOON: 5,
    MarketState.CLOSED: 6,
    MarketState.PRE_MARKET_BEGIN: 8,
    MarketState.AFTER_HOURS_BEGIN: 10,
}
MARKET_OF = {number: market for market, number in MARKETS.items()}
CHANGE_TYPE_OF = {number: kind for kind, number in CHANGE_TYPES.items()}
LEVEL_OF = {number: level for level, number in LEVELS.items()}
DYNAMIC_TYPE_OF = {number: kind for kind, number in DYNAMIC_TYPES.items()}


def read_security(message: Any) -> Security:
    """The security of a Qot_Common.Security. Raises InvalidRequest."""
    market = MARKET_OF.get(message.market)
    if market is None:
        raise InvalidRequest("security_market", value=message.market)
    return Security.parse(f"{market}.{message.code}", "security.code")


def read_as_of(c2s: Any) -> date | None:
    """The day that a question names, None where it names none. Raises InvalidRequest."""
    if not c2s.asOf:
        return None
    try:
        return datetime.strptime(c2s.asOf, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError as error:
        raise InvalidRequest("as_of_form", value=c2s.asOf[:SHOWN]) from error


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
    response = RESPONSES[ProtoId.Qot_GetRatingChange](retType=RetType.SUCCEED, retMsg="", errCode=0)
    s2c = response.s2c
    s2c.allCount = answer.all_count
    if answer.next_page is not None:
        s2c.nextPage = answer.next_page
    for row in answer.rows:
        item = s2c.dataList.add(
            name=row.name,
            rating=LEVELS[row.rating],
            targetPrice=row.target_price,
            lastTargetPrice=row.last_target_price,
            changeType=CHANGE_TYPES[row.change_type],
            institutionName=row.institution,
            recommendationDate=row.day.isoformat(),
            lastRecommendationDate=_text(row.last_day),
        )
        item.security.market = MARKETS[row.security.market]
        item.security.code = row.security.code
        if row.last_rating is not None:
            item.lastRating = LEVELS[row.last_rating]
    return response


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
