"""What institutions think of a security in sum, as OpenD tells it: by what each last said in three months.

The reference documents give the three months and the fields, not the rules. Ours: an institution counts with
the last grade that it gave in them, and with the last target. Those that gave no grade that the scale knows
are not among the total. The rating of all is that of more than half of them; where no level has more than
half, there is none. A target from before a split that came since is in other share units, and not counted.
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
    """The consensus at the end of ``as_of`` of institutions with these notes, each history sorted by day and
    none after ``as_of``."""
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
    """The one note of each day, oldest first."""
    return [settle(notes) for _, notes in groupby(history, key=attrgetter("day"))]


def months_before(day: date, months: int) -> date:
    """The same day of an earlier month, its last day where it is shorter."""
    number = day.year * 12 + day.month - 1 - months
    year, month = divmod(number, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
