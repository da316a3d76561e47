"""What each note changed against the same institution's previous note on the same security.

In order: no previous note, or coverage starts, is a new rating; else the grade on the five-step scale
decides; else the target price; a note that moved neither is a reiteration and no change. The rules are
the project's own; the reference documents give only examples (BUY, BUY, 950 to 1500: UPGRADE).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import attrgetter

from qotgate.model import Grade, RatingChangeType


@dataclass(frozen=True, slots=True)
class View:
    """An institution's view on a security: the grade and the target price, each None where unknown."""

    grade: Grade | None
    target: float | None


@dataclass(frozen=True, slots=True)
class DatedNote:
    """A note within one institution's history on one security. ``prior`` is the view before it as the feed
    gives it, None where the feed gives none."""

    note_id: int
    day: date
    view: View
    prior: View | None
    starts: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What a note changed. ``last_day`` is None where the previous view comes from the feed, or is none."""

    note: DatedNote
    change_type: RatingChangeType
    last: View | None
    last_day: date | None


def changes(history: Iterable[DatedNote]) -> Iterator[Change]:
    """The changes in one institution's history on one security, oldest first.

    ``history`` is sorted by day, and within a day by what came first: of the notes of a day the last wins.
    """
    previous: DatedNote | None = None
    for _day, notes in groupby(history, key=attrgetter("day")):
        *_, note = notes
        last = note.prior if previous is None else previous.view
        kind = _kind(note, last)
        if kind is not None:
            yield Change(note, kind, last, None if previous is None else previous.day)
        previous = note


def _kind(note: DatedNote, last: View | None) -> RatingChangeType | None:
    if last is None or note.starts:
        return RatingChangeType.NEW_RATING
    for now, before in ((note.view.grade, last.grade), (note.view.target, last.target)):
        if now is not None and before is not None and now != before:
            return RatingChangeType.UPGRADE if now > before else RatingChangeType.DOWNGRADE
    return None
