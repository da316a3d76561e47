"""What the tables of analyst notes have in common, whoever publishes them.

Feeds differ in their headers, so each column goes by many (``COLUMNS``, in letters and digits only; where a
table has several of one line, the first counts). Words of rating are kept as the feed spells them: what they
mean is a rule, not reading.
"""

import re
from datetime import date, time

from qotgate.model import Market, Note, Security
from qotgate.sources.batches import Batch, Reader
from qotgate.sources.cells import moment, number, required_text, shown, text, time_of_day
from qotgate.sources.codes import exchange_market, note_security
from qotgate.sources.layout import Row
from qotgate.sources.lines import Cell

COLUMNS = {
    "ticker": ("ticker", "symbol", "code", "security", "tickersymbol", "stockcode"),
    "name": ("name", "company", "companyname", "stock", "stockname", "securityname"),
    "firm": ("firm", "analystfirm", "institution", "broker", "brokerage", "gradingcompany", "researchfirm"),
    "exchange": ("exchange", "listingexchange"),
    "rating": ("rating", "grade", "recommendation", "tograde", "newgrade", "newrating", "currentrating"),
    "price target": ("pricetarget", "targetprice", "target", "pt", "currentpricetarget", "newpricetarget"),
    "date": ("date", "published", "publisheddate", "recommendationdate", "ratingdate", "gradedate", "day"),
    "prior rating": (
        *("priorrating", "previousrating", "lastrating", "fromgrade", "previousgrade", "priorgrade"),
        *("ratingprior", "ratingprevious"),
    ),
    "prior price target": (
        *("priorpricetarget", "previouspricetarget", "lastpricetarget", "lasttargetprice", "priortarget"),
        *("previoustargetprice", "previoustarget", "lasttarget", "priortargetprice", "priorpt"),
    ),
    "adjusted price target": (),
    "adjusted prior price target": (),
    "action": ("action", "ratingaction", "actiontype"),
    "time": ("time", "publishedtime", "ratingtime"),
}

_FIRST_YEAR = 1970
_NONE = frozenset({"", "-", "--", "–", "—", "N/A", "NA"})
_STARTS = re.compile(
    r"(?<!re-)(?<!re )\b(?:init|initiat\w+|initiali[sz]\w+|starts?|started|starting|begins?|began|"
    r"new coverage|launch\w*)\b|首次|首予",
    re.IGNORECASE,
)
"""Words of action by which coverage starts: ``init``, ``Initiates coverage on``, ``coverage starts``. Words
by which it goes on (reiterated, resumed, reinstated, re-initiated) are not among them."""


def _word(cell: Cell) -> str:
    words = text(cell)
    return "" if words.upper() in _NONE else words


def _target(cell: Cell) -> float | None:
    """A price target; None for a blank, a dash and 0, by which feeds say that there is none."""
    target = number(cell, "$") if _word(cell) else None
    if target is not None and target < 0:
        raise ValueError(f"is {shown(cell)}, a price below 0")
    return target or None


def _adjusted(row: Row, field: str) -> float | None:
    adjusted = f"adjusted {field}"
    return (row.take(adjusted, _target) if adjusted in row else None) or row.take(field, _target)


def _market(cell: Cell) -> Market | None:
    return exchange_market(text(cell))


def _security(cell: Cell, listed: Market | None) -> Security:
    return note_security(text(cell), listed or Market.US)


def security_of(row: Row) -> Security:
    """The security that the ticker names, and the exchange where there is one. Raises ValueError."""
    listed = row.take("exchange", _market) if "exchange" in row else None
    return row.take("ticker", lambda cell: _security(cell, listed))


def _moment(cell: Cell) -> tuple[date, time | None]:
    return moment(cell, _FIRST_YEAR)


def _starts(cell: Cell) -> bool:
    return bool(_STARTS.search(text(cell)))


def note(row: Row, security: Security | None = None) -> Note:
    """The note of a row, on ``security`` where the row has no ticker of its own. Raises ValueError.

    Of a target as published and one adjusted for splits since, the adjusted one is taken: consecutive notes
    are compared, and across a split the published ones would say that every target fell.
    """
    security = security or security_of(row)
    firm = row.required("firm")
    day, clock = row.take("date", _moment)
    if row.text("time"):
        clock = row.take("time", time_of_day)
    word = _word(row["rating"])
    target, prior_target = _adjusted(row, "price target"), _adjusted(row, "prior price target")
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
        prior_word=_word(row["prior rating"]),
        prior_target=prior_target,
        starts=_starts(row["action"]),
        line=row.number,
    )


_WORD, _TARGET, _TEXT, _FIRM = map(Reader, (_word, _target, text, required_text))
_DAY = Reader(lambda cell: _moment(cell)[0])
_CLOCK = Reader(lambda cells: time_of_day(cells[1]) if text(cells[1]) else _moment(cells[0])[1])
_TICKER = Reader(lambda cell: _security(cell, None))
_LISTED = Reader(lambda cells: _security(cells[0], _market(cells[1])))
_ACTION = Reader(_starts)


def notes(batch: Batch) -> list[Note | None]:
    """The notes of rows that have a ticker of their own, as :func:`note` makes each."""
    listed = (_LISTED, "ticker", "exchange") if "exchange" in batch else (_TICKER, "ticker")
    words, targets = batch.take(_WORD, "rating"), _adjusted_column(batch, "price target")
    batch.odd.update(
        place
        for place, (word, target) in enumerate(zip(words, targets, strict=True))
        if not word and target is None
    )
    return batch.records(
        Note._make,
        batch.take(*listed),
        batch.take(_TEXT, "name"),
        batch.take(_FIRM, "firm"),
        batch.take(_DAY, "date"),
        batch.take(_CLOCK, "date", "time"),
        words,
        targets,
        batch.take(_WORD, "prior rating"),
        _adjusted_column(batch, "prior price target"),
        batch.take(_ACTION, "action"),
    )


def _adjusted_column(batch: Batch, field: str) -> list[float | None]:
    targets: list[float | None] = batch.take(_TARGET, field)
    adjusted = f"adjusted {field}"
    if adjusted in batch:
        better = batch.take(_TARGET, adjusted)
        targets = [one or other for one, other in zip(better, targets, strict=True)]
    return targets
