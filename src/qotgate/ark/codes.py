"""From the ticker and identifier of a published line to a code such as US.TSLA.

A CUSIP with a plain ticker is a US listing. A ticker may carry a Bloomberg exchange code (``TREE UW``,
``DSY FP``, ``9923HK``), which then decides. A SEDOL names one line on one exchange but not which one, so
it is looked up in a table; a foreign listing that the table lacks has no code.
"""

import re
from collections.abc import Mapping

from qotgate.model import Market, Security

# Bloomberg's exchange codes, composite and single, of the markets that a code can belong to. Published
# tickers are cut at seven characters, which leaves "GRMN UN" as "GRMN U".
EXCHANGES = {
    **dict.fromkeys(("US", "UN", "UQ", "UW", "UR", "UA", "UP", "UV", "UF", "U"), Market.US),
    **dict.fromkeys(("CN", "CT", "CV"), Market.CA),
    **dict.fromkeys(("JP", "JT"), Market.JP),
    **dict.fromkeys(("AU", "AT"), Market.AU),
    "HK": Market.HK,
    "SP": Market.SG,
    "MK": Market.MY,
    "CG": Market.SH,
    "CS": Market.SZ,
}
SEDOL_LENGTH = 7
CURRENCY_LENGTH = 3
CASH_PREFIX = "X9"

_WITH_EXCHANGE = re.compile(r"(?P<ticker>\S+) (?P<exchange>[A-Z]{1,2})|(?P<digits>\d+) ?(?P<suffix>[A-Z]{2})")
_US_TICKER = re.compile(r"[A-Z]+([./][A-Z]+)?")


def is_cash(ticker: str, identifier: str) -> bool:
    """Whether a line is cash: a currency, or a money market account, which has BNY Mellon's X9 numbers."""
    return not ticker and (len(identifier) == CURRENCY_LENGTH or identifier.startswith(CASH_PREFIX))


class Listings:
    """Maps published lines to codes. ``table`` gives the code of an identifier, None for a listing that
    is known to be on a market without codes; ``names`` tell which identifiers of those are one listing."""

    def __init__(self, table: Mapping[str, Security | None], names: Mapping[str, str]) -> None:
        self._table = table
        first: dict[str, str] = {}
        self._same = {
            identifier: first.setdefault(names[identifier], identifier)
            for identifier, code in table.items()
            if code is None
        }

    def knows(self, identifier: str) -> bool:
        return identifier in self._table

    def identity(self, identifier: str) -> str:
        """The first identifier of a listing without a code that goes by several."""
        return self._same.get(identifier, identifier)

    def code(self, ticker: str, identifier: str) -> Security | None:
        """The code of a line, None where it has none or none is known."""
        if identifier in self._table:
            return self._table[identifier]
        match = _WITH_EXCHANGE.fullmatch(ticker)
        if match:
            market = EXCHANGES.get(match["exchange"] or match["suffix"])
            return None if market is None else _code(market, match["ticker"] or match["digits"])
        if len(identifier) == SEDOL_LENGTH or not _US_TICKER.fullmatch(ticker):
            return None
        return _code(Market.US, ticker)


def _code(market: Market, ticker: str) -> Security:
    if market is Market.HK:
        return Security(market, ticker.zfill(5))
    return Security(market, ticker.replace("/", "."))
