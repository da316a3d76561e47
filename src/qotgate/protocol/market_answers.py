"""Writes and reads the Responses of 1005, 3219 and 3223."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Any

from qotgate.model import Market, MarketState, SecurityState, TradingDay, UserInfo
from qotgate.protocol.answers import security_of
from qotgate.protocol.body import check_text
from qotgate.protocol.messages import CLASSES, RESPONSES, ProtoId, RetType
from qotgate.protocol.names import MARKET_STATE_OF, MARKET_STATES, MARKETS, TRADE_DATE_MARKETS, start_of

WHOLE, MORNING = 0, 1
"""TradeDateType of Qot_Common.proto; 2 is an afternoon."""
BASIC, API, RIGHTS, DISCLAIMER, UPDATE = 1, 2, 4, 8, 16
"""UserInfoField of GetUserInfo.proto."""
RIGHT_WORDS = ("N/A", "BMP", "LV1", "LV2", "SF", "NO", "LV3")
"""QotRight of Qot_Common.proto, by number."""
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
QUOTE_RIGHTS = {
    _WORDS.sub("_", field.name.removesuffix("QotRight")).lower(): field.name
    for field in CLASSES["GetUserInfo.S2C"].DESCRIPTOR.fields
    if field.name.endswith("QotRight") and field.cpp_type == field.CPPTYPE_INT32
}
"""The field of the right to each kind of quotes, such as ``us_option``."""


def _response(proto_id: ProtoId) -> Any:
    response = RESPONSES[proto_id](retType=RetType.SUCCEED, retMsg="", errCode=0)
    response.s2c.SetInParent()
    return response


def write_user_info(user: UserInfo, flag: int) -> Any:
    """The Response of 1005 with the parts selected by ``flag``; 0 selects all."""
    response, wanted = _response(ProtoId.GetUserInfo), flag or -1
    s2c = response.s2c
    if wanted & BASIC:
        s2c.nickName, s2c.userID = user.nick_name, user.user_id
    if wanted & API:
        s2c.subQuota, s2c.historyKLQuota = user.subscription_quota, user.history_quota
    if wanted & RIGHTS:
        for name, field in QUOTE_RIGHTS.items():
            setattr(s2c, field, RIGHT_WORDS.index(user.quote_rights[name]))
        s2c.hasUSOptionQotRight = user.quote_rights["us_option"] != "NO"
    if wanted & DISCLAIMER:
        s2c.isNeedAgreeDisclaimer = user.disclaimer_pending
    if wanted & UPDATE:
        s2c.updateType = 0
    return response


def read_user_info(s2c: Any) -> UserInfo:
    """The answer of 1005 with all parts."""
    check_text(s2c)
    numbers = {name: getattr(s2c, field) for name, field in QUOTE_RIGHTS.items() if s2c.HasField(field)}
    return UserInfo(
        nick_name=s2c.nickName,
        user_id=s2c.userID,
        quote_rights={
            name: RIGHT_WORDS[number if 0 <= number < len(RIGHT_WORDS) else 0]
            for name, number in numbers.items()
        },
        subscription_quota=s2c.subQuota,
        history_quota=s2c.historyKLQuota,
        disclaimer_pending=s2c.isNeedAgreeDisclaimer,
    )


def trading_market(market: Market) -> dict[str, Any]:
    """The C2S fields of 3219 that name a market; a security of it if TradeDateMarket has no number for the
    market."""
    listed = Market.SH if market is Market.SZ else market
    for number, one in TRADE_DATE_MARKETS.items():
        if one is listed:
            return {"market": number}
    return {"market": 0, "security": {"market": MARKETS[market], "code": market.value}}


def write_trading_days(days: Iterable[TradingDay], market: Market) -> Any:
    """The Response of 3219 about ``market``."""
    response = _response(ProtoId.Qot_RequestTradeDate)
    for one in days:
        response.s2c.tradeDateList.add(
            time=one.day.isoformat(),
            timestamp=start_of(one.day, market),
            tradeDateType=MORNING if one.morning_only else WHOLE,
        )
    return response


def read_trading_days(s2c: Any) -> tuple[TradingDay, ...]:
    """The answer of 3219. Raises ValueError."""
    return tuple(
        TradingDay(date.fromisoformat(one.time[:10]), morning_only=one.tradeDateType == MORNING)
        for one in s2c.tradeDateList
    )


def write_states(states: Iterable[SecurityState]) -> Any:
    """The Response of 3223."""
    response = _response(ProtoId.Qot_GetMarketState)
    for one in states:
        response.s2c.marketInfoList.add(
            security={"market": MARKETS[one.security.market], "code": one.security.code},
            name=one.name,
            marketState=MARKET_STATES[one.state],
        )
    return response


def read_states(s2c: Any) -> tuple[SecurityState, ...]:
    """The answer of 3223. Raises ValueError."""
    check_text(s2c)
    return tuple(
        SecurityState(
            security_of(one),
            one.name,
            MARKET_STATE_OF.get(one.marketState, MarketState.UNKNOWN),
        )
        for one in s2c.marketInfoList
    )
