"""The rules of :mod:`qotgate.ratings.changes` on whole columns of notes.

Most histories have one note a day, and are judged together; a history with several notes on a day is judged
by itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np

from qotgate.model import RatingChangeType
from qotgate.ratings.changes import NOTHING, DatedNote, View, judge
from qotgate.ratings.words import known_grade

GIVEN = (
    *("history_id", "market", "id", "day", "time"),
    *("grade", "target", "prior_grade", "prior_target", "starts"),
)
"""The columns of notes to judge; grades are numbers of :class:`~qotgate.model.Grade`."""
CHANGE = (
    *("note_id", "change_type", "day", "grade", "has_last", "last_grade", "target", "last_target"),
    *("last_day", "history_id", "market"),
)
"""The values of a change, in order. ``has_last`` tells whether a previous view is known."""
_NONE, _NEW, _UP, _DOWN = range(4)
_KINDS = {
    _NEW: RatingChangeType.NEW_RATING.value,
    _UP: RatingChangeType.UPGRADE.value,
    _DOWN: RatingChangeType.DOWNGRADE.value,
}


def judge_columns(notes: Mapping[str, Sequence[Any]]) -> tuple[list[tuple[Any, ...]], set[int]]:
    """Judge the columns GIVEN of whole histories, in any order. Returns a row CHANGE for each change, by
    history, then day; and the ids of the notes whose prior view differs from the previous note."""
    history = np.asarray(notes["history_id"], dtype=np.int64)
    days = np.fromiter(map(date.toordinal, notes["day"]), dtype=np.int64, count=len(history))
    order = np.lexsort((np.asarray(notes["id"], dtype=np.int64), days, history))
    again = history[order[1:]] == history[order[:-1]]
    several = again & (days[order[1:]] == days[order[:-1]])
    apart = np.isin(history[order], history[order[1:][several]])
    rows, disagreeing = _at_once(notes, order[~apart], history)
    if apart.any():
        more, disagreeing_more = _one_by_one(notes, order[apart].tolist())
        rows = sorted(rows + more, key=itemgetter(CHANGE.index("history_id"), CHANGE.index("day")))
        disagreeing |= disagreeing_more
    return rows, disagreeing


def _at_once(
    notes: Mapping[str, Sequence[Any]], order: np.ndarray[Any, Any], history: np.ndarray[Any, Any]
) -> tuple[list[tuple[Any, ...]], set[int]]:
    """Judge histories with one note a day; ``order`` has the positions of their notes, by history, then
    day."""
    if not len(order):
        return [], set()
    grade, target, prior_grade, prior_target = (
        np.array(notes[name], dtype=np.float64)[order]
        for name in ("grade", "target", "prior_grade", "prior_target")
    )
    follows = np.zeros(len(order), dtype=bool)
    follows[1:] = history[order[1:]] == history[order[:-1]]
    before_grade, before_target = (np.where(follows, np.roll(one, 1), np.nan) for one in (grade, target))
    last_grade = np.where(follows, before_grade, prior_grade)
    last_target = np.where(follows, before_target, prior_target)
    has_last = follows | ~np.isnan(prior_grade) | ~np.isnan(prior_target)
    # An unknown value is neither greater nor less than another.
    same_grade = ~(grade > last_grade) & ~(grade < last_grade)
    rose = (grade > last_grade) | (same_grade & (target > last_target))
    fell = (grade < last_grade) | (same_grade & (target < last_target))
    starts = np.asarray(notes["starts"], dtype=bool)[order]
    kind = np.select([~has_last | starts, rose, fell], [_NEW, _UP, _DOWN], _NONE)
    differs = [
        (mine > theirs) | (mine < theirs)
        for mine, theirs in ((prior_grade, before_grade), (prior_target, before_target))
    ]
    disagreeing = {notes["id"][place] for place in order[differs[0] | differs[1]].tolist()}

    changed = np.flatnonzero(kind)
    places = order[changed].tolist()
    # The position of the previous note, -1 if there is none.
    previous = np.where(follows, np.roll(order, 1), -1)[changed].tolist()

    def here(name: str) -> Iterable[Any]:
        return map(notes[name].__getitem__, places)

    def last(name: str, prior: Sequence[Any]) -> Iterable[Any]:
        values = notes[name]
        pairs = zip(places, previous, strict=True)
        return (prior[place] if before < 0 else values[before] for place, before in pairs)

    rows = zip(
        here("id"),
        map(_KINDS.__getitem__, kind[changed].tolist()),
        here("day"),
        here("grade"),
        has_last[changed].tolist(),
        last("grade", notes["prior_grade"]),
        here("target"),
        last("target", notes["prior_target"]),
        last("day", (None,) * len(history)),
        here("history_id"),
        here("market"),
        strict=True,
    )
    return list(rows), disagreeing


def _one_by_one(
    notes: Mapping[str, Sequence[Any]], order: Sequence[int]
) -> tuple[list[tuple[Any, ...]], set[int]]:
    """The same, one history after the other."""
    rows, disagreeing = [], set()
    for history_id, places in groupby(order, key=notes["history_id"].__getitem__):
        some = list(places)
        market = notes["market"][some[0]]
        for judged in judge(_dated(notes, place) for place in some):
            note, last = judged.note, judged.last or NOTHING
            if judged.disagrees:
                disagreeing.add(note.note_id)
            if judged.change_type is not None:
                view = (note.view.grade, judged.last is not None, last.grade, note.view.target, last.target)
                what = (note.note_id, judged.change_type.value, note.day)
                rows.append((*what, *view, judged.last_day, history_id, market))
    return rows, disagreeing


def _dated(notes: Mapping[str, Sequence[Any]], place: int) -> DatedNote:
    id_, day, clock, grade, target, prior_grade, prior_target, starts = (
        notes[name][place] for name in GIVEN[2:]
    )
    view = View(known_grade(grade), target)
    return DatedNote(id_, day, clock, view, View(known_grade(prior_grade), prior_target), starts)
