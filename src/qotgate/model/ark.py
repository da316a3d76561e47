"""ARK's publications (holdings, trade notices), and the answers about them (trades, dynamics)."""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from qotgate.model.finite import FiniteNumbers
from qotgate.model.security import Security

ACTIVE_FUNDS = ("ARKF", "ARKG", "ARKK", "ARKQ", "ARKW", "ARKX")
"""ARK's actively managed funds of US stocks, without its index funds such as IZRL and PRNT."""
ETFS = (*ACTIVE_FUNDS, "IZRL", "PRNT")
"""The funds whose holdings are summed, as OpenD sums them."""


class Holding(NamedTuple):
    """One line of a fund's daily holdings file, dated by the day inside the file.

    The file dated D shows the book before the trading of D. ``identifier`` is a CUSIP or CINS (9 characters),
    a SEDOL (7) or a currency code (3). Either it or ``ticker`` may be empty, or both if the line has only a
    name. ``shares`` may have decimals (cash, stock dividends); ``market_value`` is in USD, ``weight`` in
    percent of the fund; either is None if the file omits it.
    """

    fund: str
    day: date
    ticker: str
    identifier: str
    name: str
    shares: float
    market_value: float | None
    weight: float | None
    line: int


class Notice(NamedTuple):
    """One line of a fund's trade notice. ``shares`` is signed: a buy is positive. ``weight`` is the
    trade in percent of the fund."""

    fund: str
    day: date
    ticker: str
    identifier: str
    name: str
    shares: int
    weight: float | None
    line: int


class DynamicType(StrEnum):
    """The kinds of dynamic, by their published names; this gateway never answers UNKNOWN."""

    UNKNOWN = "N/A"
    CONSECUTIVE_SAME_DIRECTION = "CONSECUTIVE_SAME_DIRECTION"
    RECENT_TRANSACTION = "RECENT_TRANSACTION"
    LAST_TRANSACTION = "LAST_TRANSACTION"
    NO_DYNAMIC = "NO_DYNAMIC"


class ArkHoldingType(StrEnum):
    """A filter of holdings: all, or those with a kind of change over a cycle."""

    POSITION = "POSITION"
    INCREASE = "INCREASE"
    DECREASE = "DECREASE"
    NEW = "NEW"
    SOLD_OUT = "SOLD_OUT"


class ArkActiveTransactionHoldingType(StrEnum):
    """A filter of active transactions, by the change of the holding over the cycle."""

    INCREASE = "INCREASE"
    DECREASE = "DECREASE"
    NEW = "NEW"
    SOLD_OUT = "SOLD_OUT"


class ArkCycleType(StrEnum):
    """The number of trading days over which a change is measured."""

    ONE_DAY = "ONE_DAY"
    FIVE_DAY = "FIVE_DAY"
    TEN_DAY = "TEN_DAY"
    THIRTY_DAY = "THIRTY_DAY"
    SIXTY_DAY = "SIXTY_DAY"


class ArkFundHoldingSortField(StrEnum):
    """The sort key of holdings."""

    SHARES = "SHARES"
    WEIGHT_CHANGE = "WEIGHT_CHANGE"
    SHARES_CHANGE = "SHARES_CHANGE"
    MARKET_VALUE = "MARKET_VALUE"
    WEIGHT = "WEIGHT"


class ArkActiveTransactionSortField(StrEnum):
    """The sort key of active transactions; UNKNOWN is the default, the amount."""

    UNKNOWN = "N/A"
    CHANGE_AMOUNT = "CHANGE_AMOUNT"
    CHANGE_SHARES = "CHANGE_SHARES"


class RankSortDir(StrEnum):
    """The direction of a sort."""

    DESCENDING = "DESCENDING"
    ASCENDING = "ASCENDING"


@dataclass(frozen=True, slots=True)
class FundHolding(FiniteNumbers):
    """The ARK funds' combined holding of a security, and its change over a cycle.

    ``security`` is None if the holding maps to no code. ``shares`` and ``shares_change`` are in share units
    of the requested day, ``market_value`` in USD, ``weight`` in percent of the funds' total and
    ``weight_change`` in percentage points. Values that the files omit are None.
    """

    security: Security | None
    name: str
    shares: int
    shares_change: int
    market_value: float | None
    weight: float | None
    weight_change: float | None


@dataclass(frozen=True, slots=True)
class ActiveTransaction(FiniteNumbers):
    """The ARK funds' active purchases (positive) or sales of a security over a cycle.

    ``change_amount`` is in USD, at the prices of the days; None if no price is known. ``change_shares`` are
    in share units of the requested day.
    """

    security: Security | None
    name: str
    change_amount: float | None
    change_shares: int


@dataclass(frozen=True, slots=True)
class TradeEvidence:
    """One fund's trade and its evidence.

    ``shares`` are signed, in the units of the day. ``confidence`` is 1 for a notice; for an inferred trade,
    it is the share of such trades that notices confirm. An inferred trade also has the ``change`` of the
    position in shares, the ``flow`` subtracted from it, and ``through``, the last possible day of the trade
    if a holdings file is missing. ``places`` are the files and lines of the evidence; the line is None if the
    evidence is that a file does not list the security.
    """

    fund: str
    day: date
    through: date
    shares: int
    ground: str
    confidence: float
    change: float | None
    flow: int | None
    places: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class UntoldDays:
    """Trading days on which the trades of ``fund`` are unknown. ``why`` is "untold" if its flow cannot be
    separated from the trades, "hole" if too many of its holdings files are missing."""

    fund: str
    first_day: date
    last_day: date
    why: str = "untold"


@dataclass(frozen=True, slots=True)
class ArkDynamic:
    """The ARK funds' trading of a stock. ``net_shares`` is signed, in share units of the requested day;
    ``untold`` are the days of the window that it leaves out. ``known_to`` is the day of the answer: the
    requested day, or the last known day if that is earlier; None if a client named no day."""

    dynamic_type: DynamicType
    transaction_count: int
    net_shares: int
    last_transaction_day: date | None
    untold: tuple[UntoldDays, ...] = field(default=(), kw_only=True)
    known_to: date | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class StockDynamic(ArkDynamic):
    """The dynamic of ``security``."""

    security: Security
