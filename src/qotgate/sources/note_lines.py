"""Common parts of the tables of analyst notes of all publishers.

Feeds differ in their headers, so each column has many (``COLUMNS``, in letters and digits only; if a table
has several, the first counts). Rating words keep the feed's spelling: their meaning is a rule, not reading. A
cell may have the previous and the current value: ``Hold → Buy``, ``$450 → $465``.
"""

import re
from collections.abc import Callable
from datetime import date, time
from typing import TypeVar

from qotgate.model import Market, Note, Security, Unreadable
from qotgate.sources.batches import Batch, Reader
from qotgate.sources.cells import day_and_month, moment, number, required_text, shown, text, time_of_day
from qotgate.sources.codes import exchange_market, file_security, note_security
from qotgate.sources.layout import Row
from qotgate.sources.lines import Cell

COLUMNS = {
    "ticker": (
        "ticker",
        "symbol",
        "code",
        "security",
        "tickersymbol",
        "stockcode",
        "股票代码",
        "证券代码",
        "代码",
    ),
    "name": (
        "name",
        "company",
        "companyname",
        "stock",
        "stockname",
        "securityname",
        "股票名称",
        "证券名称",
        "名称",
    ),
    "firm": (
        *("firm", "analystfirm", "institution", "broker", "brokerage", "gradingcompany", "researchfirm"),
        *("analystcompany", "机构名称", "评级机构", "机构"),
    ),
    "exchange": ("exchange", "listingexchange"),
    "rating": (
        *("rating", "grade", "recommendation", "tograde", "newgrade", "newrating", "currentrating"),
        *("ratingcurrent", "latestrating", "ratingchange", "最新评级", "评级"),
    ),
    "price target": (
        *("pricetarget", "targetprice", "target", "pt", "currentpricetarget", "newpricetarget"),
        *("latesttargetprice", "latestpricetarget", "最新目标价", "目标价"),
    ),
    "date": (
        *("date", "published", "publisheddate", "recommendationdate", "ratingdate", "gradedate", "day"),
        *("pubtime", "评级日期", "日期"),
    ),
    "prior rating": (
        *("priorrating", "previousrating", "lastrating", "fromgrade", "previousgrade", "priorgrade"),
        *("ratingprior", "ratingprevious", "先前评级", "上次评级"),
    ),
    "prior price target": (
        *("priorpricetarget", "previouspricetarget", "lastpricetarget", "lasttargetprice", "priortarget"),
        *("previoustargetprice", "previoustarget", "lasttarget", "priortargetprice", "priorpt"),
        *("pricetargetprevious", "pricetargetprior", "先前目标价", "上次目标价"),
    ),
    "adjusted price target": ("adjustedpricetarget", "adjpricetarget", "adjustedptcurrent"),
    "adjusted prior price target": (
        *("adjustedpriorpricetarget", "adjustedpreviouspricetarget", "previousadjpricetarget"),
        *("adjpricetargetprevious", "adjustedptprior"),
    ),
    "action": ("action", "ratingaction", "actiontype", "status"),
    "time": ("time", "publishedtime", "ratingtime"),
}

T = TypeVar("T")

_FIRST_YEAR = 1970
_TARGETS = ("price target", "prior price target")
_ADJUSTED = ("adjusted price target", "adjusted prior price target")
_NONE = frozenset({"", "-", "--", "–", "—", "N/A", "NA", "NONE", "NULL"})
_ARROW = re.compile(r"[→➝➔➜➞⟶⇒]|[-=]+>")
_STARTS = re.compile(
    r"(?<!re-)(?<!re )\b(?:init|initiat\w+|initiali[sz]\w+|starts?|started|starting|begins?|began|"
    r"new coverage|launch\w*)\b|首次|首予",
    re.IGNORECASE,
)
"""Action words that start coverage: ``init``, ``Initiates coverage on``, ``coverage starts``. Words for
continued coverage (reiterated, resumed, reinstated, re-initiated) are not among them."""


def _word(cell: Cell) -> str:
    words = text(cell)
    return "" if words.upper() in _NONE else words


def _firm(cell: Cell) -> str:
    """Raises ValueError for a blank and for what feeds write for none: notes of unknown institutions cannot
    be compared with each other."""
    words = required_text(cell)
    if not _word(words) or not any(map(str.isalnum, words)):
        raise ValueError(f"is {shown(cell)}, which names no institution")
    return words


def _target(cell: Cell) -> float | None:
    """A price target; None for a blank, a dash and 0, which feeds use for no target."""
    target = number(cell, "$") if _word(cell) else None
    if target is not None and target < 0:
        raise ValueError(f"is {shown(cell)}, a price below 0")
    return target or None


def _now_and_before(row: Row, field: str, prior: str, read: Callable[[Cell], T]) -> tuple[T, T]:
    """The current and the previous value of a field: the previous one from its own column, else from the left
    of an arrow in the cell."""

    def sides(cell: Cell) -> tuple[T, T]:
        before, *now = _ARROW.split(cell) if isinstance(cell, str) else [cell]
        if len(now) > 1:
            raise ValueError(f"is {shown(cell)}, with more than one arrow")
        return (read(now[0]), read(before)) if now else (read(cell), read(""))

    now, before = row.value(field, sides)
    return now, row.value(prior, read) or before


