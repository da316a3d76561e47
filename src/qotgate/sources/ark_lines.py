"""Common parts of ARK's holdings files and trade notices: fund, security and day."""

from datetime import date

from qotgate.sources.batches import Reader
from qotgate.sources.cells import moment, required_text, text
from qotgate.sources.identifiers import clean_identifier
from qotgate.sources.json_tables import outer
from qotgate.sources.layout import Row
from qotgate.sources.lines import Cell

COLUMNS = {
    "fund": ("fund", "etf", "fundticker", "etfticker", outer("symbol")),
    "date": ("date", "tradedate", "asofdate", outer("date")),
    "ticker": ("ticker", "symbol", "stock", "stockticker"),
    "cusip": ("cusip", "sedol", "identifier", "cusipsedol"),
    "name": ("company", "name", "companyname", "security", "securityname", "description"),
    "shares": ("shares", "sharestraded", "sharesheld", "quantity"),
}
"""ARK's own headers first, then those of users' exports and of the public ARK API (arkfunds.io), which names
the fund or the day outside the list if all records share it."""

MOST_SHARES = 10**12
"""A larger count in one line is a mistake."""
_FIRST_YEAR = 2014  # the first of ARK's funds opened then


def _fund(cell: Cell) -> str:
    return required_text(cell).upper()


def _day(cell: Cell) -> date:
    return moment(cell, _FIRST_YEAR)[0]


def _security(cells: tuple[Cell, Cell, Cell]) -> tuple[str, str, str]:
    ticker, identifier, name = cells
    found = text(ticker).upper(), clean_identifier(identifier), text(name)
    if not any(found):
        raise ValueError("the row names no security: its ticker, cusip and name are blank or unreadable")
    return found


FUND, DAY, SECURITY = Reader(_fund), Reader(_day), Reader(_security)


def fund_and_day(row: Row) -> tuple[str, date]:
    """The fund in capitals, and the day. Raises ValueError."""
    day = row.value("date", _day)
    return row.value("fund", _fund), day


def security_of(row: Row) -> tuple[str, str, str]:
    """Ticker, identifier and name; any may be '', not all. Raises ValueError.

    The ticker keeps its exchange (``TREE UW``, ``6301JP``, ``MOG/A``): the identity rules, which see all
    lines, decide which listing it names.
    """
    return _security((row["ticker"], row["cusip"], row["name"]))
