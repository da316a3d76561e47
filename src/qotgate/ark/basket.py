"""A fund's creation basket, inferred from its positions' common moves.

Shares of the fund are created and redeemed in units (of 50,000 fund shares, as sums show). A unit's basket
holds ``round(shares / units outstanding)`` of each name. So on a day with ``created`` and ``redeemed`` units,
a name without trades moves by exactly (created - redeemed) x count. Some names (those of which ARK owns a
large part, and those it is selling out of) are left out of creations, for cash, but included in redemptions:
they move by -redeemed x count. This module finds those three numbers and the two sets of names. The changes
of untraded names are multiples of the net units, and all the quotients fit one number of units outstanding.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from math import ceil
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Key = TypeVar("Key", bound=Hashable)
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Count = TypeVar("Count", float, Floats)
"""Of one name, or of many."""

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
        return int(self.counts(np.asarray(shares)))

    def counts(self, shares: Floats) -> Floats:
        """As :meth:`count`, of many names."""
        if not self.outstanding:
            return np.zeros_like(shares)
        return np.floor(shares / self.outstanding) if self.cut else np.rint(shares / self.outstanding)

    def slack(self, counts: Count, units: Count | int) -> Count | float:
        """Tolerance of moves by ``units``, with the ``counts`` of the names in one unit: one share a unit, as
        counts are rounded both ways; over several days, also the effect of each day's flow on the next day's
        baskets."""
        slack = self.created + self.redeemed + SLACK
        if self.days == 1:
            return slack
        drift: Count = DRIFT * np.abs(units) * counts
        return slack + drift

    def explains(self, shares: Floats, changes: Floats, units: int) -> Flags:
        """Whether a flow of ``units`` explains the ``changes`` of positions."""
        if not self.outstanding:
            return np.abs(changes) <= self.slack(0, 0)
        counts = self.counts(shares)
        found = np.abs(changes - units * counts) <= self.slack(counts, units)
        if units:
            in_lots = (counts >= LOT / 2) & (np.abs(changes / units - counts) <= LOT_SLACK) & ~found
            if np.count_nonzero(in_lots):
                found |= in_lots & (np.remainder(changes, units * LOT) == 0)
        return found


class Moves(Generic[Key]):
    """The names held before and after: their ``keys``, the shares before and the changes."""

    def __init__(self, moves: Mapping[Key, tuple[float, float]]) -> None:
        self.keys = list(moves)
        self.shares, self.changes = np.array(list(moves.values()), dtype=np.float64).reshape(-1, 2).T.copy()

    def names(self, which: Flags) -> Iterator[Key]:
        return compress(self.keys, which.tolist())


class Found(NamedTuple, Generic[Key]):
    """A basket, and whether it explains each of the moves that it was found from."""

    basket: Basket[Key]
    explained: Flags


def find_basket(moves: Moves[Key], outstanding: float = 0.0, days: int = 1) -> Found[Key]:
    """The basket that explains most moves. ``outstanding`` (units, 0 if unknown) helps when the baskets of
    several ``days`` are combined, as over a missing file, and no quotient is exact."""
    has_moved = moves.changes != 0
    is_flow = has_moved & (moves.changes < LARGEST_MOVE * moves.shares)
    shares, changes = moves.shares[is_flow], moves.changes[is_flow]
    none: Basket[Key] = Basket(days=days)
    best = still = Found(none, none.explains(moves.shares, moves.changes, 0))
    rounded, cut_off = _exact(shares, changes)
    is_cut = cut_off.names > rounded.names + CUT_BY
    exact = cut_off if is_cut else rounded
    tried = [(exact.units, exact.outstanding, False, is_cut)]
    if outstanding:
        tried.append((_near(shares, changes, outstanding), outstanding, True, False))
    for units, divisor, carried, cut in tried:
        if units:
            found = _classes(moves, units, Basket(divisor, carried=carried, days=days, cut=cut))
            if np.count_nonzero(found.explained) > np.count_nonzero(best.explained):
                best = found
    most_moved = len(changes) > max(len(moves.keys) / 2, MOST_TRADED)
    if most_moved and np.count_nonzero(best.explained & has_moved) < SMALLEST_FLOW * len(changes):
        return still._replace(basket=Basket(untold=True, days=days))
    return best


def _classes(moves: Moves[Key], units: int, basket: Basket[Key]) -> Found[Key]:
    """The basket with one class of names moved by ``units``. Names are assigned to the two classes, if the
    classes are far enough apart."""
    other = _other(moves, units, basket)
    net, out = max(units, other), min(units, other)
    redeemed = -min(out, 0)
    basket = replace(basket, created=net + redeemed, redeemed=redeemed)
    with_net = basket.explains(moves.shares, moves.changes, net)
    with_out = basket.explains(moves.shares, moves.changes, -redeemed)
    explained = with_net | with_out
    # Of two classes, the lower one never grows: ``out`` is -redeemed.
    counts = basket.counts(moves.shares)
    still = (moves.changes == 0) & (counts > SLACK) & bool(out and net)
    far = ~still & ((net - out) * counts >= 3 * basket.slack(counts, out))
    left_out, taken = far & with_out & ~with_net, far & with_net
    names = [frozenset(moves.names(which)) for which in (left_out, taken, still)]
    return Found(replace(basket, left_out=names[0], taken=names[1], still=names[2]), explained)


def _other(moves: Moves[Key], units: int, basket: Basket[Key]) -> int:
    """The units by which the other class of names moved; ``units`` if there is only one class.

    The lower of the two classes moves with redemptions only, so it never grows. A few names that do not move
    while the rest shrink are not a class with equal creations and redemptions: they cannot be handed over,
    such as shares of an unlisted company.
    """
    counts = basket.counts(moves.shares)
    is_large = counts >= FEWEST_SHARES
    counts, changes = counts[is_large], moves.changes[is_large]
    nearest = np.rint(changes / counts)
    rounding = np.abs(nearest) + 2
    rounding[rounding > CHANCE * counts] = 2
    drift = basket.slack(counts, nearest) - basket.slack(counts, 0)
    tally = _tally(nearest, np.abs(changes - nearest * counts) <= rounding + drift)
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


def _tally(units: Floats, which: Flags) -> Counter[int]:
    """How often each number of units occurs."""
    return Counter(map(int, units[which].tolist()))


class _Exact(NamedTuple):
    """How many moves the best units and units outstanding explain to the share, and both numbers; 0 if there
    are none."""

    names: float
    units: int = 0
    outstanding: float = 0.0


def _exact(shares: Floats, changes: Floats) -> list[_Exact]:
    """The best units and units outstanding for rounded counts, and for truncated ones.

    For each number of units that divides a move, the quotient c was rounded from shares / outstanding, so
    outstanding is between shares / (c + 1/2) and shares / (c - 1/2). The result is where most of these
    intervals overlap. Truncated counts have it between shares / (c + 1) and shares / c. The basket has to
    explain ``SMALLEST_PART`` of the names, so the flow cannot be larger than the moves of that many names,
    which bounds the units. Of equally good creations, or redemptions, the largest counts; of both, creations.
    """
    found = [_Exact(max(FEWEST_NAMES, SMALLEST_PART * len(changes)))] * len(_UPS)
    for sign in (1, -1):
        same = sign * changes > 0
        held, moves = shares[same], np.rint(sign * changes[same])
        mosts = _most_units(held, moves, [one.names for one in found])
        for first in range(1, max(mosts) + 1, UNITS_AT_ONCE):
            tried = np.arange(first, min(first + UNITS_AT_ONCE, max(mosts) + 1))
            # Exact, as no move has 2**52 shares.
            counts = moves / tried[:, np.newaxis]
            fits = (counts >= FEWEST_SHARES) & (counts == np.floor(counts))
            names_of = fits.sum(axis=1)
            for place, (up, most) in enumerate(zip(_UPS, mosts, strict=True)):
                rows = np.flatnonzero(names_of[: max(most + 1 - first, 0)] >= found[place].names)
                # Most names first, then most units: the others are rarely better.
                order = names_of[rows].argsort(kind="stable")[::-1]
                for row, most_names in zip(rows[order].tolist(), names_of[rows[order]].tolist(), strict=True):
                    best, units = found[place], first + row
                    wins_ties = not best.units or 0 < sign * best.units < units
                    if most_names > best.names or (most_names == best.names and wins_ties):
                        here, count = held[fits[row]], counts[row, fits[row]]
                        names, middle = _deepest(here / (count + 1 - up), here / (count - up))
                        if names > best.names or (names == best.names and wins_ties):
                            found[place] = _Exact(names, sign * units, middle)
    return found


def _most_units(shares: Floats, changes: Floats, bests: Sequence[float]) -> list[int]:
    """The most units by which moves in one direction can explain each of some numbers of names; 0 if there
    are too few."""
    if len(changes) < min(bests):
        return [0] * len(bests)
    parts, sizes = np.sort(changes / shares), np.sort(changes)
    places = [len(changes) - ceil(best) for best in bests]
    # Beyond the second bound, fewer names than required have a count of FEWEST_SHARES.
    return [
        min(ceil(parts[place] * MOST_OUTSTANDING), int(sizes[place]) // FEWEST_SHARES) if place >= 0 else 0
        for place in places
    ]


def _deepest(lows: Floats, highs: Floats) -> tuple[int, float]:
    """The largest number of overlapping intervals, at least one, and the middle of their overlap."""
    lows.sort()
    highs.sort()
    # An interval that starts where another one ends overlaps it.
    closed = highs.searchsorted(lows)
    depths = np.arange(1, len(lows) + 1) - closed
    place = int(depths.argmax())
    return int(depths[place]), float(lows[place] + highs[closed[place]]) / 2


def _near(shares: Floats, changes: Floats, outstanding: float) -> int:
    """The units that explain most moves to about a share a unit, given ``outstanding`` units; 0 if there are
    none."""
    counts = np.rint(shares / outstanding)
    is_large = counts >= FEWEST_SHARES
    counts, moved = counts[is_large], changes[is_large]
    units = np.rint(moved / counts)
    tally = _tally(units, np.abs(moved - units * counts) <= 2 + np.abs(units) + NEAR * np.abs(moved))
    del tally[0]
    if not tally or max(tally.values()) < max(FEWEST_NAMES, len(changes) / 3):
        return 0
    return max(tally, key=lambda number: (tally[number], -abs(number)))
