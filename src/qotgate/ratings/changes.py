"""The change of each note against the same institution's previous note on the same security.

Without a previous note, or if coverage starts, a note is a new rating. Otherwise the grade on the five-step
scale decides, then the target price. A note that changes neither is a reiteration, not a change. The rules
are the project's own; the reference documents give only examples (BUY, BUY, 950 to 1500: UPGRADE).

An institution has one view on a security and day. Notes of a day that do not contradict each other are one
note from several feeds, and complete each other. Of contradicting notes the latest by time of day wins, then
the more complete one, then the better view: the order of loading has no influence.
"""

from collections.abc import Iterable, Iterator
from datetime import date, time
from functools import reduce
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, TypeVar

from qotgate.model import Grade, RatingChangeType

T = TypeVar("T")


class View(NamedTuple):
    """An institution's view on a security: the grade and the target price, each None if unknown."""

    grade: Grade | None
    target: float | None

    def contradicts(self, other: "View") -> bool:
        """Whether both have different grades, or different targets."""
        return _differ(self.grade, other.grade) or _differ(self.target, other.target)

    def completed(self, other: "View") -> "View":
        return View(_first(self.grade, other.grade), _first(self.target, other.target))


NOTHING = View(None, None)


class DatedNote(NamedTuple):
    """A note within one institution's history on one security. ``prior`` is the feed's own record of the
    previous view, NOTHING if the feed has none."""

    note_id: int
    day: date
    time: time | None
    view: View
    prior: View
    starts: bool

    def completed(self, other: "DatedNote") -> "DatedNote":
        """This note completed by the other's values; it keeps the id of the note loaded first."""
        return self._replace(
            note_id=min(self.note_id, other.note_id),
            time=_first(self.time, other.time),
            view=self.view.completed(other.view),
            prior=self.prior.completed(other.prior),
            starts=self.starts or other.starts,
        )


class Judged(NamedTuple):
    """A day's note and its change: ``change_type`` is None for a reiteration.

    ``last`` is the previous view, None if unknown; ``last_day`` is None if that view comes from the feed, or
    is unknown. ``disagrees`` tells whether the feed's own prior view differs from the previous note.
    """

    note: DatedNote
    change_type: RatingChangeType | None
    last: View | None
    last_day: date | None
    disagrees: bool


def judge(history: Iterable[DatedNote]) -> Iterator[Judged]:
    """Each day's note in one institution's history on one security, oldest first; ``history`` is sorted by
    day."""
    previous: DatedNote | None = None
    for _day, notes in groupby(history, key=attrgetter("day")):
        note = settle(notes)
        last = previous.view if previous else note.prior if note.prior != NOTHING else None
        yield Judged(
            note,
            _change_type(note, last),
            last,
            previous.day if previous else None,
            disagrees=previous is not None and note.prior.contradicts(previous.view),
        )
        previous = note


def settle(notes: Iterable[DatedNote]) -> DatedNote:
    """The combined note of a day, whatever the order of ``notes``."""
    first, *others = notes
    if not others:
        return first
    settled: list[list[DatedNote]] = []
    for note in sorted((first, *others), key=_rank, reverse=True):
        for group in settled:
            if not any(note.view.contradicts(other.view) for other in group):
                group.append(note)
                break
        else:
            settled.append([note])
    return max((reduce(DatedNote.completed, group) for group in settled), key=_rank)


def _rank(note: DatedNote) -> tuple[object, ...]:
    """Orders the notes of a day by content alone; equal notes by their ids."""
    known = [note.view.grade, note.view.target, note.prior.grade, note.prior.target]
    return (
        note.time or time.min,
        sum(value is not None for value in known),
        *(0 if value is None else value for value in known),
        note.starts,
        -note.note_id,
    )


def _change_type(note: DatedNote, last: View | None) -> RatingChangeType | None:
    if last is None or note.starts:
        return RatingChangeType.NEW_RATING
    for now, before in ((note.view.grade, last.grade), (note.view.target, last.target)):
        if now is not None and before is not None and now != before:
            return RatingChangeType.UPGRADE if now > before else RatingChangeType.DOWNGRADE
    return None


def _differ(mine: float | None, theirs: float | None) -> bool:
    return mine is not None and theirs is not None and mine != theirs


def _first(mine: T | None, other: T | None) -> T | None:
    return other if mine is None else mine
