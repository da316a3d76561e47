"""The research tables, each described once, and the wire format of a table's part (53001).

A description provides the wire's dispatch, the HTTP API, the commands, the export and the typed clients'
rows. A parameter is text on the wire, over HTTP and on the command line alike; one place parses it.
"""

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from enum import IntEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, cast, get_args, get_type_hints

from qotgate.model import InvalidRequest, Language, Part, Security
from qotgate.model.finite import finite
from qotgate.model.research import (
    CoveredDays,
    DynamicOfDay,
    HoldingLine,
    LatestDay,
    PositionOfDay,
    RatingNote,
    Streak,
    Trade,
    Transaction,
)
from qotgate.model.sentences import language_of
from qotgate.protocol.body import check_text
from qotgate.protocol.messages import RESPONSES, ProtoId, RetType

Row = TypeVar("Row")
SHOWN = 80
MAX_VALUES = 10_000
"""Largest number of values of one parameter."""
LONGEST_STREAK = 250
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
EPOCH = date(1970, 1, 1)
HELD, ALL = "held", "all"


class Kind(IntEnum):
    """The type of a column's values, by its number on the wire."""

    TEXT = 0
    WHOLE = 1
    REAL = 2
    TRUTH = 3
    DAY = 4


KINDS: dict[type, Kind] = {
    str: Kind.TEXT,
    int: Kind.WHOLE,
    float: Kind.REAL,
    bool: Kind.TRUTH,
    date: Kind.DAY,
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a table. ``read`` takes its name and its values as text, one or more, and raises
    InvalidRequest; ``default`` is the value when none is given. ``many``: it takes several values.
    ``commas``: one text may hold several, separated by commas."""

    name: str
    read: Callable[[str, Sequence[str]], Any]
    description: str
    default: Any = None
    many: bool = False
    commas: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ResearchTable(Generic[Row]):
    """A table: ``name``, the dataclass of its rows, its parameters, and its description for the API's
    document.

    ``by`` is the column of days that orders the rows and divides them into parts; empty if the table is one
    part. ``path`` is its name over HTTP and on the command line.
    """

    name: str
    row: type[Row]
    parameters: tuple[Parameter, ...]
    description: str
    by: str = ""

    @property
    def path(self) -> str:
        return self.name.replace("_", "-")

    def values(self, given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """The parsed parameters by name. Raises InvalidRequest."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                raise InvalidRequest(
                    "research_parameter",
                    table=self.name,
                    value=name[:SHOWN],
                    names=", ".join(known) or "none",
                )
        values = {name: parameter.default for name, parameter in known.items()}
        for name, texts in given.items():
            if len(texts) > MAX_VALUES:
                raise InvalidRequest("too_many_values", parameter=name, most=MAX_VALUES, value=len(texts))
            values[name] = known[name].read(name, texts) if texts or not known[name].many else ()
        if values.get("start") and values.get("end") and values["start"] > values["end"]:
            raise InvalidRequest("start_after_end", end=values["end"], value=values["start"])
        return values

    def split(self, given: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Split parameters as people write them into single values."""
        commas = {parameter.name for parameter in self.parameters if parameter.commas}
        return {
            name: [part for text in texts for part in (text.split(",") if name in commas else [text])]
            for name, texts in given.items()
        }


def columns_of(row: type) -> dict[str, tuple[Kind, bool]]:
    """The kind of each column of a row's dataclass, in order, and whether it may be null."""
    return _columns(cast(Hashable, row))


@cache
def _columns(row: Any) -> dict[str, tuple[Kind, bool]]:
    hints = get_type_hints(row)
    found = {}
    for one in fields(row):
        hint = hints[one.name]
        kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        found[one.name] = KINDS[next(kind for kind in kinds if kind is not NoneType)], NoneType in kinds
    return found


def _one(name: str, texts: Sequence[str]) -> str:
    if len(texts) != 1:
        raise InvalidRequest("one_value", parameter=name, value=len(texts))
    return texts[0].strip()


def read_day(name: str, texts: Sequence[str]) -> date:
    text = _one(name, texts)
    try:
        # Python accepts other forms of ISO 8601 too.
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise InvalidRequest("day", parameter=name, value=text[:SHOWN])


def read_days(name: str, texts: Sequence[str]) -> tuple[date, ...]:
    return tuple(sorted({read_day(name, (text,)) for text in texts}))


def read_codes(name: str, texts: Sequence[str]) -> tuple[Security, ...]:
    return tuple(dict.fromkeys(Security.parse(text.strip(), name) for text in texts))


def _read_codes_or_word(name: str, texts: Sequence[str]) -> tuple[Security, ...] | str:
    if len(texts) == 1 and texts[0].strip().lower() in (HELD, ALL):
        return texts[0].strip().lower()
    return read_codes(name, texts)


def _read_capitals(_name: str, texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({text.strip().upper() for text in texts}))


def _read_texts(_name: str, texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({text.strip() for text in texts}))


def _word(*words: str) -> Callable[[str, Sequence[str]], str]:
    def read(name: str, texts: Sequence[str]) -> str:
        text = _one(name, texts).upper()
        if text not in words:
            raise InvalidRequest("word", parameter=name, words=", ".join(words), value=text[:SHOWN])
        return text

    return read


def _whole(least: int, most: int) -> Callable[[str, Sequence[str]], int]:
    def read(name: str, texts: Sequence[str]) -> int:
        text = _one(name, texts)
        # Only digits that int() and a reader understand alike: no underscores, no digits of other scripts.
        if not (text.isascii() and text.isdigit() and len(text) < len(str(most)) + 1):
            number = -1
        else:
            number = int(text)
        if not least <= number <= most:
            raise InvalidRequest("whole_number", parameter=name, least=least, most=most, value=text[:SHOWN])
        return number

    return read


_START = Parameter("start", read_day, "The first day; the first known day unless given.")
_END = Parameter("end", read_day, "The last day; the last known day unless given.")
_CODES = Parameter("codes", read_codes, "MARKET.CODE, one or more; all unless given.", many=True, commas=True)
_FUNDS = Parameter(
    "funds", _read_capitals, "ARK funds; those of the gateway unless given.", many=True, commas=True
)
_AS_OF = Parameter(
    "as_of",
    read_day,
    "The answer as it was known at the end of that day, in its share units; the last known day unless given.",
)

DYNAMICS = ResearchTable(
    "dynamics",
    DynamicOfDay,
    (
        Parameter(
            "codes",
            _read_codes_or_word,
            "MARKET.CODE, one or more; `held` (the default) for the stocks that the funds hold on each day, "
            "`all` for the stocks named in their files up to that day.",
            default=HELD,
            many=True,
            commas=True,
        ),
        Parameter(
            "as_of",
            read_days,
            "Days; the last known day unless these or start are given.",
            many=True,
            commas=True,
        ),
        Parameter("start", read_day, "Each trading day from this one on, in place of as_of."),
        Parameter("end", read_day, "The last of these days; the last known day unless given."),
        _FUNDS,
    ),
    "The dynamics of many stocks as of many days.",
    by="as_of",
)
TRADES = ResearchTable(
    "trades",
    Trade,
    (_START, _END, _CODES, _FUNDS, _AS_OF),
    "Each ARK fund's trades, with their evidence.",
    by="day",
)
TRANSACTIONS = ResearchTable(
    "transactions",
    Transaction,
    (_START, _END, _CODES, _FUNDS, _AS_OF),
    "The ARK funds' combined trades, day by day, as the dynamics count them.",
    by="day",
)
POSITIONS = ResearchTable(
    "positions",
    PositionOfDay,
    (_START, _END, _CODES, _FUNDS, _AS_OF),
    "Each ARK fund's positions at the end of each day.",
    by="day",
)
HOLDINGS = ResearchTable(
    "holdings",
    HoldingLine,
    (_START, _END, _FUNDS),
    "The lines of the funds' holdings files, cash included.",
    by="day",
)
_INSTITUTIONS = Parameter(
    "institutions", _read_texts, "Names in either language, or feeds' spellings; all unless given.", many=True
)
_MARKET = Parameter("market", _word("US", "CA"), "US or CA; both unless given.")
RATINGS = ResearchTable(
    "rating_changes",
    RatingNote,
    (
        _START,
        _END,
        _CODES,
        _INSTITUTIONS,
        _MARKET,
        Parameter(
            "change_type",
            _word("ALL", "UPGRADE", "DOWNGRADE", "NEW_RATING"),
            "UPGRADE, DOWNGRADE, NEW_RATING, or ALL (the default).",
            default="ALL",
        ),
    ),
    "Rating changes, with the words of the notes.",
    by="day",
)
NOTES = ResearchTable(
    "notes",
    RatingNote,
    (_START, _END, _CODES, _INSTITUTIONS, _MARKET),
    "All notes of analysts, including those that change nothing.",
    by="day",
)
COVERAGE = ResearchTable(
    "coverage", CoveredDays, (), "The known days by fund and market, and the holes in them."
)
LATEST_DAYS = ResearchTable("latest_days", LatestDay, (), "The last known day of each fund and market.")
STREAKS = ResearchTable(
    "streaks",
    Streak,
    (
        Parameter("side", _word("ALL", "BUY", "SELL"), "BUY, SELL, or ALL (the default).", default="ALL"),
        Parameter("days", _whole(2, LONGEST_STREAK), "The least number in a row; 3 unless given.", 3),
        Parameter(
            "as_of",
            read_day,
            "The answer as it was known at the end of that day; the last known day unless given.",
        ),
        _FUNDS,
    ),
    "Securities that the ARK funds bought or sold on many trading days, or in many transactions, in a row.",
)
TABLES: dict[str, ResearchTable[Any]] = {
    table.name: table
    for table in (
        DYNAMICS,
        TRADES,
        TRANSACTIONS,
        POSITIONS,
        HOLDINGS,
        RATINGS,
        NOTES,
        COVERAGE,
        LATEST_DAYS,
        STREAKS,
    )
}


def read_lang(text: str) -> Language:
    """The language of a tag such as en or zh-CN. Raises InvalidRequest."""
    found = language_of(text)
    if found is None:
        words = ", ".join(get_args(Language))
        raise InvalidRequest("word", parameter="lang", words=words, value=text[:SHOWN])
    return found


def table_named(name: str) -> ResearchTable[Any]:
    """Raises InvalidRequest."""
    table = TABLES.get(name.strip().lower().replace("-", "_"))
    if table is None:
        raise InvalidRequest("research_table", tables=", ".join(TABLES), value=name[:SHOWN])
    return table


def write_part(row: type, part: Part[tuple[Any, ...]]) -> Any:
    """The Response of 53001; each row of ``part`` has the values of the columns of ``row``."""
    response = RESPONSES[ProtoId.Qotgate_GetResearch](retType=RetType.SUCCEED, retMsg="", errCode=0)
    s2c = response.s2c
    if part.note is not None:
        s2c.note = part.note
    s2c.rowCount = len(part.rows)
    if part.next_page is not None:
        s2c.nextPage = part.next_page
    if part.known_to is not None:
        s2c.knownTo = part.known_to.isoformat()
    given = list(zip(*part.rows, strict=True)) if part.rows else [()] * len(columns_of(row))
    for (name, (kind, _)), values in zip(columns_of(row).items(), given, strict=True):
        column = s2c.columns.add(name=name, kind=kind)
        if kind is Kind.TEXT:
            words = dict.fromkeys(value for value in values if value is not None)
            indexes = {word: number for number, word in enumerate(words)}
            column.words.extend(indexes)
            column.places.extend([-1 if value is None else indexes[value] for value in values])
            continue
        if kind is Kind.REAL:
            values = tuple(map(finite, values))
            column.reals.extend([0.0 if value is None else value for value in values])
        elif kind is Kind.DAY:
            column.wholes.extend([0 if value is None else (value - EPOCH).days for value in values])
        else:
            column.wholes.extend([0 if value is None else int(value) for value in values])
        column.nulls.extend([number for number, value in enumerate(values) if value is None])
    return response


def read_part(table: ResearchTable[Row], s2c: Any) -> Part[Row]:
    """A part of a table. Columns that this version does not know are ignored. Raises ValueError."""
    check_text(s2c)
    count = s2c.rowCount
    given = {column.name: column for column in s2c.columns}
    columns = []
    for name, (kind, optional) in columns_of(table.row).items():
        if name in given:
            values = _values(given[name], kind)
            if len(values) != count or (not optional and None in values):
                raise ValueError(f"the column {name} of {table.name} does not have a value for each row")
        elif optional:
            values = [None] * count
        else:
            raise ValueError(f"a part of {table.name} lacks the column {name}")
        columns.append(values)
    rows = tuple(table.row(*values) for values in zip(*columns, strict=True))
    known_to = date.fromisoformat(s2c.knownTo) if s2c.knownTo else None
    return Part(rows, s2c.nextPage or None, known_to, s2c.note or None)


def _values(column: Any, kind: Kind) -> list[Any]:
    if column.kind != kind:
        raise ValueError(f"the column {column.name} is of kind {column.kind}, not {kind:d}")
    if kind is Kind.TEXT:
        words = [*column.words, None]
        indexes = list(column.places)
        if any(not -1 <= index < len(words) - 1 for index in indexes):
            raise ValueError(f"the column {column.name} names a word that it does not have")
        return [words[index] for index in indexes]
    if kind is Kind.REAL:
        values: list[Any] = list(column.reals)
    elif kind is Kind.DAY:
        days = {number: EPOCH + timedelta(days=number) for number in set(column.wholes)}
        values = [days[number] for number in column.wholes]
    else:
        values = [bool(number) for number in column.wholes] if kind is Kind.TRUTH else list(column.wholes)
    for number in column.nulls:
        if not 0 <= number < len(values):
            raise ValueError(f"the column {column.name} has no row {number}")
        values[number] = None
    return values
