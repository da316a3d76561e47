"""The table of interfaces: which service call answers a proto id."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from qotgate.model import (
    ArkActiveTransactionHoldingType,
    ArkActiveTransactionSortField,
    ArkCycleType,
    ArkFundHoldingSortField,
    ArkHoldingType,
    InvalidRequest,
    RankSortDir,
    RatingChangeType,
)
from qotgate.protocol.answers import (
    write_active_transactions,
    write_dynamic,
    write_fund_holdings,
    write_rating_changes,
)
from qotgate.protocol.messages import RESPONSES, ProtoId, RetType
from qotgate.protocol.names import (
    CHANGE_TYPES,
    CYCLES,
    HOLDING_SORTS,
    HOLDING_TYPES,
    MARKET_OF,
    MARKET_STATES,
    SORT_DIRS,
    STATE_FIELDS,
    TRANSACTION_SORTS,
    TRANSACTION_TYPES,
    read_as_of,
    read_security,
)
from qotgate.service.calendar import market_state
from qotgate.service.questions import (
    HOLDING_COUNT_DEFAULT,
    RATING_COUNT_DEFAULT,
    TRANSACTION_COUNT_DEFAULT,
    Questions,
)

SERVER_VERSION = 1011
"""The OpenD version whose interface this is: 10.11."""
SERVER_BUILD = 7108
PROGRAM_READY = 10
"""ProgramStatusType_Ready of Common.proto."""


Word = TypeVar("Word")


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
    change_type = _choice(c2s, "changeType", CHANGE_TYPES, RatingChangeType.UPGRADE, "change_type")
    count = c2s.count if c2s.HasField("count") else RATING_COUNT_DEFAULT
    answer = questions.rating_changes(market, change_type, count, c2s.page or None, read_as_of(c2s))
    return _echo(c2s, write_rating_changes(answer))


def _ark_fund_holding(questions: Questions, c2s: Any) -> Any:
    answer = questions.fund_holdings(
        _choice(c2s, "holdingType", HOLDING_TYPES, ArkHoldingType.POSITION, "ark_holding_type"),
        _choice(c2s, "cycleType", CYCLES, ArkCycleType.ONE_DAY, "ark_cycle"),
        _choice(c2s, "sortField", HOLDING_SORTS, ArkFundHoldingSortField.SHARES, "ark_holding_sort"),
        _choice(c2s, "sortDir", SORT_DIRS, RankSortDir.DESCENDING, "sort_dir"),
        c2s.count if c2s.HasField("count") else HOLDING_COUNT_DEFAULT,
        c2s.page or None,
        read_as_of(c2s),
    )
    return _echo(c2s, write_fund_holdings(answer))


def _ark_active_transaction(questions: Questions, c2s: Any) -> Any:
    increase, unknown = ArkActiveTransactionHoldingType.INCREASE, ArkActiveTransactionSortField.UNKNOWN
    answer = questions.active_transactions(
        _choice(c2s, "holdingType", TRANSACTION_TYPES, increase, "ark_transaction_type"),
        _choice(c2s, "cycleType", CYCLES, ArkCycleType.ONE_DAY, "ark_cycle"),
        _choice(c2s, "sortField", TRANSACTION_SORTS, unknown, "ark_transaction_sort"),
        _choice(c2s, "sortDir", SORT_DIRS, RankSortDir.DESCENDING, "sort_dir"),
        c2s.count if c2s.HasField("count") else TRANSACTION_COUNT_DEFAULT,
        c2s.page or None,
        read_as_of(c2s),
    )
    return _echo(c2s, write_active_transactions(answer))


def _choice(c2s: Any, field: str, numbers: Mapping[Word, int], default: Word, sentence: str) -> Word:
    """The word for the number in ``field``, ``default`` where it is not set.

    Raises InvalidRequest with ``sentence``."""
    if not c2s.HasField(field):
        return default
    value = getattr(c2s, field)
    for word, number in numbers.items():
        if number == value:
            return word
    raise InvalidRequest(sentence, value=value)


def _echo(c2s: Any, response: Any) -> Any:
    """Repeat the day asked for, by which a client knows that it was heard."""
    if c2s.asOf:
        response.s2c.asOf = c2s.asOf
    return response


INTERFACES = {
    ProtoId.GetGlobalState: Interface(_global_state, counts=lambda _c2s: False, lasts=False),
    ProtoId.Qot_GetArkFundHolding: Interface(_ark_fund_holding, counts=lambda c2s: not c2s.page),
    ProtoId.Qot_GetArkStockDynamic: Interface(_ark_stock_dynamic, counts=lambda _c2s: True),
    ProtoId.Qot_GetArkActiveTransaction: Interface(_ark_active_transaction, counts=lambda c2s: not c2s.page),
    ProtoId.Qot_GetRatingChange: Interface(_rating_change, counts=lambda c2s: not c2s.page),
}
