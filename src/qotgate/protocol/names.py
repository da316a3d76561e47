"""The wire's numbers for the words of the model, both ways."""

from datetime import date, datetime
from typing import Any

from qotgate.model import (
    ArkActiveTransactionHoldingType,
    ArkActiveTransactionSortField,
    ArkCycleType,
    ArkFundHoldingSortField,
    ArkHoldingType,
    DynamicType,
    InvalidRequest,
    Market,
    MarketState,
    RankSortDir,
    RatingChangeType,
    RatingLevel,
    Security,
)

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
HOLDING_TYPES = {kind: number for number, kind in enumerate(ArkHoldingType)}
TRANSACTION_TYPES = {kind: number for number, kind in enumerate(ArkActiveTransactionHoldingType)}
CYCLES = {cycle: number for number, cycle in enumerate(ArkCycleType)}
HOLDING_SORTS = {field: number for number, field in enumerate(ArkFundHoldingSortField)}
TRANSACTION_SORTS = {field: number for number, field in enumerate(ArkActiveTransactionSortField)}
SORT_DIRS = {direction: number for number, direction in enumerate(RankSortDir)}
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
MARKET_STATE_OF = {number: state for state, number in MARKET_STATES.items()}


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
