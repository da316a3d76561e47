"""From the ticker, identifier and name of a published line to a code such as US.TSLA.

A CUSIP with a plain ticker is a US listing. A ticker may carry a Bloomberg exchange code (``TREE UW``, ``DSY
FP``, ``9923HK``), which then decides; mailed notices fuse it to the ticker (``DSYSJ``). A SEDOL names one
line on one exchange but not which one, so it is looked up in a table; a foreign listing that the table lacks
has no code. The table's entry for an identifier applies to a line unless both the ticker and the name of the
line belong to another company.
"""

import re
from collections.abc import Iterator, Mapping

from qotgate.ark.company_names import same_company
from qotgate.model import Market, Security

# Bloomberg's exchange codes, composite and single, of the markets of codes. Published tickers are cut at
# seven characters, so "GRMN U" may stand for "GRMN UN".
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
FOREIGN = {
    # By the first letter of a CINS, which identifies the issuer's country (CUSIP Global Services): the
    # exchange codes of its home market.
    "A": ("AV",),
    "B": ("BB",),
    "D": ("GR", "GY"),
    "E": ("SM",),
    "F": ("FP",),
    "G": ("LN", "LI", "GB", "HK"),
    "H": ("SW", "SE", "VX"),
    "J": ("JP", "JT"),
    "K": ("DC",),
    "L": ("LX",),
    "N": ("NA",),
    "Q": ("AU", "AT", "NZ"),
    "R": ("NO",),
    "S": ("SJ",),
    "T": ("IM",),
    "W": ("SS",),
    "X": ("FH", "PL", "PW"),
    "Y": ("HK", "SP", "MK", "TT", "KS", "CG", "CS"),
}
SEDOL_LENGTH = 7
CURRENCY_LENGTH = 3
CASH_PREFIX = "X9"
CASH_NAMES = frozenset(
    [
        "U.S. DOLLAR",
        "US DOLLAR",
        "EURO",
        "POUND STERLING",
        "JAPANESE YEN",
        "HONG KONG DOLLAR",
        "SOUTH AFRICAN RAND",
        "SWISS FRANC",
        "CANADIAN DOLLAR",
        "AUSTRALIAN DOLLAR",
        "SINGAPORE DOLLAR",
        "ISRAELI SHEKEL",
        "NEW ISRAELI SHEKEL",
        "SWEDISH KRONA",
        "NORWEGIAN KRONE",
        "DANISH KRONE",
        "SOUTH KOREAN WON",
        "TAIWAN DOLLAR",
        "NEW TAIWAN DOLLAR",
        "CHINESE YUAN",
        "BRAZILIAN REAL",
        "INDIAN RUPEE",
        "MEXICAN PESO",
        "NEW ZEALAND DOLLAR",
        "CASH",
    ]
)
_FUSED_LENGTH = 6
"""Length of a ticker with an exchange fused to it: US tickers have at most five letters."""

_WITH_EXCHANGE = re.compile(
    r"(?P<ticker>\S+)[ .](?P<exchange>[A-Z]{2}|(?<= )[A-Z])|(?P<digits>\d+) ?(?P<suffix>[A-Z]{2})"
)
_FUSED = re.compile(r"([A-Z]{1,5})([A-Z]{2})")
_US_TICKER = re.compile(r"[A-Z]+([./][A-Z]+)?")


def is_cash(ticker: str, identifier: str, name: str = "") -> bool:
    """Whether a line is cash: a currency, or a money market account, with one of BNY Mellon's X9 numbers."""
    if ticker:
        return False
    if identifier:
        return len(identifier) == CURRENCY_LENGTH or identifier.startswith(CASH_PREFIX)
    return name.upper() in CASH_NAMES


class Listings:
    """Maps published lines to codes. ``table`` gives the code of an identifier, None for a listing on a
    market without codes; ``names`` tells which identifiers of those are one listing."""

    def __init__(self, table: Mapping[str, Security | None], names: Mapping[str, str]) -> None:
        self._table = table
        self._names = names
        self._codes = {code for code in table.values() if code is not None}
        first: dict[str, str] = {}
        self._same = {
            identifier: first.setdefault(names[identifier], identifier)
            for identifier, code in table.items()
            if code is None
        }

    def knows(self, identifier: str) -> bool:
        return identifier in self._table

    def lists(self, code: Security | None) -> bool:
        """Whether the table has an identifier with the code ``code``."""
        return code in self._codes

    def name(self, identifier: str) -> str:
        """The table's name of an identifier, '' if it has none."""
        return self._names.get(identifier, "")

    def identity(self, identifier: str) -> str:
        """The first identifier of a listing without a code that has several."""
        return self._same.get(identifier, identifier)

    def believes(self, ticker: str, identifier: str, name: str) -> bool:
        """Whether the table accepts the identifier of a line: it is not another company's."""
        if identifier not in self._table or not ticker or same_company(name, self._names[identifier]):
            return True
        listed = self._table[identifier]
        if listed is None:
            return _ticker_code(ticker, identifier) is None
        return any(stem in (listed.code, listed.code.lstrip("0")) for stem in stems(ticker))

    def code(self, ticker: str, identifier: str, name: str) -> Security | None:
        """The code of a line, None if it has none or its code is unknown."""
        if identifier not in self._table:
            return _ticker_code(ticker, identifier)
        if self.believes(ticker, identifier, name):
            return self._table[identifier]
        return _ticker_code(ticker, "")


def stems(ticker: str) -> Iterator[str]:
    """The possible forms of a ticker without its exchange: the ticker itself, and the rest if it ends with an
    exchange code, as ``DSYSJ`` and ``DSY FP`` do."""
    yield ticker.replace("/", ".")
    match = _WITH_EXCHANGE.fullmatch(ticker)
    if match:
        yield (match["ticker"] or match["digits"]).replace("/", ".")
    elif (fused := _FUSED.fullmatch(ticker)) and fused[2] in _ALL_EXCHANGES:
        yield fused[1]


_ALL_EXCHANGES = {*EXCHANGES, *(code for codes in FOREIGN.values() for code in codes)} - {"U"}


def _ticker_code(ticker: str, identifier: str) -> Security | None:
    """The code given by a ticker, depending on the kind of its identifier."""
    match = _WITH_EXCHANGE.fullmatch(ticker)
    if match and (" " in ticker or match["digits"] or match["exchange"] in _ALL_EXCHANGES):
        market = EXCHANGES.get(match["exchange"] or match["suffix"])
        return None if market is None else _code(market, match["ticker"] or match["digits"])
    if len(identifier) == SEDOL_LENGTH or not _US_TICKER.fullmatch(ticker):
        return None
    fused = _FUSED.fullmatch(ticker)
    if fused and (
        fused[2] in FOREIGN.get(identifier[:1], ())
        or (len(ticker) >= _FUSED_LENGTH and fused[2] in _ALL_EXCHANGES)
    ):
        market = EXCHANGES.get(fused[2])
        return None if market is None else _code(market, fused[1])
    return _code(Market.US, ticker)


def _code(market: Market, ticker: str) -> Security:
    if market is Market.HK:
        return Security(market, ticker.zfill(5))
    return Security(market, ticker.replace("/", "."))
