"""Converts answers between the model and the wire's Responses."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_type_hints

from qotgate.model import (
    ArkDynamic,
    ColumnRows,
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

MAX_DAYS = 4096
"""Days whose text is cached."""
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
        s2c.lastTransactionTime = day_text(answer.last_transaction_day)
    for days in answer.untold:
        first, last = day_text(days.first_day), day_text(days.last_day)
        s2c.untold.add(fund=days.fund, firstDay=first, lastDay=last, why=days.why)
    return response


def write_list(question: ListQuestion[Any], answer: Page[Any]) -> Any:
    """The Response of a list question."""
    response = RESPONSES[question.proto_id](retType=RetType.SUCCEED, retMsg="", errCode=0)
    s2c = response.s2c
    s2c.allCount = answer.all_count
    if answer.next_page is not None:
        s2c.nextPage = answer.next_page
    for fund, day in answer.left_out:
        s2c.leftOut.add(fund=fund, until=day_text(day))
    _writer(question)(s2c.dataList.add, _values(question, answer.rows))
    return response


def _values(question: ListQuestion[Any], rows: Sequence[Any]) -> Iterable[tuple[Any, ...]]:
    """The values of each row, in the order of the question's columns."""
    if isinstance(rows, ColumnRows):
        return zip(*rows.columns, strict=True)
    return map(_getter(question), rows)


@cache
def _getter(question: ListQuestion[Any]) -> Callable[[Any], tuple[Any, ...]]:
    names = tuple(column.name for column in question.columns)
    assert names == tuple(field.name for field in fields(question.row))
    return attrgetter(*names)


@cache
def _writer(question: ListQuestion[Any]) -> Callable[[Callable[[], Any], Iterable[Any]], None]:
    """A function that writes the values of a question's rows with the ``add`` of its list; None is absent. It
    is compiled, like a dataclass's ``__init__``: looking each field up by name would take twice as long."""
    lines, numbers = [], {}
    for column in question.columns:
        kind, optional = _kind(question, column)
        name = value = column.name
        if kind is Security:
            continue
        if kind is date:
            value = f"day_text({name})"
        elif column.numbers is not None:
            numbers[f"{name}_numbers"] = column.numbers
            value = f"{name}_numbers[{name}]"
        condition = f"if {name} is not None: " if optional else f"if {name}: " if column.omits_empty else ""
        lines.append(f"{condition}item.{column.field} = {value}")
    statements = "\n        ".join(lines)
    return _compiled(
        "write",
        f"""
def write(add, rows):
    for {", ".join(column.name for column in question.columns)} in rows:
        item = add()
        if security is not None:
            listed = item.security
            listed.market = MARKETS[security.market]
            listed.code = security.code
        {statements}
""",
        {"MARKETS": MARKETS, "day_text": day_text, **numbers},
    )


def _kind(question: ListQuestion[Any], column: Column) -> tuple[type, bool]:
    """The type of a column, and whether it may be absent."""
    hint = get_type_hints(question.row)[column.name]
    if isinstance(hint, UnionType):
        return next(kind for kind in get_args(hint) if kind is not NoneType), True
    return hint, False


def read_dynamic(s2c: Any, security: Security) -> StockDynamic:
    """The answer of 3424 about ``security``. Raises ValueError."""
    return StockDynamic(
        DYNAMIC_TYPE_OF.get(s2c.dynamicType, DynamicType.UNKNOWN),
        s2c.transactionCount,
        s2c.netShares,
        day_of(s2c.lastTransactionTime),
        security,
        untold=tuple(
            UntoldDays(
                days.fund, date.fromisoformat(days.firstDay), date.fromisoformat(days.lastDay), days.why
            )
            for days in s2c.untold
        ),
        known_to=day_of(s2c.asOf),
    )


def read_list(question: ListQuestion[T], s2c: Any) -> Page[T]:
    """The answer of a list question. Raises ValueError."""
    check_text(s2c)
    rows = tuple(map(_reader(question), s2c.dataList))
    left_out: tuple[tuple[str, date], ...] = ()
    if question.left_out:
        left_out = tuple((one.fund, date.fromisoformat(one.until)) for one in s2c.leftOut)
    return Page(rows, s2c.nextPage or None, s2c.allCount, left_out, day_of(s2c.asOf))


@cache
def _reader(question: ListQuestion[T]) -> Callable[[Any], T]:
    """A function that reads a row from the wire; it raises ValueError. Compiled like :func:`_writer`."""
    values, words = [], {}
    for column in question.columns:
        kind, optional = _kind(question, column)
        value = f"item.{column.field}"
        if kind is date:
            value = f"day({value})" if optional else f"fromisoformat({value}[:10])"
            optional = False
        elif kind is Security:
            value = "security(item)"
        elif column.numbers is not None:
            words[f"{column.name}_words"] = {number: word for word, number in column.numbers.items()}
            words[f"{column.name}_unknown"] = column.unknown
            if column.unknown is None:
                value = f"word({column.name}_words, {value})"
            else:
                value = f"{column.name}_words.get({value}, {column.name}_unknown)"
        if optional:
            value = f'{value} if item.HasField("{column.field}") else None'
        values.append(f"{column.name}={value}")
    return _compiled(
        "read",
        f"""
def read(item):
    return row({", ".join(values)})
""",
        {
            "row": question.row,
            "day": day_of,
            "fromisoformat": date.fromisoformat,
            "security": security_of,
            "word": word_of,
            **words,
        },
    )


def _compiled(name: str, source: str, names: Mapping[str, Any]) -> Callable[..., Any]:
    """Compile ``source``, which contains only names from :mod:`qotgate.protocol.interface`."""
    namespace: dict[str, Any] = dict(names)
    # No part of a request or of a file gets into the text.
    exec(source, namespace)  # noqa: S102  # nosec B102
    made: Callable[..., Any] = namespace[name]
    return made


def read_global_state(s2c: Any) -> GlobalState:
    """The answer of 1002. Raises OverflowError."""
    return GlobalState(
        markets={
            market: MARKET_STATE_OF.get(getattr(s2c, field), MarketState.UNKNOWN)
            for field, market in STATE_FIELDS.items()
            if market and s2c.HasField(field)
        },
        program_status=PROGRAM_STATUS_OF.get(s2c.programStatus.type, ProgramStatus.UNKNOWN),
        server_version=s2c.serverVer,
        # fromtimestamp would raise OSError, as a signal handler may.
        time=datetime.fromtimestamp(0, UTC) + timedelta(seconds=s2c.time),
    )


def security_of(item: Any) -> Security:
    return Security(word_of(MARKET_OF, item.security.market), item.security.code)


def word_of(words: Mapping[int, W], number: int) -> W:
    if number not in words:
        raise ValueError(f"{number} is none of {', '.join(map(str, words))}")
    return words[number]


@lru_cache(maxsize=MAX_DAYS)
def day_text(day: date) -> str:
    """The day as answers write it, yyyy-MM-dd; writing it anew takes a microsecond, twice in some rows."""
    return day.isoformat()


def day_of(text: str) -> date | None:
    return date.fromisoformat(text[:10]) if text else None
