"""Maps the model's words to the wire's numbers and back."""

import re
from datetime import date, datetime, time
from enum import IntEnum
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from qotgate.model import (
    ArkActiveTransactionHoldingType,
    ArkActiveTransactionSortField,
    ArkCycleType,
    ArkFundHoldingSortField,
    ArkHoldingType,
    DynamicType,
    InvalidRequest,
    Language,
    Market,
    MarketState,
    ProgramStatus,
    RankSortDir,
    RatingChangeType,
    RatingLevel,
    Security,
)

SHOWN = 80
CODES_REMEMBERED = 4096
"""Size of the cache of securities that requests named."""
_LANGUAGE = re.compile(r"\blang=(zh|en)\b")


class ProtoId(IntEnum):
    """The proto ids that this package knows, by the name of their package in the .proto files."""

    InitConnect = 1001
    GetGlobalState = 1002
    KeepAlive = 1004
    GetUserInfo = 1005
    Qot_RequestTradeDate = 3219
    Qot_GetMarketState = 3223
    Qot_GetResearchAnalystConsensus = 3229
    Qot_GetResearchRatingSummary = 3230
    Qot_GetArkFundHolding = 3423
    Qot_GetArkStockDynamic = 3424
    Qot_GetArkActiveTransaction = 3425
    Qot_GetRatingChange = 3426
    Qotgate_GetResearch = 53001


class PacketEncAlgo(IntEnum):
    """The ciphers that InitConnect can ask for (Common.proto)."""

    FTAES_ECB = 0
    NONE = -1
    AES_ECB = 1
    AES_CBC = 2


RSA_BITS = (1024, 2048)
"""The sizes of keys for InitConnect."""
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
MARKET_ZONES = {
    Market.HK: "Asia/Hong_Kong",
    Market.US: "America/New_York",
    Market.SH: "Asia/Shanghai",
    Market.SZ: "Asia/Shanghai",
    Market.SG: "Asia/Singapore",
    Market.JP: "Asia/Tokyo",
    Market.AU: "Australia/Sydney",
    Market.MY: "Asia/Kuala_Lumpur",
    Market.CA: "America/Toronto",
}
"""Time zones in which a market's days begin; the days of other markets begin in UTC."""
TRADE_DATE_MARKETS = {
    1: Market.HK,
    2: Market.US,
    3: Market.SH,
    8: Market.SG,
    9: Market.MY,
    10: Market.JP,
}
"""The values of Qot_Common.TradeDateMarket with a published calendar; Shanghai and Shenzhen have the same
days."""
CHANGE_TYPES = {
    RatingChangeType.UPGRADE: 1,
    RatingChangeType.DOWNGRADE: 2,
    RatingChangeType.NEW_RATING: 3,
}
RESEARCH_RATINGS = {RatingLevel.SELL: 1, RatingLevel.HOLD: 3, RatingLevel.BUY: 4}
"""Qot_Common.ResearchRatingType; 2 and 5 belong to a finer scale than the three levels."""
RESEARCH_RATING_OF = {
    1: RatingLevel.SELL,
    2: RatingLevel.SELL,
    3: RatingLevel.HOLD,
    4: RatingLevel.BUY,
    5: RatingLevel.BUY,
}
"""The three-step level of each of OpenD's five steps."""
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
    MarketState.AUCTION: 1,
    MarketState.WAITING_OPEN: 2,
    MarketState.MORNING: 3,
    MarketState.REST: 4,
    MarketState.AFTERNOON: 5,
    MarketState.CLOSED: 6,
    MarketState.PRE_MARKET_BEGIN: 8,
    MarketState.PRE_MARKET_END: 9,
    MarketState.AFTER_HOURS_BEGIN: 10,
    MarketState.AFTER_HOURS_END: 11,
    MarketState.NIGHT_OPEN: 13,
    MarketState.NIGHT_END: 14,
    MarketState.FUTURE_DAY_OPEN: 15,
    MarketState.FUTURE_DAY_BREAK: 16,
    MarketState.FUTURE_DAY_CLOSE: 17,
    MarketState.FUTURE_DAY_WAIT_OPEN: 18,
    MarketState.HK_CAS: 19,
    MarketState.FUTURE_NIGHT_WAIT: 20,
    MarketState.FUTURE_AFTERNOON: 21,
    MarketState.FUTURE_SWITCH_DATE: 22,
    MarketState.FUTURE_OPEN: 23,
    MarketState.FUTURE_BREAK: 24,
    MarketState.FUTURE_BREAK_OVER: 25,
    MarketState.FUTURE_CLOSE: 26,
    MarketState.ASHARE_AFTER_HOURS_WAIT: 27,
    MarketState.ASHARE_AFTER_HOURS_BEGIN: 28,
    MarketState.ASHARE_AFTER_HOURS_END: 29,
    MarketState.NIGHT: 32,
    MarketState.TRADE_AT_LAST: 35,
    MarketState.OVERNIGHT: 37,
}
PROGRAM_STATUSES = {status: number for number, status in enumerate(ProgramStatus)}
STATE_FIELDS = {
    "marketHK": Market.HK,
    "marketUS": Market.US,
    "marketSH": Market.SH,
    "marketSZ": Market.SZ,
    "marketHKFuture": None,
    "marketUSFuture": None,
    "marketSGFuture": None,
    "marketJPFuture": None,
    "marketSG": Market.SG,
    "marketMY": Market.MY,
    "marketJP": Market.JP,
}
"""The fields of GetGlobalState's answer, by the market whose state they hold."""
MARKET_OF = {number: market for market, number in MARKETS.items()}
CHANGE_TYPE_OF = {number: kind for kind, number in CHANGE_TYPES.items()}
LEVEL_OF = {number: level for level, number in LEVELS.items()}
DYNAMIC_TYPE_OF = {number: kind for kind, number in DYNAMIC_TYPES.items()}
MARKET_STATE_OF = {number: state for state, number in MARKET_STATES.items()}
PROGRAM_STATUS_OF = {number: status for status, number in PROGRAM_STATUSES.items()}


