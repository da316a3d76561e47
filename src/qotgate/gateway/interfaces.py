"""The table of interfaces: which service call answers a proto id."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from qotgate.model import InvalidRequest, Market
from qotgate.protocol.answers import day_text, write_dynamic, write_list
from qotgate.protocol.interface import LIST_QUESTIONS, ListQuestion
from qotgate.protocol.market_answers import write_states, write_trading_days, write_user_info
from qotgate.protocol.messages import RESPONSES, ProtoId, RetType
from qotgate.protocol.names import (
    MARKET_STATES,
    STATE_FIELDS,
    TRADE_DATE_MARKETS,
    read_as_of,
    read_day,
    read_security,
)
from qotgate.protocol.rating_answers import (
    BY_INSTITUTION,
    LAST_PAGE,
    write_consensus,
    write_detail,
    write_summary,
)
from qotgate.service.ark.dynamics import ark_stock_dynamic
from qotgate.service.calendar import CALENDARS, market_state, trading_days
from qotgate.service.calls import LIST_CALLS
from qotgate.service.markets import USER, security_states
from qotgate.service.questions import Questions, of_fund
from qotgate.service.ratings.summary import (
    INSTITUTIONS,
    analyst_consensus,
    institution_ratings,
    rating_summary,
)

SERVER_VERSION = 1011
"""The OpenD version that introduced this interface: 10.11."""
SERVER_BUILD = 7108
PROGRAM_READY = 10
"""ProgramStatusType_Ready of Common.proto."""


@dataclass(frozen=True, slots=True)
class Interface:
    """How a proto id is answered. ``answer`` takes the questions and the request's C2S and returns a
    Response, or raises InvalidRequest. ``counts`` tells whether a C2S counts towards the allowance, ``lasts``
    whether an answer holds until the data changes, ``is_research`` whether it is a research table."""

    answer: Callable[[Questions, Any], Any]
    counts: Callable[[Any], bool]
    lasts: bool = True
    is_research: bool = False


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
    answer = ark_stock_dynamic(questions, read_security(c2s.security), read_as_of(c2s))
    return _with_day(c2s, write_dynamic(answer), answer.known_to)


def _analyst_consensus(questions: Questions, c2s: Any) -> Any:
    security = read_security(c2s.security)
    answer = analyst_consensus(questions, security, read_as_of(c2s))
    return _with_day(c2s, write_consensus(answer, security.market), answer.known_to)


def _rating_summary(questions: Questions, c2s: Any) -> Any:
    security, as_of = read_security(c2s.security), read_as_of(c2s)
    if c2s.HasField("ratingDimensionType") and c2s.ratingDimensionType != BY_INSTITUTION:
        raise InvalidRequest("rating_dimension", value=c2s.ratingDimensionType)
    if c2s.uid:
        answer = institution_ratings(questions, security, c2s.uid, as_of, parameter="uid")
        response = write_detail(answer, security.market)
    else:
        count = c2s.num if c2s.HasField("num") else INSTITUTIONS
        page = None if c2s.nextKey == LAST_PAGE else c2s.nextKey or None
        answer = rating_summary(questions, security, count=count, page=page, as_of=as_of, parameter="num")
        response = write_summary(answer, security.market)
    return _with_day(c2s, response, answer.known_to)


def _trading_days(_questions: Questions, c2s: Any) -> Any:
    market = _trading_market(c2s)
    start, end = read_day(c2s.beginTime, "beginTime"), read_day(c2s.endTime, "endTime")
    days = trading_days(market, start, end, datetime.now(UTC).date(), ("beginTime", "endTime"))
    return write_trading_days(days, market)


def _trading_market(c2s: Any) -> Market:
    if c2s.HasField("security"):
        security = read_security(c2s.security)
        if security.market not in CALENDARS:
            raise InvalidRequest("trade_security", markets=", ".join(CALENDARS), value=security)
        return security.market
    if c2s.market not in TRADE_DATE_MARKETS:
        raise InvalidRequest("trade_market", value=c2s.market)
    return TRADE_DATE_MARKETS[c2s.market]


def _security_states(questions: Questions, c2s: Any) -> Any:
    securities = list(map(read_security, c2s.securityList))
    return write_states(security_states(questions, securities, datetime.now(UTC), "securityList"))


def _list(question: ListQuestion[Any], questions: Questions, c2s: Any) -> Any:
    words = [
        choice.word(getattr(c2s, choice.field)) if c2s.HasField(choice.field) else choice.default
        for choice in question.choices
    ]
    count = c2s.count if c2s.HasField("count") else question.count
    fund = c2s.fund if question.left_out else ""
    questions = of_fund(questions, fund)
    answer = LIST_CALLS[question](questions, *words, count, c2s.page or None, read_as_of(c2s))
    response = _with_day(c2s, write_list(question, answer), answer.known_to)
    if fund:
        response.s2c.fund = fund
    return response


def _research(questions: Questions, c2s: Any) -> Any:
    # Imported late, in the thread that answers: few clients ask for whole tables.
    from qotgate.protocol.research import read_lang, table_named, write_part
    from qotgate.service.research import part

    table = table_named(c2s.table)
    given: dict[str, list[str]] = {}
    for parameter in c2s.parameters:
        given.setdefault(parameter.name, []).extend(parameter.values)
    if c2s.lang:
        questions = questions.varied(lang=read_lang(c2s.lang))
    return write_part(table.row, part(questions, table, table.values(given), c2s.page or None))


def _with_day(c2s: Any, response: Any, known_to: date | None) -> Any:
    """Add the day of the answer if the request named one, so that the client sees that the gateway understood
    it."""
    if c2s.asOf and known_to is not None:
        response.s2c.asOf = day_text(known_to)
    return response


INTERFACES = {
    ProtoId.GetGlobalState: Interface(_global_state, counts=lambda _c2s: False, lasts=False),
    ProtoId.GetUserInfo: Interface(
        lambda _questions, c2s: write_user_info(USER, c2s.flag), counts=lambda _c2s: False
    ),
    ProtoId.Qot_RequestTradeDate: Interface(_trading_days, counts=lambda _c2s: True, lasts=False),
    ProtoId.Qot_GetMarketState: Interface(_security_states, counts=lambda _c2s: True, lasts=False),
    ProtoId.Qot_GetResearchAnalystConsensus: Interface(_analyst_consensus, counts=lambda _c2s: True),
    ProtoId.Qot_GetResearchRatingSummary: Interface(_rating_summary, counts=lambda c2s: not c2s.nextKey),
    ProtoId.Qot_GetArkStockDynamic: Interface(_ark_stock_dynamic, counts=lambda _c2s: True),
    **{
        question.proto_id: Interface(partial(_list, question), counts=lambda c2s: not c2s.page)
        for question in LIST_QUESTIONS
    },
    # Not cached: its answers are large and rarely asked for twice.
    ProtoId.Qotgate_GetResearch: Interface(
        _research, counts=lambda c2s: not c2s.page, lasts=False, is_research=True
    ),
}
