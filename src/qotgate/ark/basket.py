"""A fund's creation basket, out of how its positions moved together.

Shares of the fund are created and redeemed in units (of 50,000 fund shares, as sums show). A unit's basket
holds ``round(shares / units outstanding)`` of each name, so on a day with ``created`` and ``redeemed`` units
a name without trades moves by exactly (created - redeemed) x count. Some names (those that ARK owns much
of, and those it is selling out of) are left out of creations, for cash, but handed over in redemptions: they
move by -redeemed x count. Everything here is to find those three numbers and the two sets of names: the
differences that untraded names share are whole multiples of the net units, and all the quotients belong to
one number of units outstanding.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Generic, TypeVar

import numpy as np

Key = TypeVar("Key", bound=Hashable)
Moves = Mapping[Key, tuple[float, float]]
"""The shares before, and the change, of each name held before and after."""

MOST_OUTSTANDING = 10_000
"""No fund has had more units outstanding, by twice: what a part of a fund comes to at most, in units."""
LARGEST_MOVE = 2.0
"""A larger increase, as a part of the position, is a split or a purchase, whatever the fund's flow."""
FEWEST_NAMES = 4
SMALLEST_PART = 0.15
"""Fewer names than these, in number or as part of those that moved, agree by chance."""
CHANCE = 0.05
"""Where a share a unit is more of a count than this, any trade would seem to be a whole number of units: only
names whose count was not rounded otherwise tell there."""
LARGE_FLOW = 0.5
"""A few names that moved by a larger part of the fund than this, and others did not, split or were traded."""
CUT_BY = 1
"""Counts are cut where that explains more names than this besides. On 30 days of 2026 it explains all of 872,
and rounding 686; of 23,366 names of 2020 to 2024 it explains 70%, rounding 89%."""
FEWEST_SHARES = 40
"""Counts below this fit any number of units outstanding."""
NEAR = 0.0005
"""How far the sum of several days' flows may be from that of one basket, as a part of it."""
SMALLEST_FLOW = 0.4
"""Where more than half of the names moved and the basket explains fewer of them than this, the trades do not
show beside the flow. On all 1,550 such days of 2020 to 2026 but two it explains more than half."""
MOST_TRADED = 8
"""So many names are traded in a day without a flow, however small the fund."""
DRIFT = 0.01
"""How much a basket count changes from day to day, over a missing file, as a part of it."""
SLACK = 4
"""Shares by which a count may be off besides one for each unit: files round."""
LOT = 100
LOT_SLACK = 250
"""Asian names go into baskets in board lots, of up to 500 shares: their count is a multiple of ``LOT`` that
is at most ``LOT_SLACK`` from the rounded one."""
UNITS_AT_ONCE = 2000
"""Numbers of units that are tried together."""
LOTS = (1000, 500, 400, 100)


@dataclass(frozen=True, slots=True)
class Basket(Generic[Key]):
    """The flow of one difference.

    ``outstanding`` is in units, before the flow, 0 where there was no flow or none could be told.
    ``left_out`` are the names seen to move with redemptions only, ``taken`` those seen to move with
    creations too; a traded name is in neither. ``still`` are names that did not move although units
    were created or redeemed for all: their market was closed, and they follow later. ``untold`` says that
    the flow cannot be told from the trades; ``carried`` that ``outstanding`` was told by an earlier
    difference. ``days`` are the trading days between the snapshots.
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
    """Whether counts are cut to whole shares, as in 2026, and not rounded."""

    @property
    def net(self) -> int:
        return self.created - self.redeemed

    @property
    def ratio(self) -> float:
        """The fund's size after the flow, 1 being that before."""
        return 1 + self.net / self.outstanding if self.outstanding else 1.0

    @property
    def split(self) -> bool:
        """Whether names left out of creations moved otherwise than the others."""
        return self.created != 0 and bool(self.left_out)

    def count(self, shares: float) -> int:
        """The shares of a name in one unit's basket, of which the fund holds ``shares``."""
        if not self.outstanding:
            return 0
        return floor(shares / self.outstanding) if self.cut else round(shares / self.outstanding)

    def slack(self, shares: float, units: int) -> float:
        """How far a move may be from that of ``units``: one share a unit, as counts are rounded both ways,
        and over several days what the flow of one day changes in the baskets of the next."""
        drift = DRIFT * abs(units) * self.count(shares) if self.days > 1 else 0
        return self.created + self.redeemed + SLACK + drift

    def explains(self, shares: float, change: float, *flows: int) -> bool:
        """Whether one of ``flows``, units of the basket, is what moved a position by ``change``."""
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
    """The basket that moved most names; ``outstanding`` (units, 0 if unknown) helps where the baskets of
    several ``days`` came together, as over a missing file, and no quotient is exact."""
    moved = [move for move in moves.values() if move[1] and move[1] < LARGEST_MOVE * move[0]]
    best: Basket[Key] = Basket(days=days)
    names, units, divisor = _exact(moved, 0.5)
    more, *others = _exact(moved, 0.0)
    is_cut = more > names + CUT_BY
    if is_cut:
        units, divisor = int(others[0]), others[1]
    found = [(units, divisor, False, is_cut)]
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
    """How many names moved with the basket."""
    flows = {basket.net, -basket.redeemed}
    return sum(basket.explains(shares, change, *flows) for shares, change in moves.values())


