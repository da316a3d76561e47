"""A fund's creation basket, inferred from its positions' common moves.

Shares of the fund are created and redeemed in units (of 50,000 fund shares, as sums show). A unit's basket
holds ``round(shares / units outstanding)`` of each name. So on a day with ``created`` and ``redeemed`` units,
a name without trades moves by exactly (created - redeemed) x count. Some names (those of which ARK owns a
large part, and those it is selling out of) are left out of creations, for cash, but included in redemptions:
they move by -redeemed x count. This module finds those three numbers and the two sets of names. The changes
of untraded names are multiples of the net units, and all the quotients fit one number of units outstanding.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Generic, NamedTuple, TypeVar

import numpy as np

Key = TypeVar("Key", bound=Hashable)
Moves = Mapping[Key, tuple[float, float]]
"""The shares before and the change of each name held before and after."""

MOST_OUTSTANDING = 10_000
"""Upper bound of the units outstanding, twice the largest number seen. It converts a share of a fund to a
number of units."""
LARGEST_MOVE = 2.0
"""A larger increase, as a share of the position, is a split or a purchase, whatever the fund's flow."""
FEWEST_NAMES = 4
SMALLEST_PART = 0.15
"""Fewer names than this, as a share of those that moved, may agree by chance."""
CHANCE = 0.05
"""If one share a unit is a larger share of a count than this, any trade would look like a whole number of
units. Then only names with unambiguous rounding are evidence."""
LARGE_FLOW = 0.5
"""A few names that moved by a larger share of the fund than this, while others did not, split or were
traded."""
CUT_BY = 1
"""Counts are truncated if that explains more than this many further names. On 30 days of 2026 truncation
explains all of 872 names, and rounding 686; of 23,366 names of 2020 to 2024 truncation explains 70%, rounding
89%."""
FEWEST_SHARES = 40
"""Counts below this fit any number of units outstanding."""
NEAR = 0.0005
"""Relative tolerance between the sum of several days' flows and one basket."""
SMALLEST_FLOW = 0.4
"""If more than half of the names moved and the basket explains a smaller share of them than this, the trades
cannot be separated from the flow. On all but two of the 1,550 such days of 2020 to 2026 it explains more than
half."""
MOST_TRADED = 8
"""Names traded on a day without a flow, at most, however small the fund."""
DRIFT = 0.01
"""Relative change of a basket count from day to day, over a missing file."""
SLACK = 4
"""Rounding tolerance of a count in shares, besides one for each unit."""
LOT = 100
LOT_SLACK = 250
"""Asian names go into baskets in board lots of up to 500 shares: their count is a multiple of ``LOT``, at
most ``LOT_SLACK`` from the rounded count."""
UNITS_AT_ONCE = 2000
"""Numbers of units tried in one batch."""
LOTS = (1000, 500, 400, 100)
_UPS = (0.5, 0.0)
"""How far below the next whole number a count is rounded up, for rounded and for truncated counts."""


@dataclass(frozen=True, slots=True)
class Basket(Generic[Key]):
    """The flow of one difference.

    ``outstanding`` is in units, before the flow, 0 if there was no flow or it is unknown. ``left_out`` are
    the names seen to move with redemptions only, ``taken`` those seen to move with creations too; a traded
    name is in neither. ``still`` are names that did not move with a flow of all names: their market was
    closed, and they follow later. ``untold``: the flow cannot be separated from the trades. ``carried``:
    ``outstanding`` is from an earlier difference. ``days`` are the trading days between the snapshots.
    """

    outstanding: float = 0.0
    created: int = 0
    redeemed: int = 0
    left_out: frozenset[Key] = frozenset()
    taken: frozenset[Key] = frozenset()
    still: frozenset[Key] = frozenset()
    untold: bool = False
    carried: bool = False
    days: int = 1
    cut: bool = False
    """Whether counts are truncated to whole shares, as in 2026, and not rounded."""

    @property
    def net(self) -> int:
        return self.created - self.redeemed

    @property
    def ratio(self) -> float:
        """The fund's size after the flow, relative to the size before."""
        return 1 + self.net / self.outstanding if self.outstanding else 1.0

    @property
    def split(self) -> bool:
        """Whether names left out of creations moved differently from the others."""
        return self.created != 0 and bool(self.left_out)

    def count(self, shares: float) -> int:
        """The shares of a name in one unit's basket, if the fund holds ``shares``."""
        if not self.outstanding:
            return 0
        return floor(shares / self.outstanding) if self.cut else round(shares / self.outstanding)

    def slack(self, shares: float, units: int) -> float:
        """Tolerance of a move by ``units``: one share a unit, as counts are rounded both ways; over several
        days, also the effect of each day's flow on the next day's baskets."""
        drift = DRIFT * abs(units) * self.count(shares) if self.days > 1 else 0
        return self.created + self.redeemed + SLACK + drift

    def explains(self, shares: float, change: float, *flows: int) -> bool:
        """Whether one of ``flows``, in units of the basket, explains a position's ``change``."""
        count = self.count(shares)
        slack = self.created + self.redeemed + SLACK
        for units in flows:
            off = abs(change - units * count)
            if off <= slack or (self.days > 1 and off <= self.slack(shares, units)):
                return True
            if (
                units != 0
                and count >= LOT / 2
                and change % (units * LOT) == 0
                and abs(change / units - count) <= LOT_SLACK
            ):
                return True
        return False


