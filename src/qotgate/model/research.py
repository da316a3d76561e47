"""The rows of the research tables: flat, so that a row is the same on the wire and in CSV, Parquet and SQL.

A field's type is text, integer, real number, boolean or day. Days are trading days; traded shares are signed,
and purchases are positive. ``untold`` says what a row leaves out: null if it is complete.
"""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class DynamicOfDay:
    """The dynamic of a stock as it was known at the end of ``as_of``; the fields are those of 3424.

    ``net_shares`` are in share units of ``as_of``. ``untold`` lists the days of the window that the answer
    leaves out, each as FUND FIRST-DAY LAST-DAY WHY, separated by "; ".
    """

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
    """One fund's trade of one security on ``day``.

    ``through`` is the last possible day of the trade, and the day on which it becomes known; it differs from
    ``day`` if a holdings file is missing. ``shares`` are in units of the day, ``adjusted_shares`` in units of
    the requested day; ``usd`` is at the close of ``through`` in the fund's files. ``ground`` is NOTICE, or
    the kind of inference; ``confidence`` is 1 for a notice, else the share of such trades that notices
    confirm. The ``change`` of the position and the ``flow`` subtracted from it are in shares. ``file`` and
    ``line`` point to the notice, or to the later of the two holdings files; ``earlier_file`` and
    ``earlier_line`` to the other one. A line is null if the evidence is that the file does not list the
    security.

    ``untold`` marks days on which the fund's trades are unknown ("untold": its flow cannot be separated from
    the trades; "hole": too many of its files are missing); such a row has no security and no shares.
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
    """The funds' combined trade of a security on ``day``, as the dynamic counts it; a day whose sum is 0 does
    not count.

    ``shares`` are in units of the requested day, ``usd`` is null if a price is not known, ``funds`` names the
    funds that traded, ``confidence`` is the lowest of their trades', ``through`` the day on which all of them
    become known. ``untold`` names the funds whose trades of ``day`` are unknown, each with the reason; such
    a day may have transactions that are not listed.
    """

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
    """A fund's position in a security at the end of ``day``, from a line of its file.

    ``shares`` are in units of the day, and 0 in the first book without the security; ``adjusted_shares`` are
    in units of the requested day, ``market_value`` is in USD, ``weight`` in percent of the fund. ``untold``
    is "no file" on a day, between the fund's first and last one, that none of its files shows; such a row has
    no security and no shares.
    """

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
    """A line of a fund's holdings file as read, cash included. ``day`` is the trading day whose closing book
    it shows, ``file_day`` the date in the file. ``market_value`` is in USD, ``weight`` in percent of the
    fund; ``security`` is null for cash and for lines without a known code."""

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
    """A note of an institution on a security, and its change against the institution's previous note.

    ``change_type`` is UPGRADE, DOWNGRADE, NEW_RATING, or null if the note reiterates. ``word`` is the note's
    own word, ``firm`` the feed's own spelling of the institution. ``rating`` is the three-step level of the
    word and ``grade`` its step on the scale of five that changes are measured on, null for a word missing in
    the table of grades. ``last_*`` are the previous note's values, null if the note changed nothing or no
    previous note is known. ``prior_word`` and ``prior_target`` are the feed's own record of the previous
    rating; ``disagrees`` tells whether it differs from the previous loaded note. Targets are in the currency
    of the listing.
    """

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
    """Days that are known or missing. ``kind`` is trades, holdings or ratings, ``part`` a fund or a market.

    ``state`` is "known" once for each part: from its first day to its last, with ``days`` the number of
    trading days that are known (for ratings, days with a note). The other rows are gaps in between: "hole"
    (too many of a fund's files are missing), "untold" (the fund's flow cannot be separated from its trades)
    or, for holdings, "no file"; ``days`` is their number of trading days.
    """

    kind: str
    part: str
    state: str
    first_day: date
    last_day: date
    days: int


@dataclass(frozen=True, slots=True)
class LatestDay:
    """The last known day of a fund's trades or holdings, or of a market's ratings."""

    kind: str
    part: str
    day: date


@dataclass(frozen=True, slots=True)
class Streak:
    """A security that the funds in sum bought (``side`` BUY) or sold (SELL) repeatedly up to ``as_of``.

    ``trading_days`` counts the trading days in a row, up to the last one, on which they did so: 0 if the last
    trading day has no such transaction. ``transactions`` counts consecutive transactions; a day between two
    of them for which no fund's trades are known ends the run. ``kind`` is TRADING_DAYS if the first of these
    numbers reaches the requested one, else TRANSACTIONS. The other fields describe the run that ``kind``
    names: ``shares`` in units of ``as_of``, ``usd`` null if a price is not known, ``confidence`` the lowest
    of its trades'; ``untold`` lists its funds and days with unknown trades, as in :class:`DynamicOfDay`.
    """

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
