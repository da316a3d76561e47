"""What a fund traded between two of its holdings files.

The fund's shares outstanding grow and shrink, which moves most holdings by one ratio; that flow is no
trade. The day's most common ratio is taken as the flow, a count that did not move as a name left out of
the basket, and a count that moved against its price as a split. What remains was traded.
"""

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from statistics import median
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

RATIO_DECIMALS = 4
"""Ratios that agree to this many decimals are one: baskets are cut to whole shares."""
ROUNDING = 0.0005
"""What flow leaves behind in a count, as a share of it, because baskets are whole shares."""
SPLIT_SIZES = (*map(Fraction, (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 35, 40, 50)), Fraction(3, 2))
SPLIT_RATIOS = (*SPLIT_SIZES, *(1 / size for size in SPLIT_SIZES))
SPLIT_SHARE_TOLERANCE = 0.03
SPLIT_PRICE_TOLERANCE = 0.2


@dataclass(frozen=True, slots=True)
class Position:
    """A fund's position: the share count, and the price in USD where it is known."""

    shares: float
    price: float | None


@dataclass(frozen=True, slots=True)
class Inference(Generic[Key]):
    """What happened between two snapshots.

    ``flow`` is the ratio by which the fund itself grew. ``trades`` are signed share counts in the units of
    the earlier snapshot; ``splits`` the new shares for each old one.
    """

    flow: float
    trades: dict[Key, int]
    splits: dict[Key, Fraction]


def common_ratio(ratios: list[float]) -> float:
    """The most common of ``ratios``, 1 if no two agree; of two as common, the one nearer to 1."""
    counts = Counter(round(ratio, RATIO_DECIMALS) for ratio in ratios)
    if max(counts.values(), default=0) < 2:
        return 1.0
    top = max(counts, key=lambda ratio: (counts[ratio], -abs(ratio - 1), ratio))
    return median(ratio for ratio in ratios if round(ratio, RATIO_DECIMALS) == top)


def infer(before: Mapping[Key, Position], after: Mapping[Key, Position]) -> Inference[Key]:
    """Compare two snapshots of one fund; positions with no shares count as absent."""
    held = {key: position for key, position in before.items() if position.shares > 0}
    holds = {key: position for key, position in after.items() if position.shares > 0}
    both = held.keys() & holds.keys()
    flow = common_ratio([holds[key].shares / held[key].shares for key in both])
    trades: dict[Key, int] = {}
    splits: dict[Key, Fraction] = {}
    for key in held.keys() | holds.keys():
        if key not in both:
            shares = holds[key].shares if key in holds else -held[key].shares
        else:
            old, new = held[key], holds[key]
            if old.shares == new.shares:
                continue
            ratio = _split(old, new, flow)
            if ratio is not None:
                splits[key] = ratio
            units = float(ratio or 1)
            expected = old.shares * flow * units
            shares = (new.shares - expected) / units
            if abs(shares) <= (1 if flow == 1 and ratio is None else max(1.0, ROUNDING * old.shares)):
                continue
        if round(shares):
            trades[key] = round(shares)
    return Inference(flow, trades, splits)


def _split(old: Position, new: Position, flow: float) -> Fraction | None:
    """The split between two positions: shares and price moved by one ratio in opposite ways."""
    if not old.price or not new.price:
        return None
    grown = new.shares / (old.shares * flow)
    fallen = old.price / new.price
    for ratio in SPLIT_RATIOS:
        units = float(ratio)
        if (
            abs(grown / units - 1) <= SPLIT_SHARE_TOLERANCE
            and abs(fallen / units - 1) <= SPLIT_PRICE_TOLERANCE
        ):
            return ratio
    return None
