"""What ARK publishes (holdings, trade notices) and what is said of it (trades, dynamics)."""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from qotgate.model.finite import FiniteNumbers
from qotgate.model.security import Security

ACTIVE_FUNDS = ("ARKF", "ARKG", "ARKK", "ARKQ", "ARKW", "ARKX")
"""ARK's actively managed funds of US stocks; its index funds, such as IZRL and PRNT, are not among them."""
ETFS = (*ACTIVE_FUNDS, "IZRL", "PRNT")
"""The funds whose holdings are summed, as OpenD sums them."""


class Holding(NamedTuple):
    """One line of a fund's daily holdings file, dated by the day inside the file.

    The file dated D shows the book before the trading of D. ``identifier`` is a CUSIP or CINS (9
    characters), a SEDOL (7) or a currency code (3); it or ``ticker`` may be empty, not both unless the
    name stands alone. ``shares`` may have decimals (cash, stock dividends); ``market_value`` is in USD,
    ``weight`` in percent of the fund; either is None where the file leaves it out.
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
    """The kinds of dynamic, by their published names; UNKNOWN is no answer of this gateway."""

    UNKNOWN = "N/A"
    CONSECUTIVE_SAME_DIRECTION = "CONSECUTIVE_SAME_DIRECTION"
    RECENT_TRANSACTION = "RECENT_TRANSACTION"
    LAST_TRANSACTION = "LAST_TRANSACTION"
    NO_DYNAMIC = "NO_DYNAMIC"


class ArkHoldingType(StrEnum):
    """Which holdings are asked for: all, or those that changed over a cycle, and how."""

    POSITION = "POSITION"
    INCREASE = "INCREASE"
    DECREASE = "DECREASE"
    NEW = "NEW"
    SOLD_OUT = "SOLD_OUT"


class ArkActiveTransactionHoldingType(StrEnum):
    """Which active transactions are asked for, by what became of the holding over the cycle."""

    INCREASE = "INCREASE"
    DECREASE = "DECREASE"
    NEW = "NEW"
    SOLD_OUT = "SOLD_OUT"


class ArkCycleType(StrEnum):
    """How many trading days back a change is measured."""

    ONE_DAY = "ONE_DAY"
    FIVE_DAY = "FIVE_DAY"
    TEN_DAY = "TEN_DAY"
    THIRTY_DAY = "THIRTY_DAY"
    SIXTY_DAY = "SIXTY_DAY"


class ArkFundHoldingSortField(StrEnum):
    """What holdings are sorted by."""

    SHARES = "SHARES"
    WEIGHT_CHANGE = "WEIGHT_CHANGE"
    SHARES_CHANGE = "SHARES_CHANGE"
    MARKET_VALUE = "MARKET_VALUE"
    WEIGHT = "WEIGHT"


class ArkActiveTransactionSortField(StrEnum):
    """What active transactions are sorted by; UNKNOWN is the default, the amount."""

    UNKNOWN = "N/A"
    CHANGE_AMOUNT = "CHANGE_AMOUNT"
    CHANGE_SHARES = "CHANGE_SHARES"


class RankSortDir(StrEnum):
    """The direction of a sort."""

    DESCENDING = "DESCENDING"
    ASCENDING = "ASCENDING"


@dataclass(frozen=True, slots=True)
class FundHolding(FiniteNumbers):
    """What the ARK funds hold of a security together, and how it changed over a cycle.

    ``security`` is None where the holding maps to no code. ``shares`` and ``shares_change`` are in share
    units of the day asked for, ``market_value`` in USD, ``weight`` in percent of the funds' total and
    ``weight_change`` in percentage points; None is what the files leave out.
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
    """What the ARK funds actively bought (positive) or sold of a security over a cycle.

    ``change_amount`` is in USD, at the prices of the days; None where no price is known. ``change_shares``
    are in share units of the day asked for.
    """

    security: Security | None
    name: str
    change_amount: float | None
    change_shares: int


@dataclass(frozen=True, slots=True)
class TradeEvidence:
    """One fund's trade and what it rests on.

    ``shares`` are signed, in the units of the day. A notice has confidence 1; an inferred trade that with
    which such trades are confirmed, the ``change`` of the position in shares, the ``flow`` taken out of it,
    and ``through``, the last day it may be of, where a holdings file is missing. ``places`` are the files and
    lines behind it, the line None where a file is telling by not having the security.
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
    """Trading days on which what ``fund`` traded is not told. ``why`` is "untold" where its flow does not
    come apart from the trades, "hole" where too many of its holdings files are missing."""

    fund: str
    first_day: date
    last_day: date
    why: str = "untold"


@dataclass(frozen=True, slots=True)
class ArkDynamic:
    """How the ARK funds trade a stock. ``net_shares`` is signed, in share units of the day asked for;
    ``untold`` are the days of the window that it does not take in. ``known_to`` is the day that it is of: the
    day asked for, or the last known one where that is earlier; None where a client named no day."""

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
