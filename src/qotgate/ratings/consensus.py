"""The consensus of institutions on a security, as OpenD shows it: from the last note of each in three months.

The reference documents give the three months and the fields, not the rules. Ours: an institution counts with
its last grade and its last target in that period. Institutions without a known grade are not in the total.
The overall rating is the level of more than half of the institutions; if no level has more than half, there
is none. A target from before a later split is in other share units, and does not count.
"""

from calendar import monthrange
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from itertools import groupby
from operator import attrgetter
from statistics import fmean

from qotgate.model import AnalystConsensus, RatingLevel
from qotgate.ratings.changes import DatedNote, settle
from qotgate.ratings.words import level

MONTHS = 3


def consensus(
    histories: Iterable[Sequence[DatedNote]], as_of: date, split_days: Collection[date]
) -> AnalystConsensus:
    """The consensus at the end of ``as_of``. Each institution's history is sorted by day, without notes after
    ``as_of``."""
    start = months_before(as_of, MONTHS)
    last_split = max((day for day in split_days if day <= as_of), default=date.min)
    counts: Counter[RatingLevel] = Counter()
    targets: list[float] = []
    used: list[DatedNote] = []
    for history in histories:
        notes = [note for note in daily(history) if note.day > start]
        graded = [note for note in notes if note.view.grade is not None]
        priced = [note for note in notes if note.view.target is not None and note.day >= last_split]
        if graded:
            counts[level(graded[-1].view.grade)] += 1
        if priced:
            targets.append(priced[-1].view.target or 0.0)
        used += graded[-1:] + priced[-1:]
    total = counts.total()
    rating = next((one for one, number in counts.items() if 2 * number > total), None)
    return AnalystConsensus(
        rating=rating,
        buy=counts[RatingLevel.BUY],
        hold=counts[RatingLevel.HOLD],
        sell=counts[RatingLevel.SELL],
        highest=max(targets, default=None),
        average=fmean(targets) if targets else None,
        lowest=min(targets, default=None),
        newest=max((note.day for note in used), default=None),
        known_to=as_of,
    )


def daily(history: Iterable[DatedNote]) -> list[DatedNote]:
    """One combined note for each day, oldest first."""
    return [settle(notes) for _, notes in groupby(history, key=attrgetter("day"))]


def months_before(day: date, months: int) -> date:
    """The same day of an earlier month, or the last day of a shorter month."""
    number = day.year * 12 + day.month - 1 - months
    year, month = divmod(number, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