def _in_one_unit(
    target: float | None, prior: float | None, adjusted: float | None, adjusted_prior: float | None
) -> tuple[float | None, float | None]:
    """The target and the previous one, as published or adjusted for later splits.

    Adjusted targets are preferred: consecutive notes are compared, and after a split the published ones would
    show that every target fell. If only the new one is adjusted, the published previous one is in other share
    units, and is omitted.
    """
    if adjusted not in (None, target):
        prior = None
    return adjusted or target, adjusted_prior or prior


def _market(cell: Cell) -> Market | None:
    return exchange_market(text(cell))


def _security(cell: Cell, listed: Market | None) -> Security:
    return note_security(text(cell), listed or Market.US)


def security_of(row: Row) -> Security:
    """The security of the ticker, and of the exchange if there is one. Raises ValueError."""
    listed = row.value("exchange", _market) if "exchange" in row else None
    return row.value("ticker", lambda cell: _security(cell, listed))


def _moment(cell: Cell) -> tuple[date, time | None]:
    """Raises ValueError, also for a day whose order depends on the file."""
    if day_and_month(cell):
        raise ValueError(f"is {shown(cell)}, in an order that it does not show")
    return moment(cell, _FIRST_YEAR)


def _word_alone(cell: Cell) -> str:
    """Raises ValueError for a cell with a previous value."""
    if isinstance(cell, str) and _ARROW.search(cell):
        raise ValueError(f"is {shown(cell)}, with an arrow")
    return _word(cell)


def _starts(cell: Cell) -> bool:
    return bool(_STARTS.search(text(cell)))


def of_row_or_file(row: Row, title: str) -> Security:
    """The security of the ticker column; in a table without one, the security that the file is named after.
    Raises ValueError, and Unreadable for a table ``title`` without either."""
    if "ticker" in row:
        return security_of(row)
    security = file_security(row.file)
    if security is None:
        raise Unreadable(
            f"it is {title} and has no ticker column, and the name of the file tells "
            "none; name it after its one ticker, in capitals, such as AAPL.csv or BRK-B_upgrades.json"
        )
    return security


def note(row: Row, security: Security | None = None) -> Note:
    """The note of a row, on ``security`` if the row has no ticker. Raises ValueError."""
    security = security or security_of(row)
    firm = row.value("firm", _firm)
    day, clock = row.moment("date", _FIRST_YEAR)
    if row.text("time"):
        clock = row.value("time", time_of_day)
    word, prior_word = _now_and_before(row, "rating", "prior rating", _word)
    target, prior_target = _in_one_unit(
        *_now_and_before(row, *_TARGETS, _target), *_now_and_before(row, *_ADJUSTED, _target)
    )
    if not word and target is None:
        raise ValueError("the row has neither a rating nor a price target")
    return Note(
        security=security,
        name=row.text("name"),
        firm=firm,
        day=day,
        time=clock,
        word=word,
        target=target,
        prior_word=prior_word,
        prior_target=prior_target,
        starts=_starts(row["action"]),
        line=row.number,
    )


_WORD, _PRIOR_WORD, _TARGET, _TEXT, _FIRM = map(Reader, (_word_alone, _word, _target, text, _firm))
_DAY = Reader(lambda cell: _moment(cell)[0])
_CLOCK = Reader(lambda cell: _moment(cell)[1])
_CLOCKS = Reader(lambda cells: time_of_day(cells[1]) if text(cells[1]) else _moment(cells[0])[1])
_TICKER = Reader(lambda cell: _security(cell, None))
_LISTED = Reader(lambda cells: _security(cells[0], _market(cells[1])))
_ACTION = Reader(_starts)


def notes(batch: Batch) -> list[Note | None]:
    """The notes of rows with a ticker, each as from :func:`note`."""
    listed = (_LISTED, "ticker", "exchange") if "exchange" in batch else (_TICKER, "ticker")
    clock = (_CLOCKS, "date", "time") if "time" in batch else (_CLOCK, "date")
    words = batch.values(_WORD, "rating")
    targets, prior_targets = (batch.values(_TARGET, field) for field in _TARGETS)
    if any(field in batch for field in _ADJUSTED):
        adjusted = (batch.values(_TARGET, field) for field in _ADJUSTED)
        pairs = list(map(_in_one_unit, targets, prior_targets, *adjusted))
        targets, prior_targets = ([pair[side] for pair in pairs] for side in (0, 1))
    if "" in words and None in targets:
        batch.odd.update(
            index
            for index, (word, target) in enumerate(zip(words, targets, strict=True))
            if not word and target is None
        )
    return batch.records(
        Note,
        batch.values(*listed),
        batch.values(_TEXT, "name"),
        batch.values(_FIRM, "firm"),
        batch.values(_DAY, "date"),
        batch.values(*clock),
        words,
        targets,
        batch.values(_PRIOR_WORD, "prior rating"),
        prior_targets,
        batch.values(_ACTION, "action"),
    )
