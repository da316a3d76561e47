"""Evidence that only several funds or days show: splits, offerings, and reversals.

One difference of one fund leaves three questions open (:mod:`qotgate.ark.inference`). A doubled position may
be a split: then every fund that holds the security shows it. A purchase may be the fund's part in an
offering, which ARK's notices omit: together the funds ask for a round number. A change that is reversed
within days was no trade: a custom basket went in and out, a market was closed, or a file omitted a line.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Generic

from qotgate.ark.basket import Key
from qotgate.ark.grounds import Evidence, Ground
from qotgate.ark.inference import Inference

NEAR = timedelta(days=7)
"""Custodians book a split within this time of one another."""
SPLIT_TOLERANCE = 0.1
"""How much a fund may trade on the day of a split and still show it, as a share of the position."""
SURE = 2
"""Below this ratio, price and shares may agree by chance, unless to the share."""
OFFERING = 5_000
"""Together the funds ask for a multiple of this in an offering. Of 81 opened positions with a notice, 14 of
them by several funds at once, none is a multiple; of 15 without a notice, 11 are."""
ODD = 100
"""If a single order of the manager's is round by chance, its parts for the funds are round too."""
WITHIN = 5
"""Number of differences within which a change is reversed."""
UNDONE = 0.002
"""Tolerance of a reversal, as a share of the first change."""
UNDONE_TOGETHER = 0.02
FEWEST_TOGETHER = 3
"""If at least this many names reverse on one day, the tolerance is wider, as for changed basket counts."""


@dataclass(frozen=True, slots=True)
class Difference(Generic[Key]):
    """The inference between two books of a fund; ``first`` and ``through`` are the first and the last trading
    day between them."""

    fund: str
    first: date
    through: date
    inference: Inference[Key]


@dataclass(slots=True)
class Verdict(Generic[Key]):
    """The corrections of one difference: names that seem to be split but are not, names bought in an
    offering, and names whose change was reversed."""

    unsplit: set[Key] = field(default_factory=set)
    offered: set[Key] = field(default_factory=set)
    undone: set[Key] = field(default_factory=set)


Positions = Callable[[Key, date, date], Mapping[str, Sequence[float]]]
"""A security's share counts in the books between two days, by fund, oldest first."""


def judge(differences: Sequence[Difference[Key]], positions: Positions[Key]) -> list[Verdict[Key]]:
    """A verdict for each of ``differences``, which have to include every fund's, within ``NEAR`` and
    ``WITHIN`` of the relevant ones."""
    verdicts: list[Verdict[Key]] = [Verdict() for _ in differences]
    _splits(differences, verdicts, positions)
    _undone(differences, verdicts)
    _offerings(differences, verdicts)
    return verdicts


def apply(inference: Inference[Key], verdict: Verdict[Key]) -> Inference[Key]:
    """The inference corrected by ``verdict``."""
    trades, evidence = dict(inference.trades), dict(inference.evidence)
    splits, offerings = dict(inference.splits), dict(inference.offerings)
    for key in verdict.unsplit:
        del splits[key]
        trades[key], evidence[key] = inference.unsplit[key]
    for key in verdict.offered - verdict.undone:
        offerings[key] = trades[key]
    for key in verdict.offered | verdict.undone:
        trades.pop(key, None)
        evidence.pop(key, None)
    return Inference(
        basket=inference.basket,
        trades=trades,
        splits=splits,
        evidence=evidence,
        offerings=offerings,
        renamed=inference.renamed,
    )


def _splits(
    differences: Sequence[Difference[Key]], verdicts: Sequence[Verdict[Key]], positions: Positions[Key]
) -> None:
    for one, verdict in zip(differences, verdicts, strict=True):
        for key in one.inference.unsplit:
            ratio = one.inference.splits[key]
            held = positions(key, one.first - NEAR, one.through + NEAR)
            others = [shares for fund, shares in held.items() if fund != one.fund and len(shares) > 1]
            # On the day of a crash a fund may well buy half as much again.
            doubtful = max(ratio, 1 / ratio) < SURE and key in one.inference.trades
            if any(not _shows(shares, ratio) for shares in others) or (doubtful and not others):
                verdict.unsplit.add(key)