def find_basket(moves: Moves[Key], outstanding: float = 0.0, days: int = 1) -> Basket[Key]:
    """The basket that explains most moves. ``outstanding`` (units, 0 if unknown) helps when the baskets of
    several ``days`` are combined, as over a missing file, and no quotient is exact."""
    moved = [move for move in moves.values() if move[1] and move[1] < LARGEST_MOVE * move[0]]
    best: Basket[Key] = Basket(days=days)
    rounded, cut_off = _exact(moved)
    is_cut = cut_off.names > rounded.names + CUT_BY
    exact = cut_off if is_cut else rounded
    found = [(exact.units, exact.outstanding, False, is_cut)]
    if outstanding:
        found.append((_near(moved, outstanding), outstanding, True, False))
    for units, divisor, carried, cut in found:
        if units:
            basket = _classes(moves, units, Basket(divisor, carried=carried, days=days, cut=cut))
            if _explained(moves, basket) > _explained(moves, best):
                best = basket
    if len(moved) > max(len(moves) / 2, MOST_TRADED):
        explained = _explained({key: move for key, move in moves.items() if move[1]}, best)
        if explained < SMALLEST_FLOW * len(moved):
            return Basket(untold=True, days=days)
    return best


def _explained(moves: Moves[Key], basket: Basket[Key]) -> int:
    """How many moves the basket explains."""
    flows = {basket.net, -basket.redeemed}
    return sum(basket.explains(shares, change, *flows) for shares, change in moves.values())


def _classes(moves: Moves[Key], units: int, basket: Basket[Key]) -> Basket[Key]:
    """The basket with one class of names moved by ``units``."""
    other = _other(moves, units, basket)
    net, low = max(units, other), min(units, other)
    redeemed = -min(low, 0)
    return _with_names(moves, replace(basket, created=net + redeemed, redeemed=redeemed), low)


def _with_names(moves: Moves[Key], basket: Basket[Key], out: int) -> Basket[Key]:
    """Assign names to the two classes, if the classes are far enough apart."""
    left_out, taken, still = set(), set(), set()
    for key, (shares, change) in moves.items():
        apart = abs(basket.net - out) * basket.count(shares)
        if out and basket.net and not change and basket.count(shares) > SLACK:
            still.add(key)
        elif apart >= 3 * basket.slack(shares, out):
            if basket.explains(shares, change, basket.net):
                taken.add(key)
            elif basket.explains(shares, change, out):
                left_out.add(key)
    names = frozenset(left_out), frozenset(taken), frozenset(still)
    return replace(basket, left_out=names[0], taken=names[1], still=names[2])


def _other(moves: Moves[Key], units: int, basket: Basket[Key]) -> int:
    """The units by which the other class of names moved; ``units`` if there is only one class.

    The lower of the two classes moves with redemptions only, so it never grows. A few names that do not move
    while the rest shrink are not a class with equal creations and redemptions: they cannot be handed over,
    such as shares of an unlisted company.
    """
    tally: Counter[int] = Counter()
    for shares, change in moves.values():
        count = basket.count(shares)
        if count >= FEWEST_SHARES:
            nearest = round(change / count)
            rounding = abs(nearest) + 2 if abs(nearest) + 2 <= CHANCE * count else 2
            drift = basket.slack(shares, nearest) - basket.slack(shares, 0)
            close = abs(change - nearest * count) <= rounding + drift
            if close:
                tally[nearest] += 1
    many = max(FEWEST_NAMES, SMALLEST_PART * tally.total())
    own = tally.pop(units, 0)

    def enough(other: int) -> float:
        if abs(other) > LARGE_FLOW * basket.outstanding:
            return many
        return 1 if other == 0 and units > 0 else 2

    fitting = [
        (names, -abs(other), other)
        for other, names in tally.items()
        if min(units, other) <= 0 and names >= enough(other)
        if not (units < 0 == other and names < own)
    ]
    return max(fitting)[2] if fitting else units


