"""Infers a fund's trades between two of its holdings files.

Three things are subtracted from each position's change: the flow, in whole units of the creation basket
(:mod:`qotgate.ark.basket`); corporate actions (:mod:`qotgate.ark.corporate`); and purchases in offerings,
which are round numbers. The rest was traded. A traded name does not show whether it is left out of creations;
its latest untraded move in ``earlier`` does.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Generic

import numpy as np

from qotgate.ark.basket import LOTS, Basket, Key, Moves, find_basket
from qotgate.ark.corporate import SPLIT_RATIOS, Position, is_split, is_warrant, renames, split
from qotgate.ark.grounds import Evidence, Ground

__all__ = ["MEMORY", "Inference", "Position", "infer"]

MEMORY = 20
"""Number of earlier differences for :func:`infer`; with five instead, 1% fewer counts are exact."""
LATE = 3
"""Differences within which a market that was closed has followed a flow."""
REST = 0.1
MEMORY_OF_REST = 5
"""A sold position that comes back within this time, smaller than this share of the sale, is its remainder:
files omit small remainders for days."""


@dataclass(frozen=True, slots=True)
class Inference(Generic[Key]):
    """The events between two snapshots.

    ``trades`` are signed share counts, with their ``evidence``. ``splits`` are the new shares for each old
    one; the name's trades are in the new units (a file is the book before its day, so a split shows a day
    late). ``unsplit`` has, for a split that no table confirms, the trade and its evidence in case it is none.
    ``offerings`` are purchases outside the market; ``renamed`` is the old key of each new one that took over
    its position. If ``basket.untold``, the trades are unknown.
    """

    basket: Basket[Key] = field(default_factory=Basket)
    trades: dict[Key, int] = field(default_factory=dict)
    splits: dict[Key, Fraction] = field(default_factory=dict)
    unsplit: dict[Key, tuple[int, Evidence]] = field(default_factory=dict)
    evidence: dict[Key, Evidence] = field(default_factory=dict)
    offerings: dict[Key, int] = field(default_factory=dict)
    renamed: dict[Key, Key] = field(default_factory=dict)

    @property
    def flow(self) -> float:
        """The ratio by which the fund itself grew."""
        return self.basket.ratio


def infer(
    before: Mapping[Key, Position],
    after: Mapping[Key, Position],
    earlier: Sequence[Inference[Key]] = (),
    days: int = 1,
    known: Mapping[Key, Fraction] | None = None,
    identified: Collection[tuple[Key, Key]] = (),
) -> Inference[Key]:
    """Compare two snapshots of one fund, ``days`` trading days apart.

    Positions with no shares count as absent. ``known`` are a table's splits near these days, ``identified``
    the pairs of a key in ``before`` and one in ``after`` whose lines share an identifier.

    ``earlier`` are the inferences of the previous differences, oldest first. They only matter for names whose
    part in the basket does not show. What they took from their own earlier differences is not used, except
    the units outstanding over a missing file.
    """
    held = {key: position for key, position in before.items() if position.shares > 0}
    holds = {key: position for key, position in after.items() if position.shares > 0}
    moves = Moves(
        {key: (held[key].shares, holds[key].shares - held[key].shares) for key in held if key in holds}
    )
    basket, explained = find_basket(moves, _outstanding(earlier), days)
    result = Inference(basket)
    gone = {
        key: Position(position.shares + basket.net * basket.count(position.shares), position.price)
        for key, position in held.items()
        if key not in holds
    }
    new = {key: position for key, position in holds.items() if key not in held}
    exchanged = {} if basket.untold else renames(gone, new, identified)
    result.renamed.update({key: old for key, (old, _) in exchanged.items()})
    told = dict(known or {})
    for key in moves.names((moves.changes != 0) & ~explained):
        _compare(key, key, held[key], holds[key], earlier, told.get(key), result)
    for key, (old, ratio) in exchanged.items():
        merger = ratio if ratio not in (1, *SPLIT_RATIOS) else told.get(key)
        if not _is_explained(held[old].shares, holds[key].shares - held[old].shares, basket):
            _compare(key, old, held[old], holds[key], earlier, merger, result)
    for key in gone:
        if key not in result.renamed.values():
            _closed(key, held[key], result)
    carried = [holds[key].shares for key in result.renamed]
    for key, position in new.items():
        if key not in result.renamed and not any(is_warrant(position.shares, units) for units in carried):
            _opened(key, position, earlier, result)
    return result


def _is_explained(shares: float, change: float, basket: Basket[Key]) -> bool:
    """Whether a basket explains the change of one position."""
    flows = (basket.net, -basket.redeemed)
    return change == 0 or any(_explains(basket, shares, change, units) for units in flows)


def _explains(basket: Basket[Key], shares: float, change: float, units: int) -> bool:
    return bool(basket.explains(np.asarray(shares), np.asarray(change), units))


def _compare(
    key: Key,
    old_key: Key,
    old: Position,
    new: Position,
    earlier: Sequence[Inference[Key]],
    known: Fraction | None,
    result: Inference[Key],
) -> None:
    """Infer the trade of a position held before and after, whose change the basket does not explain."""
    basket = result.basket
    change = new.shares - old.shares
    count = basket.count(old.shares)
    if _follows(old_key, old.shares, change - basket.net * count, earlier):
        return
    left_out = _left_out(old_key, earlier) if basket.split else False
    part = -basket.redeemed if left_out else basket.net
    flow = part * count
    slack = basket.slack(count, part) if basket.outstanding else 1
    if basket.days > 1:
        ground = Ground.GAP
    elif left_out is None:
        ground = Ground.UNSURE
    else:
        ground = Ground.FLOW if part else Ground.STILL
    least = slack + basket.created + basket.redeemed
    if known is not None and is_split(old.shares + flow, new.shares, known):
        ratio: Fraction | None = known
    else:
        ratio = split(old, new, flow, slack)
    lots = part * _lots(count, old, new)
    plain = round(change - lots), Evidence(ground, change, lots)
    if ratio is None:
        if abs(plain[0]) > least:
            _trade(key, *plain, result)
        return
    result.splits[key] = ratio
    if ratio != known and not basket.untold:
        result.unsplit[key] = plain
    units = float(ratio)
    change = new.shares - old.shares * units
    flow = round(flow * units)
    shares = round(change - flow)
    if abs(shares) > least * units + 1:
        _trade(key, shares, Evidence(ground, change, flow), result)


def _closed(key: Key, old: Position, result: Inference[Key]) -> None:
    """Infer the sale of a vanished position, without the part handed over in redemptions."""
    count = result.basket.count(old.shares)
    flow = min(0, result.basket.net) * _lots(count, old, Position(0, None))
    _trade(key, -round(old.shares) - flow, Evidence(Ground.CLOSED, -old.shares, flow), result)


def _opened(key: Key, new: Position, earlier: Sequence[Inference[Key]], result: Inference[Key]) -> None:
    """Infer the purchase of a new position, unless it is the remainder of one that the files omitted."""
    shares = round(new.shares)
    if any(shares <= -REST * inference.trades.get(key, 0) for inference in earlier[-MEMORY_OF_REST:]):
        return
    _trade(key, shares, Evidence(Ground.OPENED, new.shares, 0), result)


def _trade(key: Key, shares: int, evidence: Evidence, result: Inference[Key]) -> None:
    if shares and not result.basket.untold:
        result.trades[key] = shares
        result.evidence[key] = evidence


def _lots(count: int, old: Position, new: Position) -> int:
    """A basket count rounded to the board lots that both share counts are multiples of."""
    for lot in LOTS:
        if old.shares % lot == 0 and new.shares % lot == 0:
            return round(count / lot) * lot
    return count


def _outstanding(earlier: Sequence[Inference[Key]]) -> float:
    """The units outstanding after ``earlier``, 0 if unknown."""
    units = 0
    for inference in reversed(earlier):
        units += inference.basket.net
        if inference.basket.outstanding and not inference.basket.carried:
            return inference.basket.outstanding + units
    return 0.0


def _left_out(key: Key, earlier: Sequence[Inference[Key]]) -> bool | None:
    """Whether a name is left out of creations, None if ``earlier`` does not show it.

    A name that did not move on a day of creations only may have been frozen instead; a day with redemptions
    decides.
    """
    left_out = None
    for basket in _baskets(earlier):
        if key in basket.still:
            return None
        if key in basket.left_out:
            left_out = True
            if basket.redeemed:
                break
        elif key in basket.taken:
            return left_out or False
    return left_out


def _follows(key: Key, shares: float, change: float, earlier: Sequence[Inference[Key]]) -> bool:
    """Whether a name makes up for flows of the last days, when its market was closed."""
    missed = [basket for basket in _baskets(earlier[-LATE:]) if key in basket.still]
    if not missed:
        return False
    units = sum(basket.net for basket in missed)
    return _explains(replace(missed[-1], days=len(missed)), shares, change, units)


def _baskets(earlier: Sequence[Inference[Key]]) -> Iterator[Basket[Key]]:
    return (inference.basket for inference in reversed(earlier))