def _shows(shares: Sequence[float], ratio: Fraction) -> bool:
    """Whether a fund's counts, oldest first, changed to the units of a split."""
    return any(
        old > 0 and abs(new / (old * float(ratio)) - 1) <= SPLIT_TOLERANCE for old, new in pairwise(shares)
    )


def _undone(differences: Sequence[Difference[Key]], verdicts: Sequence[Verdict[Key]]) -> None:
    seeming = [_seeming(one) for one in differences]

    def left(index: int) -> Mapping[Key, int]:
        undone = verdicts[index].undone
        return {key: shares for key, shares in seeming[index].items() if key not in undone}

    by_fund: dict[str, list[int]] = {}
    for index, one in enumerate(differences):
        by_fund.setdefault(one.fund, []).append(index)
    for indexes in by_fund.values():
        indexes.sort(key=lambda index: differences[index].first)
        for number, index in enumerate(indexes):
            went = differences[index]
            growth = 1.0
            for later in indexes[number + 1 : number + 1 + WITHIN]:
                came = differences[later]
                if came.first - went.through > NEAR:
                    break
                growth *= came.inference.flow
                shared = seeming[index].keys() & seeming[later].keys()
                names = _come_back(left(index), left(later)) if shared else ()
                grown = growth * went.inference.flow
                for key in {*names, *_missed(went.inference, came.inference, (1.0, growth, grown))}:
                    for verdict, one in ((verdicts[index], went), (verdicts[later], came)):
                        verdict.undone.add(key)
                        if key in one.inference.unsplit:
                            verdict.unsplit.add(key)


def _seeming(one: Difference[Key]) -> dict[Key, int]:
    """The trades of a difference, including its splits as if they were trades: custodians book some splits a
    day early, undo them and book them again."""
    plain = {key: shares for key, (shares, _) in one.inference.unsplit.items()}
    return {key: shares for key, shares in (one.inference.trades | plain).items() if shares}


def _come_back(went: Mapping[Key, int], came: Mapping[Key, int]) -> Iterable[Key]:
    """The names with equal amounts out and back in."""
    far, near = [], []
    for key in went.keys() & came.keys():
        off = abs(went[key] + came[key]) / abs(went[key])
        if went[key] % ODD and off <= UNDONE:
            near.append(key)
        elif off <= UNDONE_TOGETHER:
            far.append(key)
    return [*near, *far] if len(near) + len(far) >= FEWEST_TOGETHER else near


def _missed(went: Inference[Key], came: Inference[Key], grown: Sequence[float]) -> Iterable[Key]:
    """The positions that vanished and came back unchanged, except for the flow of the days between: files
    omitted them. ``grown`` are the parts of the flow that may have applied to them."""
    for key, evidence in went.evidence.items():
        back = came.evidence.get(key)
        if evidence.ground is Ground.CLOSED and back is not None and back.ground is Ground.OPENED:
            old, new = -evidence.change, back.change
            if old % ODD and any(abs(new / (old * part) - 1) <= UNDONE for part in grown):
                yield key


def _offerings(differences: Sequence[Difference[Key]], verdicts: Sequence[Verdict[Key]]) -> None:
    bought: dict[tuple[date, Key], list[tuple[int, int, Evidence]]] = {}
    for index, one in enumerate(differences):
        if one.first == one.through:
            told = apply(one.inference, verdicts[index])
            for key, shares in told.trades.items():
                if shares > 0:
                    evidence = told.evidence[key]
                    bought.setdefault((one.first, key), []).append((index, shares, evidence))
    for (_, key), parts in bought.items():
        opened = all(evidence.ground is Ground.OPENED for _, _, evidence in parts)
        shared = len(parts) > 1 and any(shares % ODD for _, shares, _ in parts)
        if (opened or shared) and sum(shares for _, shares, _ in parts) % OFFERING == 0:
            for index, _, _ in parts:
                verdicts[index].offered.add(key)