def read_security(message: Any) -> Security:
    """The security of a Qot_Common.Security. Raises InvalidRequest."""
    market = MARKET_OF.get(message.market)
    if market is None:
        raise InvalidRequest("security_market", value=message.market)
    return _security(market, message.code)


@lru_cache(maxsize=CODES_REMEMBERED)
def _security(market: Market, code: str) -> Security:
    return Security.parse(f"{market}.{code}", "security.code")


def read_day(text: str, field: str) -> date:
    """A day, perhaps followed by a time, in the field ``field``. Raises InvalidRequest."""
    try:
        return date.fromisoformat(text[:10])
    except ValueError as error:
        raise InvalidRequest("day_form", parameter=field, value=text[:SHOWN]) from error


def start_of(day: date, market: Market) -> float:
    """Start of a day in ``market``, in seconds since 1970."""
    return datetime.combine(day, time(), ZoneInfo(MARKET_ZONES.get(market, "UTC"))).timestamp()


def language_of(client_id: str) -> Language | None:
    """The language that a client asks for in its clientID: ``lang=en`` or ``lang=zh`` anywhere in it, or
    English if it calls itself moomoo; otherwise None.

    The published packages of both brands use the same ids (PyNormal, Python, JavaScript) and have no other
    field for the language. All but the JavaScript one let users choose the id.
    """
    named = _LANGUAGE.search(client_id.lower())
    if named is not None:
        return "en" if named[1] == "en" else "zh"
    return "en" if "moomoo" in client_id.lower() else None


def read_as_of(c2s: Any) -> date | None:
    """The day that a question names, or None. Raises InvalidRequest."""
    text = c2s.asOf
    if not text:
        return None
    try:
        if len(text) == len("2026-06-22") and text[4] == text[7] == "-":
            # Ten times as fast as strptime, which also takes days without leading zeros.
            return date.fromisoformat(text)
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no time zone
    except ValueError as error:
        raise InvalidRequest("as_of_form", value=c2s.asOf[:SHOWN]) from error
