"""The table of interfaces: which service call answers a proto id."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from qotgate.model import InvalidRequest, RatingChangeType
from qotgate.protocol.answers import write_dynamic, write_rating_changes
from qotgate.protocol.messages import RESPONSES, ProtoId, RetType
from qotgate.protocol.names import (
    CHANGE_TYPE_OF,
    MARKET_OF,
    MARKET_STATES,
    STATE_FIELDS,
    read_as_of,
    read_security,
)
from qotgate.service.calendar import market_state
from qotgate.service.questions import RATING_COUNT_DEFAULT, Questions

SERVER_VERSION = 1011
"""The OpenD version whose interface this is: 10.11."""
SERVER_BUILD = 7108
PROGRAM_READY = 10
"""ProgramStatusType_Ready of Common.proto."""


@dataclass(frozen=True, slots=True)
class Interface:
    """How a proto id is answered: ``answer`` takes the questions and the request's C2S and gives a
    Response, or raises InvalidRequest; ``counts`` says whether a C2S counts towards the allowance;
    ``lasts`` whether an answer holds until the data changes."""

    answer: Callable[[Questions, Any], Any]
    counts: Callable[[Any], bool]
    lasts: bool = True


def _global_state(_questions: Questions, _c2s: Any) -> Any:
    now = datetime.now(UTC)
    response = RESPONSES[ProtoId.GetGlobalState](retType=RetType.SUCCEED, retMsg="", errCode=0)
    s2c = response.s2c
    for field, market in STATE_FIELDS.items():
        setattr(s2c, field, MARKET_STATES[market_state(market, now)] if market else 0)
    s2c.qotLogined = True
    s2c.trdLogined = False
    s2c.serverVer = SERVER_VERSION
    s2c.serverBuildNo = SERVER_BUILD
    s2c.time = int(now.timestamp())
    s2c.localTime = now.timestamp()
    s2c.programStatus.type = PROGRAM_READY
    return response


def _ark_stock_dynamic(questions: Questions, c2s: Any) -> Any:
    as_of = read_as_of(c2s)
    return _echo(c2s, write_dynamic(questions.ark_stock_dynamic(read_security(c2s.security), as_of)))


def _rating_change(questions: Questions, c2s: Any) -> Any:
    market = MARKET_OF.get(c2s.market)
    if market is None:
        raise InvalidRequest("rating_market", value=c2s.market)
    change_type = RatingChangeType.UPGRADE
    if c2s.HasField("changeType"):
        if c2s.changeType not in CHANGE_TYPE_OF:
            raise InvalidRequest("change_type", value=c2s.changeType)
        change_type = CHANGE_TYPE_OF[c2s.changeType]
    count = c2s.count if c2s.HasField("count") else RATING_COUNT_DEFAULT
    answer = questions.rating_changes(market, change_type, count, c2s.page or None, read_as_of(c2s))
    return _echo(c2s, write_rating_changes(answer))


def _echo(c2s: Any, response: Any) -> Any:
    """Repeat the day asked for, by which a client knows that it was heard."""
    if c2s.asOf:
        response.s2c.asOf = c2s.asOf
    return response


INTERFACES = {
    ProtoId.GetGlobalState: Interface(_global_state, counts=lambda _c2s: False, lasts=False),
    ProtoId.Qot_GetArkStockDynamic: Interface(_ark_stock_dynamic, counts=lambda _c2s: True),
    ProtoId.Qot_GetRatingChange: Interface(_rating_change, counts=lambda c2s: not c2s.page),
}
