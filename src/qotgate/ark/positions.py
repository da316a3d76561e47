"""The funds' combined positions, and their trades, between two trading days.

A holdings file is the book at the close of the last trading day that it shows. If the next file is missing,
the book of a day is the latest known one, plus the known trades since. A fund whose files begin later counts
from its first one: an unknown change counts as none. All answers about securities come from one
:class:`Change` each, so no two answers can disagree.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from math import fsum
from typing import NamedTuple

from qotgate.ark.dynamics import Split, daily_sums, splits_of, units
from qotgate.model import ArkCycleType, ArkHoldingType

CYCLE_SESSIONS = {
    ArkCycleType.ONE_DAY: 1,
    ArkCycleType.FIVE_DAY: 5,
    ArkCycleType.TEN_DAY: 10,
    ArkCycleType.THIRTY_DAY: 30,
    ArkCycleType.SIXTY_DAY: 60,
}
"""The trading days of a cycle."""

CENTS = 2
Exact = Fraction | int
Splits = Mapping[int, Mapping[str, Sequence[Split]]]
"""The splits of a security, by the fund whose files show them."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """The period of a question: from the end of the trading day ``before`` to the end of ``as_of``; ``last``
    is the last trading day up to it."""

    before: date
    last: date
    as_of: date


@dataclass(frozen=True, slots=True)
class Book:
    """One holdings file: the shares of each security, and its market value in USD (None if omitted).

    ``through`` is the last trading day that it shows, ``total`` the value of all lines, cash included (None
    if one is omitted).
    """

    fund: str
    through: date
    positions: Mapping[int, tuple[float, float | None]]
    total: float | None


class Trade(NamedTuple):
    """A fund's trade from ``day`` to ``through``, days without a split or a book between them.

    Signed shares in the units of the days, their value in USD, and the shares not in that value for want of a
    price.
    """

    security: int
    fund: str
    day: date
    through: date
    shares: int
    amount: float
    unpriced: int


@dataclass(frozen=True, slots=True)
class Stake:
    """The funds' combined holding of a security, in share units of the requested day.

    ``value`` is in USD, ``weight`` in percent of the funds' total; None if a file omits it.
    """

    shares: int = 0
    value: float | None = 0.0
    weight: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """A security over a cycle: the position at either end, and the active trades between: their signed shares
    in units of the requested day, and their value in USD (None if a price is unknown)."""

    security: int
    then: Stake
    now: Stake
    traded: int
    amount: float | None

    @property
    def holding_type(self) -> ArkHoldingType | None:
        """The kind of change of the position; None if it is unchanged."""
        return holding_type(self.then.shares, self.now.shares)


def holding_type(then: int, now: int) -> ArkHoldingType | None:
    """The kind of change from ``then`` shares to ``now`` shares; None if they are equal."""
    if now == then:
        return None
    if then == 0:
        return ArkHoldingType.NEW
    if now == 0:
        return ArkHoldingType.SOLD_OUT
    return ArkHoldingType.INCREASE if now > then else ArkHoldingType.DECREASE


@dataclass
class _Sum:
    """A summed position, in exact shares: the units of some funds need not be whole."""

    shares: Exact = 0
    values: list[float | None] = field(default_factory=list)

    def price(self) -> float | None:
        """USD a share."""
        value = _total(self.values)
        return value / float(self.shares) if value and self.shares else None


NOTHING = _Sum()
NO_STAKE = Stake()


def changes(
    cycle: Cycle, now: Sequence[Book], then: Sequence[Book], trades: Sequence[Trade], seen: Splits
) -> list[Change]:
    """Every security held at either end of the cycle.

    ``now`` has each fund's latest book on ``as_of``, ``then`` its latest book on ``before``, or the first one
    after it; ``trades`` are the trades known on ``as_of`` since these books.
    """
    ends = ((now, cycle.as_of), (then, cycle.before))
    held = [_held(books, trades, seen, at, cycle.as_of) for books, at in ends]
    totals = [_total([book.total for book in books]) for books in (now, then)]
    active: dict[int, list[Trade]] = {}
    for trade in trades:
        if cycle.before < trade.through <= cycle.as_of:
            active.setdefault(trade.security, []).append(trade)
    found = []
    for security in sorted({*held[0], *held[1]}):
        summed = [positions.get(security, NOTHING) for positions in held]
        traded, splits = active.get(security, ()), seen.get(security, {})
        stakes = [_stake(one, total) for one, total in zip(summed, totals, strict=True)]
        found.append(
            Change(
                security=security,
                now=stakes[0],
                then=stakes[1],
                traded=_traded(traded, splits, cycle.as_of),
                amount=_amount(traded, summed, splits, cycle.as_of),
            )
        )
    return found


def _held(
    books: Sequence[Book], trades: Iterable[Trade], seen: Splits, at: date, as_of: date
) -> dict[int, _Sum]:
    """The positions at the end of ``at``, in units of ``as_of``, without empty ones."""
    moves: dict[str, dict[int, Exact]] = {}
    shown = {book.fund: book.through for book in books}
    for trade in trades:
        if trade.fund not in shown:
            continue
        later = shown[trade.fund] < trade.day
        # Trades after a fund's latest book are added to it; trades before its first book are subtracted.
        sign = (later and trade.through <= at) - (not later and at < trade.through)
        if sign:
            splits = splits_of(trade.fund, seen.get(trade.security, {}))
            moved = moves.setdefault(trade.fund, {})
            shares = sign * trade.shares * units(splits, trade.day, as_of)
            moved[trade.security] = moved.get(trade.security, 0) + shares
    sums: dict[int, _Sum] = {}
    for book in books:
        positions = _in_units(book, seen, as_of)
        for security, shares in moves.get(book.fund, {}).items():
            positions[security] = _moved(*positions.get(security, (0, None)), shares)
        for security, (shares, value) in positions.items():
            if shares:
                one = sums.setdefault(security, _Sum())
                one.shares += shares
                one.values.append(value)
    return sums


def _moved(shares: Exact, value: float | None, moved: Exact) -> tuple[Exact, float | None]:
    """A position after a trade, at its previous price; no fund is short."""
    after = max(shares + moved, 0)
    return after, value * float(Fraction(after, shares)) if value is not None and shares else None


def _in_units(book: Book, seen: Splits, as_of: date) -> dict[int, tuple[Exact, float | None]]:
    """The positions of a book in units of ``as_of``."""
    positions: dict[int, tuple[Exact, float | None]] = {}
    for security, (shares, value) in book.positions.items():
        exact: Exact = int(shares) if shares.is_integer() else Fraction(shares)
        if security in seen:
            exact *= units(splits_of(book.fund, seen[security]), book.through, as_of)
        positions[security] = (exact, value)
    return positions


def _stake(position: _Sum, total: float | None) -> Stake:
    shares = round(position.shares)
    if not shares:
        return NO_STAKE
    value = _total(position.values)
    return Stake(shares, value, None if value is None or not total else 100 * value / total)


def _traded(trades: Sequence[Trade], seen: Mapping[str, Sequence[Split]], as_of: date) -> int:
    """The shares of some trades; if units change, rounded to whole shares for each day, as the dynamic counts
    them."""
    if not seen:
        return sum(trade.shares for trade in trades)
    sums = daily_sums(((trade.fund, trade.day, trade.shares) for trade in trades), seen, as_of)
    return sum(shares for _, shares in sums)


def _amount(
    trades: Sequence[Trade], ends: Sequence[_Sum], seen: Mapping[str, Sequence[Split]], as_of: date
) -> float | None:
    """The value of some trades in USD. If the files of the day have no price, as for the remainder of a
    position that they omit, the price is from the book at either end of the cycle."""
    amounts = [trade.amount for trade in trades]
    unpriced = sum(
        trade.unpriced * units(splits_of(trade.fund, seen), trade.day, as_of)
        for trade in trades
        if trade.unpriced
    )
    if unpriced:
        price = next((price for price in (end.price() for end in ends) if price is not None), None)
        if price is None:
            return None
        amounts.append(price * float(unpriced))
    return round(fsum(amounts), CENTS)


def _total(amounts: Sequence[float | None]) -> float | None:
    """The sum in USD, the same in any order; None if an amount is unknown."""
    known = [amount for amount in amounts if amount is not None]
    return fsum(known) if len(known) == len(amounts) else None
