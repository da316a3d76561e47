"""Analyst notes as a plain table: one note of one institution on one security a row.

Feeds and exports of this shape differ in their headers only, so each column goes by many (``_COLUMNS``, in
letters and digits only; where a table has several of one line, the first counts). Required are ticker, firm,
rating and date. Words of rating are kept as the feed spells them: what they mean is a rule, not reading.
"""

import re

from qotgate.model import FileKind, Note
from qotgate.sources.cells import moment, number, shown, text, time_of_day
from qotgate.sources.codes import note_security
from qotgate.sources.layout import Layout, Row
from qotgate.sources.tabular import Cell

_COLUMNS = {
    "ticker": ("ticker", "symbol", "code", "security", "tickersymbol", "stockcode"),
    "name": ("name", "company", "companyname", "stock", "stockname", "securityname"),
    "firm": ("firm", "analystfirm", "institution", "broker", "brokerage", "gradingcompany", "researchfirm"),
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


def _note(row: Row) -> Note:
    security = row.take("ticker", lambda cell: note_security(text(cell)))
    firm = row.required("firm")
    day, clock = row.take("date", lambda cell: moment(cell, _FIRST_YEAR))
    if row.text("time"):
        clock = row.take("time", time_of_day)
    word, target = _word(row["rating"]), row.take("price target", _target)
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
        prior_target=row.take("prior price target", _target),
        starts=bool(_STARTS.search(row.text("action"))),
        line=row.number,
    )


LAYOUT = Layout(
    title="analyst notes",
    kind=FileKind.NOTES,
    columns=_COLUMNS,
    required=("ticker", "firm", "rating", "date"),
    record=_note,
)