class _Exact(NamedTuple):
    """How many moves the best units and units outstanding explain to the share, and both numbers; 0 if there
    are none."""

    names: float
    units: int = 0
    outstanding: float = 0.0


def _exact(moved: Sequence[tuple[float, float]]) -> list[_Exact]:
    """The best units and units outstanding for rounded counts, and for truncated ones.

    For each number of units that divides a move, the quotient c was rounded from shares / outstanding, so
    outstanding is between shares / (c + 1/2) and shares / (c - 1/2). The result is where most of these
    intervals overlap. Truncated counts have it between shares / (c + 1) and shares / c. The basket has to
    explain ``SMALLEST_PART`` of the names, so the flow cannot be
    larger than the moves of that many names, which bounds the units.
    """
    found = [_Exact(max(FEWEST_NAMES, SMALLEST_PART * len(moved)))] * len(_UPS)
    for sign in (1, -1):
        same = [(shares, round(sign * change)) for shares, change in moved if sign * change > 0]
        mosts = [_most_units(same, one.names) for one in found]
        held, changes = np.array([shares for shares, _ in same]), np.array([change for _, change in same])
        for first in range(1, max(mosts) + 1, UNITS_AT_ONCE):
            tried = np.arange(first, min(first + UNITS_AT_ONCE, max(mosts) + 1))
            counts, rests = np.divmod(changes, tried[:, np.newaxis])
            fits = (rests == 0) & (counts >= FEWEST_SHARES)
            names_of = fits.sum(axis=1)
            for place, (up, most) in enumerate(zip(_UPS, mosts, strict=True)):
                for row in np.flatnonzero(names_of[: max(most + 1 - first, 0)] >= found[place].names):
                    best = found[place]
                    if names_of[row] >= best.names:
                        shares, count = held[fits[row]], counts[row, fits[row]]
                        spans = zip(
                            (shares / (count + 1 - up)).tolist(),
                            (shares / (count - up)).tolist(),
                            strict=True,
                        )
                        names, middle = _deepest(list(spans))
                        is_better = not best.units or best.units * sign > 0
                        if names > best.names or (names == best.names and is_better):
                            found[place] = _Exact(names, sign * int(tried[row]), middle)
    return found


def _most_units(same: Sequence[tuple[float, int]], best: float) -> int:
    """The most units by which moves in one direction can explain ``best`` names; 0 if there are too few."""
    if len(same) < best:
        return 0
    fewest = ceil(best) - 1
    part = sorted((change / shares for shares, change in same), reverse=True)[fewest]
    # Beyond the second bound, fewer names than required have a count of FEWEST_SHARES.
    largest = sorted((change for _, change in same), reverse=True)[fewest]
    return min(ceil(part * MOST_OUTSTANDING), largest // FEWEST_SHARES)


def _deepest(spans: Sequence[tuple[float, float]]) -> tuple[int, float]:
    """The largest number of overlapping intervals, and the middle of their overlap."""
    edges = sorted([(low, False) for low, _ in spans] + [(high, True) for _, high in spans])
    depth = deepest = 0
    middle = 0.0
    for place, (edge, closes) in enumerate(edges):
        depth += -1 if closes else 1
        if depth > deepest:
            deepest, middle = depth, (edge + edges[place + 1][0]) / 2
    return deepest, middle


def _near(moved: Sequence[tuple[float, float]], outstanding: float) -> int:
    """The units that explain most moves to about a share a unit, given ``outstanding`` units; 0 if there are
    none."""
    if not outstanding:
        return 0
    tally: Counter[int] = Counter()
    for shares, change in moved:
        count = round(shares / outstanding)
        if count >= FEWEST_SHARES:
            units = round(change / count)
            if abs(change - units * count) <= 2 + abs(units) + NEAR * abs(change):
                tally[units] += 1
    del tally[0]
    if not tally or max(tally.values()) < max(FEWEST_NAMES, len(moved) / 3):
        return 0
    return max(tally, key=lambda units: (tally[units], -abs(units)))
