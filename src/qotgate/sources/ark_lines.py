"""What ARK's holdings files and trade notices have in common: who did what, in which security, when."""

from datetime import date

from qotgate.sources.cells import moment
from qotgate.sources.identifiers import clean_identifier
from qotgate.sources.json_tables import outer
from qotgate.sources.layout import Row

COLUMNS = {
    "fund": ("fund", "etf", "fundticker", "etfticker", outer("symbol")),
    "date": ("date", "tradedate", "asofdate", outer("date")),
    "ticker": ("ticker", "symbol", "stock", "stockticker"),
    "cusip": ("cusip", "sedol", "identifier", "cusipsedol"),
    "name": ("company", "name", "companyname", "security", "securityname", "description"),
    "shares": ("shares", "sharestraded", "sharesheld", "quantity"),
}
"""ARK's own headers first, then those of people's exports and of the public ARK API (arkfunds.io), which
names the fund or the day outside the list where all of its records share it."""

MOST_SHARES = 10**12
"""More of one security, in one line, is a mistake."""
_FIRST_YEAR = 2014  # in which the first of ARK's funds opened


def fund_and_day(row: Row) -> tuple[str, date]:
    """The fund in capitals, and the day. Raises ValueError."""
    day, _ = row.take("date", lambda cell: moment(cell, _FIRST_YEAR))
    return row.required("fund").upper(), day


def security_of(row: Row) -> tuple[str, str, str]:
    """Ticker, identifier and name; any may be '', not all. Raises ValueError.

    The ticker keeps its exchange (``TREE UW``, ``6301JP``, ``MOG/A``): which listing it names is for the
    identity rules to say, which see more than one line.
    """
    found = row.text("ticker").upper(), clean_identifier(row["cusip"]), row.text("name")
    if not any(found):
        raise ValueError("the row names no security: its ticker, cusip and name are blank or unreadable")
    return found
