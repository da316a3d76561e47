"""Corporate actions: splits, and new names for existing positions.

Shares and price together distinguish a split from a trade. A count that continues under a new name
distinguishes a new symbol, a SPAC merger or a new listing from a sale and a purchase.
"""

from collections.abc import Collection, Hashable, Iterator, Mapping
from fractions import Fraction
from math import log
from typing import NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)

SPLIT_SIZES = (*map(Fraction, (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 35, 40, 50)), Fraction(3, 2))
SPLIT_RATIOS = (*SPLIT_SIZES, *(1 / size for size in SPLIT_SIZES))
_SPLITS = tuple((ratio, float(ratio), ratio.denominator == 1) for ratio in SPLIT_RATIOS)
SPLIT_SHARE_TOLERANCE = 0.03
SPLIT_PRICE_TOLERANCE = 0.2
_LEAST = max(ratio for ratio in SPLIT_RATIOS if ratio < 1), min(ratio for ratio in SPLIT_RATIOS if ratio > 1)
_UNSPLIT = (
    float(_LEAST[0]) * (1 + 2 * SPLIT_SHARE_TOLERANCE),
    float(_LEAST[1]) * (1 - 2 * SPLIT_SHARE_TOLERANCE),
)
"""Relative changes of a count between these bounds are near no ratio, as nearly all are."""
FEWEST_SHARES = 1000
"""In a smaller position, a trade may double the count exactly."""
ROUND = 100
"""In a round position, a trade may double the count exactly."""
RENAMED_SHARES = 0.01
"""Amount that may be traded on the day of a rename, as a share of the position."""
RENAMED_PRICE = 0.3
"""Relative price change allowed on the day of a rename."""
NEAR_SHARES = NEAR_PRICE = 0.05
"""Amount that may be traded if the price hardly moved. Of all positions that vanished in 2020 to 2026 as
another name appeared in the fund, no other company's position was within even 30% in count and price."""
TRUST = 10.0
"""USD a share: SPACs trade near this price before they merge, so the price is no evidence there."""
IDENTIFIED_SHARES = 1.0
"""Amount that may be traded if old and new share an identifier, as a share of the position."""
SAME_SHARES = 1e-5
SAME_PRICE = 1.0
"""If no share was traded, the count alone is enough evidence, and the price may jump with the news."""
MERGER_DECIMALS = (0, 1, 2, 3, 4)
CHANCE = 1000
"""With this many times as many shares as there are ratios of some number of decimals, one match in 500 is
chance."""
WARRANTS = (2, 3, 4, 5)
"""Units of a SPAC split into one share and a half to a fifth of a warrant."""


class Position(NamedTuple):
    """A fund's position: the share count, and the price in USD if known."""

    shares: float
    price: float | None


def split(old: Position, new: Position, flow: float, slack: float) -> Fraction | None:
    """The new shares for each old one, None without a split.

    ``flow`` is the net of creations and redemptions in old shares, ``slack`` its tolerance. Either shares and
    price changed by one ratio in opposite directions, or the shares grew exactly by a whole ratio: custodians
    book some splits days before or after the price.
    """
    base = old.shares + flow
    if base <= 0:
        return None
    fallen = old.price / new.price if old.price and new.price else None
    counted = old.shares >= FEWEST_SHARES and old.shares % ROUND != 0
    exact = max(1, slack if flow else 0)
    if _UNSPLIT[0] < new.shares / base < _UNSPLIT[1] and 2 * base - new.shares > exact:
        return None
    for ratio, units, whole in _SPLITS:
        grown = base * units
        if (
            fallen is not None
            and abs(new.shares / grown - 1) <= SPLIT_SHARE_TOLERANCE
            and abs(fallen / units - 1) <= SPLIT_PRICE_TOLERANCE
        ):
            return ratio
        if counted and whole and abs(new.shares - grown) <= exact:
            return ratio
    return None


def is_split(old: float, new: float, ratio: Fraction) -> bool:
    """Whether a change from ``old`` shares, flow included, to ``new`` shows a known split, whatever else was
    traded: the new count is closer to the new units than to the old."""
    return old > 0 and new > 0 and abs(log(new / (old * float(ratio)))) < abs(log(new / old))


def renames(
    gone: Mapping[Key, Position], new: Mapping[Key, Position], identified: Collection[tuple[Key, Key]] = ()
) -> dict[Key, tuple[Key, Fraction]]:
    """The old name of each new one that took over its position, and the new shares for each old one.

    ``gone`` are the vanished positions, flow included; ``new`` those that appeared; ``identified`` the pairs
    of an old and a new name whose lines share an identifier. The closest pair comes first, by shares, then by
    price; of equally close pairs, the larger position. So the order of loading has no influence.
    """
    pairs: list[tuple[tuple[float, ...], int, Key, Key, Fraction]] = []
    for old, before in gone.items():
        for fresh, after in new.items():
            found = _exchange(before, after, identified=(old, fresh) in identified)
            if found is not None:
                *difference, ratio = found
                sizes = (-before.shares, before.price or 0.0, -after.shares, after.price or 0.0)
                pairs.append(((*difference, *sizes), len(pairs), old, fresh, ratio))
    found_pairs: dict[Key, tuple[Key, Fraction]] = {}
    taken: set[Key] = set()
    for _, _, old, fresh, ratio in sorted(pairs, key=lambda pair: pair[:2]):
        if fresh not in found_pairs and old not in taken:
            found_pairs[fresh] = (old, ratio)
            taken.add(old)
    return found_pairs


def _exchange(old: Position, new: Position, *, identified: bool) -> tuple[float, float, Fraction] | None:
    """The distance between two positions in shares and in relative price, and the new shares for each old
    one; None if they cannot be one position."""
    if old.shares < FEWEST_SHARES or not old.price or not new.price:
        return None
    for ratio in (Fraction(1), *SPLIT_RATIOS, *_merger_ratios(old.shares, new.shares)):
        units = float(ratio)
        shares = abs(new.shares / (old.shares * units) - 1)
        price = abs(new.price * units / old.price - 1)
        if shares <= RENAMED_SHARES and price <= (SAME_PRICE if shares <= SAME_SHARES else RENAMED_PRICE):
            return shares, price, ratio
    shares, price = abs(new.shares / old.shares - 1), abs(new.price / old.price - 1)
    near = shares <= NEAR_SHARES and price <= NEAR_PRICE and abs(old.price / TRUST - 1) > NEAR_PRICE
    if near or (identified and shares <= IDENTIFIED_SHARES and price <= RENAMED_PRICE):
        return shares, price, Fraction(1)
    return None


def _merger_ratios(old: float, new: float) -> Iterator[Fraction]:
    """The ratio of a share exchange in a merger, if the counts match to the share: contracts give it in few
    decimals, such as 1.11."""
    for decimals in MERGER_DECIMALS:
        ratio = Fraction(round(new / old * 10**decimals), 10**decimals)
        # Otherwise one of the ratios with that many decimals would fit any two positions.
        telling = min(old, new) > CHANCE * 10**decimals
        if telling and ratio and abs(new - old * float(ratio)) <= 1:
            yield ratio
            return


def is_warrant(shares: float, units: float) -> bool:
    """Whether ``shares`` are the warrants from ``units`` of a SPAC."""
    return any(abs(shares - units / parts) <= 1 for parts in WARRANTS)
