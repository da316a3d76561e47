"""What OpenD reports about markets and its user, as far as the gateway can know it: 1005, 3219, 3223."""

from datetime import UTC, datetime
from typing import Any

from qotgate.model import InvalidRequest, Market
from qotgate.protocol.messages import CLASSES, RESPONSES, ProtoId, RetType
from qotgate.protocol.names import (
    MARKET_STATES,
    MARKETS,
    TRADE_DATE_MARKETS,
    read_day,
    read_security,
)
from qotgate.protocol.rating_answers import start_of
from qotgate.service.calendar import CALENDARS, market_state, trading_days
from qotgate.service.questions import Questions
from qotgate.store import reads

LOGIN_USER = 1
"""The gateway has no users, but clients want a user id."""
MAX_SECURITIES = 400
"""Largest number of securities in one request for market states."""
MORNING = 1
"""TradeDateType_Morning of Qot_Common.proto."""
NO_RIGHT = 5
"""QotRight_No of Qot_Common.proto: the gateway has no quotes."""
BASIC, API, QUOTE_RIGHTS, DISCLAIMER, UPDATE = 1, 2, 4, 8, 16
"""UserInfoField of GetUserInfo.proto."""
RIGHTS = tuple(
    field.name for field in CLASSES["GetUserInfo.S2C"].DESCRIPTOR.fields if field.name.endswith("QotRight")
)


def user_info(_questions: Questions, c2s: Any) -> Any:
    """The same for all users: no account, no quotes, no quota, nothing to agree to, nothing to update."""
    response = RESPONSES[ProtoId.GetUserInfo](retType=RetType.SUCCEED, retMsg="", errCode=0)
    s2c, wanted = response.s2c, c2s.flag or -1
    if wanted & BASIC:
        s2c.nickName, s2c.userID = "qotgate", LOGIN_USER
    if wanted & API:
        s2c.subQuota = s2c.historyKLQuota = 0
    if wanted & QUOTE_RIGHTS:
        for right in RIGHTS:
            setattr(s2c, right, NO_RIGHT if right != "hasUSOptionQotRight" else False)
    if wanted & DISCLAIMER:
        s2c.isNeedAgreeDisclaimer = False
    if wanted & UPDATE:
        s2c.updateType = 0
    return response


def trade_dates(_questions: Questions, c2s: Any) -> Any:
    """Raises InvalidRequest."""
    market = _market(c2s)
    start, end = read_day(c2s.beginTime, "beginTime"), read_day(c2s.endTime, "endTime")
    response = RESPONSES[ProtoId.Qot_RequestTradeDate](retType=RetType.SUCCEED, retMsg="", errCode=0)
    response.s2c.SetInParent()
    for one in trading_days(market, start, end, datetime.now(UTC).date()):
        response.s2c.tradeDateList.add(
            time=one.day.isoformat(),
            timestamp=start_of(one.day, market),
            tradeDateType=MORNING if one.morning_only else 0,
        )
    return response


def _market(c2s: Any) -> Market:
    if c2s.HasField("security"):
        security = read_security(c2s.security)
        if security.market not in CALENDARS:
            raise InvalidRequest("trade_security", markets=", ".join(CALENDARS), value=security)
        return security.market
    if c2s.market not in TRADE_DATE_MARKETS:
        raise InvalidRequest("trade_market", value=c2s.market)
    return TRADE_DATE_MARKETS[c2s.market]


def market_states(questions: Questions, c2s: Any) -> Any:
    """Raises InvalidRequest."""
    if not 1 <= len(c2s.securityList) <= MAX_SECURITIES:
        raise InvalidRequest("state_count", most=MAX_SECURITIES, value=len(c2s.securityList))
    securities = [read_security(security) for security in c2s.securityList]
    now = datetime.now(UTC)
    with questions.store.reading() as connection:
        names = reads.securities.names(connection, securities)
    response = RESPONSES[ProtoId.Qot_GetMarketState](retType=RetType.SUCCEED, retMsg="", errCode=0)
    for one in securities:
        response.s2c.marketInfoList.add(
            security={"market": MARKETS[one.market], "code": one.code},
            name=questions.reference.security_name(one, questions.lang, names.get(one, "")),
            marketState=MARKET_STATES[market_state(one.market, now)],
        )
    return response