def _classes(moves: Moves[Key], units: int, basket: Basket[Key]) -> Basket[Key]:
    """The basket whose one class of names moved by ``units``."""
    other = _other(moves, units, basket)
    net, low = max(units, other), min(units, other)
    redeemed = -min(low, 0)
    return _with_names(moves, replace(basket, created=net + redeemed, redeemed=redeemed), low)


def _with_names(moves: Moves[Key], basket: Basket[Key], out: int) -> Basket[Key]:
    """Tell which names moved with which class, where the two are far enough apart."""
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
    """The units by which the other class of names moved, ``units`` if there is but one class.

    The lower of the two classes moves with redemptions only, so it never grows. A few names that stay while
    the rest shrink are no class that as many units were created of as redeemed: they are what cannot be
    handed over, such as shares of a company that is not listed.
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


def _exact(moved: Sequence[tuple[float, float]], up: float) -> tuple[float, int, float]:
    """How many moves the best units and units outstanding explain to the share, and these, 0 if none do.

    For each number of units that divides a move, the quotient c was rounded from shares / outstanding, so
    outstanding is between shares / (c + 1/2) and shares / (c - 1/2): the number where most spans overlap.
    ``up`` is 1/2 for that; 0 for counts that were cut, which are between shares / (c + 1) and shares / c.
    As that takes ``SMALLEST_PART`` of the names, the flow is no larger a part of the fund than all but so
    many of them moved by, which bounds the units.
    """
    best, found = max(FEWEST_NAMES, SMALLEST_PART * len(moved)), (0, 0.0)
    for sign in (1, -1):
        same = [(shares, round(sign * change)) for shares, change in moved if sign * change > 0]
        if len(same) < best:
            continue
        fewest = ceil(best) - 1
        part = sorted((change / shares for shares, change in same), reverse=True)[fewest]
        # Beyond the second bound fewer names than that have a count of FEWEST_SHARES.
        largest = sorted((change for _, change in same), reverse=True)[fewest]
        most = min(ceil(part * MOST_OUTSTANDING), largest // FEWEST_SHARES)
        held, changes = np.array([shares for shares, _ in same]), np.array([change for _, change in same])
        for first in range(1, most + 1, UNITS_AT_ONCE):
            tried = np.arange(first, min(first + UNITS_AT_ONCE, most + 1))
            counts, rests = np.divmod(changes, tried[:, np.newaxis])
            fits = (rests == 0) & (counts >= FEWEST_SHARES)
            names_of = fits.sum(axis=1)
            for row in np.flatnonzero(names_of >= best):
                if names_of[row] >= best:
                    shares, count = held[fits[row]], counts[row, fits[row]]
                    spans = zip(
                        (shares / (count + 1 - up)).tolist(), (shares / (count - up)).tolist(), strict=True
                    )
                    names, middle = _deepest(list(spans))
                    if names > best or (names == best and (not found[0] or found[0] * sign > 0)):
                        best, found = names, (sign * int(tried[row]), middle)
    return best, *found


def _deepest(spans: Sequence[tuple[float, float]]) -> tuple[int, float]:
    """How many spans overlap where most do, and the middle of that place."""
    edges = sorted([(low, False) for low, _ in spans] + [(high, True) for _, high in spans])
    depth = deepest = 0
    middle = 0.0
    for place, (edge, closes) in enumerate(edges):
        depth += -1 if closes else 1
        if depth > deepest:
            deepest, middle = depth, (edge + edges[place + 1][0]) / 2
    return deepest, middle


def _near(moved: Sequence[tuple[float, float]], outstanding: float) -> int:
    """The units that explain most moves to about a share a unit, with ``outstanding`` units; 0 if none do."""
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
