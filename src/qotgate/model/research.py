"""The rows of the research tables: flat, so that a row of the wire, of CSV, Parquet and SQL is the same.

A field's type is text, a whole number, a real number, a truth value or a day. Days are trading days; shares
are signed where they are traded, a purchase being positive. ``untold`` says what a row does not take in:
null where nothing is missing.
"""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class DynamicOfDay:
    """The dynamic of a stock as it was known at the end of ``as_of``; the fields are those of 3424.

    ``net_shares`` are in share units of ``as_of``. ``untold`` lists the days of the window that the answer
    does not take in, each as FUND FIRST-DAY LAST-DAY WHY, with "; " between them."""

    as_of: date
    security: str
    name: str
    dynamic_type: str
    transaction_count: int
    net_shares: int
    last_transaction_day: date | None
    known_to: date
    untold: str | None


@dataclass(frozen=True, slots=True)
class Trade:
    """What one fund traded of one security on ``day``.

    ``through`` is the last day that it may be of, and the one from which on it is known; it differs from
    ``day`` where a holdings file is missing. ``shares`` are in units of the day, ``adjusted_shares`` in those
    of the day asked for; ``usd`` is at the close of ``through`` as the fund's files show it. ``ground`` is
    NOTICE, or the kind of inference; ``confidence`` is 1 for a notice, else the part of such trades that is
    confirmed. ``change`` of the position and ``flow`` taken out of it are in shares. ``file`` and ``line``
    are of the notice, or of the later of the two holdings files; ``earlier_file`` and ``earlier_line`` of the
    other one. A line is null where the file is telling by not having the security.

    ``untold`` marks days on which what the fund traded is not told ("untold": its flow does not come apart
    from the trades; "hole": too many of its files are missing); such a row has no security and no shares.
    """

    day: date
    through: date
    fund: str
    security: str | None
    name: str
    shares: int | None
    adjusted_shares: int | None
    usd: float | None
    ground: str | None
    confidence: float | None
    change: float | None
    flow: int | None
    file: str | None
    line: int | None
    earlier_file: str | None
    earlier_line: int | None
    untold: str | None


@dataclass(frozen=True, slots=True)
class Transaction:
    """What the funds traded of a security on ``day`` together, as the dynamic counts it: a day whose sum is 0
    is none.

    ``shares`` are in units of the day asked for, ``usd`` is null where a price is not known, ``funds`` names
    those that traded, ``confidence`` is the lowest of their trades', ``through`` the day from which on all
    of them are known. ``untold`` names the funds whose trades of ``day`` are not told, each with why; a
    security may have a transaction of such a day that is not listed."""

    day: date
    through: date
    security: str | None
    name: str
    shares: int
    usd: float | None
    funds: str
    confidence: float
    untold: str | None


@dataclass(frozen=True, slots=True)
class PositionOfDay:
    """What a fund held of a security at the end of ``day``, by the line in the file that shows it.

    ``shares`` are in units of the day and 0 where the book is the first without the security;
    ``adjusted_shares`` are in units of the day asked for, ``market_value`` is in USD, ``weight`` in percent
    of the fund. ``untold`` is "no file" on a day that none of the fund's files shows, between its first and
    its last one; such a row has no security and no shares."""

    day: date
    fund: str
    security: str | None
    name: str
    shares: float | None
    adjusted_shares: float | None
    market_value: float | None
    weight: float | None
    file: str | None
    line: int | None
    untold: str | None


@dataclass(frozen=True, slots=True)
class HoldingLine:
    """A line of a fund's holdings file as it was read, cash included. ``day`` is the trading day at whose end
    the book stood, ``file_day`` the date in the file. ``market_value`` is in USD, ``weight`` in percent of
    the fund; ``security`` is null for cash and where no code is known."""

    day: date
    file_day: date
    fund: str
    security: str | None
    name: str
    ticker: str
    identifier: str
    shares: float
    market_value: float | None
    weight: float | None
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class RatingNote:
    """A note of an institution on a security, and what it changed against that institution's previous one.

    ``change_type`` is UPGRADE, DOWNGRADE, NEW_RATING, or null where the note reiterates. ``word`` is the
    note's own word, ``firm`` the feed's own spelling of the institution; ``rating`` is the three-step level
    of the word and ``grade`` the step of five on which changes are measured, null for a word that the table
    of grades does not know. ``last_*`` are the previous note's, null where the note changed nothing or none
    is known. ``prior_word`` and ``prior_target`` are what the feed itself says of the previous view, and
    ``disagrees`` whether that differs from the previous note that is loaded. Targets are in the currency of
    the listing."""

    day: date
    security: str
    name: str
    institution: str
    change_type: str | None
    word: str
    rating: str | None
    last_rating: str | None
    grade: str | None
    last_grade: str | None
    target_price: float | None
    last_target_price: float | None
    last_day: date | None
    firm: str
    prior_word: str | None
    prior_target: float | None
    disagrees: bool
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class CoveredDays:
    """Days that are known, or not. ``kind`` is trades, holdings or ratings, ``part`` a fund or a market.

    ``state`` is "known" once for each part: from its first day to its last, ``days`` being the trading days
    of them that are told (for ratings, the days with a note). The other rows are what is not told between:
    "hole" (too many of a fund's files are missing), "untold" (the fund's flow does not come apart from its
    trades) or, of holdings, "no file"; ``days`` are the trading days of it."""

    kind: str
    part: str
    state: str
    first_day: date
    last_day: date
    days: int


@dataclass(frozen=True, slots=True)
class LatestDay:
    """The last day that is known of a fund's trades or holdings, or of a market's ratings."""

    kind: str
    part: str
    day: date


@dataclass(frozen=True, slots=True)
class Streak:
    """A security that the funds together bought (``side`` BUY) or sold (SELL) repeatedly up to ``as_of``.

    ``trading_days`` counts the trading days in a row, up to the last one, on which they did so: 0 where the
    last trading day has no such transaction. ``transactions`` counts the transactions in a row, whatever
    days lie between them. ``kind`` is TRADING_DAYS where the first of these numbers is the one asked for or
    more, else TRANSACTIONS. The rest is of the run that ``kind`` names: ``shares`` in units of ``as_of``,
    ``usd`` null where a price is not known, ``confidence`` the lowest of its trades'; ``untold`` names the
    funds and days of it that are not told, as in :class:`DynamicOfDay`."""

    as_of: date
    side: str
    kind: str
    security: str
    name: str
    trading_days: int
    transactions: int
    first_day: date
    last_day: date
    shares: int
    usd: float | None
    confidence: float
    untold: str | None
