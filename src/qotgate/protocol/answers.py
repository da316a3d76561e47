"""Answers: the model's words to the Responses of the wire, and back."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import cache, partial
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_type_hints

from qotgate.model import (
    ArkDynamic,
    DynamicType,
    GlobalState,
    MarketState,
    Page,
    ProgramStatus,
    Security,
    StockDynamic,
    UntoldDays,
)
from qotgate.protocol.body import check_text
from qotgate.protocol.interface import Column, ListQuestion
from qotgate.protocol.messages import RESPONSES, ProtoId, RetType
from qotgate.protocol.names import (
    DYNAMIC_TYPE_OF,
    DYNAMIC_TYPES,
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
        s2c.untold.add(fund=days.fund, firstDay=first, lastDay=last, why=days.why)
    return response


def write_list(question: ListQuestion[Any], answer: Page[Any]) -> Any:
    """The Response of a question whose answer is a list."""
    response = RESPONSES[question.proto_id](retType=RetType.SUCCEED, retMsg="", errCode=0)
    s2c = response.s2c
    s2c.allCount = answer.all_count
    if answer.next_page is not None:
        s2c.nextPage = answer.next_page
    for fund, day in answer.left_out:
        s2c.leftOut.add(fund=fund, until=day.isoformat())
    plain, written = _columns(question)
    for row in answer.rows:
        item = s2c.dataList.add(
            **{field: getattr(row, name) for name, field in plain},
            **{field: write(getattr(row, name)) for name, field, write in written},
        )
        if row.security is not None:
            item.security.market = MARKETS[row.security.market]
            item.security.code = row.security.code
    return response


@cache
def _columns(
    question: ListQuestion[Any],
) -> tuple[list[tuple[str, str]], list[tuple[str, str, Callable[[Any], Any]]]]:
    """The name and the field of the columns whose values go as they are, and of the others but the security,
    with how a value is written. None is absent."""
    plain: list[tuple[str, str]] = []
    written: list[tuple[str, str, Callable[[Any], Any]]] = []
    for column in question.columns:
        kind, optional = _kind(question, column)
        if kind is date:
            written.append((column.name, column.field, _text))
        elif column.numbers is not None:
            write = partial(_number, column.numbers) if optional else column.numbers.__getitem__
            written.append((column.name, column.field, write))
        elif column.omits_empty:
            written.append((column.name, column.field, lambda text: text or None))
        elif kind is not Security:
            plain.append((column.name, column.field))
    return plain, written


def _number(numbers: Mapping[W, int], word: W | None) -> int | None:
    return None if word is None else numbers[word]


def _kind(question: ListQuestion[Any], column: Column) -> tuple[type, bool]:
    """The type of a column, and whether it may be absent."""
    hint = get_type_hints(question.row)[column.name]
    if isinstance(hint, UnionType):
        return next(kind for kind in get_args(hint) if kind is not NoneType), True
    return hint, False


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
            UntoldDays(
                days.fund, date.fromisoformat(days.firstDay), date.fromisoformat(days.lastDay), days.why
            )
            for days in s2c.untold
        ),
        known_to=_day(s2c.asOf),
    )


def read_list(question: ListQuestion[T], s2c: Any) -> Page[T]:
    """The answer of a question whose answer is a list. Raises ValueError."""
    check_text(s2c)
    readers = _readers(question)
    rows = tuple(question.row(**{name: read(item) for name, read in readers}) for item in s2c.dataList)
    left_out: tuple[tuple[str, date], ...] = ()
    if question.left_out:
        left_out = tuple((one.fund, date.fromisoformat(one.until)) for one in s2c.leftOut)
    return Page(rows, s2c.nextPage or None, s2c.allCount, left_out, _day(s2c.asOf))


@cache
def _readers(question: ListQuestion[Any]) -> list[tuple[str, Callable[[Any], Any]]]:
    """The name of each column, and how its value is read from a row of the wire."""
    return [(column.name, _reader(question, column)) for column in question.columns]


def _reader(question: ListQuestion[Any], column: Column) -> Callable[[Any], Any]:
    kind, optional = _kind(question, column)
    field, unknown = column.field, column.unknown
    if kind is date:
        if optional:
            return lambda item: _day(getattr(item, field))
        return lambda item: date.fromisoformat(getattr(item, field)[:10])

    if kind is Security:
        read: Callable[[Any], Any] = _security
    elif column.numbers is None:
        read = attrgetter(field)
    else:
        words = {number: word for word, number in column.numbers.items()}
        if unknown is None:
            read = lambda item: _word(words, getattr(item, field))  # noqa: E731
        else:
            read = lambda item: words.get(getattr(item, field), unknown)  # noqa: E731
    return (lambda item: read(item) if item.HasField(field) else None) if optional else read


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


def _security(item: Any) -> Security:
    return Security(_word(MARKET_OF, item.security.market), item.security.code)


def _word(words: Mapping[int, W], number: int) -> W:
    if number not in words:
        raise ValueError(f"{number} is none of {', '.join(map(str, words))}")
    return words[number]


def _day(text: str) -> date | None:
    return date.fromisoformat(text[:10]) if text else None
