"""What the tables of analyst notes have in common, whoever publishes them.

Feeds differ in their headers, so each column goes by many (``COLUMNS``, in letters and digits only; where a
table has several of one line, the first counts). Words of rating are kept as the feed spells them: what they
mean is a rule, not reading.
"""

import re

from qotgate.model import Market, Note, Security
from qotgate.sources.cells import moment, number, shown, text, time_of_day
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


def security_of(row: Row) -> Security:
    """The security that the ticker names, and the exchange where there is one. Raises ValueError."""
    listed = row.take("exchange", lambda cell: exchange_market(text(cell))) if "exchange" in row else None
    return row.take("ticker", lambda cell: note_security(text(cell), listed or Market.US))


def note(row: Row, security: Security | None = None) -> Note:
    """The note of a row, on ``security`` where the row has no ticker of its own. Raises ValueError.

    Of a target as published and one adjusted for splits since, the adjusted one is taken: consecutive notes
    are compared, and across a split the published ones would say that every target fell.
    """
    security = security or security_of(row)
    firm = row.required("firm")
    day, clock = row.take("date", lambda cell: moment(cell, _FIRST_YEAR))
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
        starts=bool(_STARTS.search(row.text("action"))),
        line=row.number,
    )
