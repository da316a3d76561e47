"""The rules of :mod:`qotgate.ratings.changes` on whole columns of notes.

Most histories have one note a day, and are judged together; a history with several notes on a day is judged
by itself.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any

import numpy as np

from qotgate.model import RatingChangeType
from qotgate.ratings.changes import NOTHING, DatedNote, View, judge
from qotgate.ratings.words import known_grade, normalise

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
CONTENT = ("history_id", "day", "firm", "time", "word", "prior_word", "target", "prior_target", "starts")
"""The columns in which two lines with the same note are equal, in whatever files."""
_COMPARED_AS: Mapping[str, Callable[[str], str]] = {
    "firm": normalise,
    "word": str.casefold,
    "prior_word": str.casefold,
}
Array = np.ndarray[Any, Any]
_NONE, _DOWN, _NEW, _UP = range(4)
_KINDS = {
    _DOWN: RatingChangeType.DOWNGRADE.value,
    _NEW: RatingChangeType.NEW_RATING.value,
    _UP: RatingChangeType.UPGRADE.value,
}
"""The kinds in the order of their names."""


Changes = dict[str, list[Any]]
"""Changes as the columns CHANGE."""


def contents(notes: Mapping[str, Sequence[Any]], indexes: Collection[int]) -> Iterator[tuple[Any, ...]]:
    """The values of some notes in the columns CONTENT: equal for lines with the same note."""
    columns: list[Iterable[Any]] = []
    for name in CONTENT:
        values = [notes[name][index] for index in indexes]
        columns.append(map(_COMPARED_AS[name], values) if name in _COMPARED_AS else values)
    return zip(*columns, strict=True)


def judge_columns(notes: Mapping[str, Sequence[Any]]) -> tuple[Changes, set[int]]:
    """Judge the columns GIVEN of whole histories, in any order. Returns the columns CHANGE of the changes,
    and the ids of the notes whose prior view differs from the previous note.

    The changes of histories with one note a day come first, by kind, day and note, which is the order of an
    index: it is made in half of the time, and a list reads rows that follow one another.
    """
    history = np.asarray(notes["history_id"], dtype=np.int64)
    days = np.fromiter(map(date.toordinal, notes["day"]), dtype=np.int64, count=len(history))
    order = np.lexsort((np.asarray(notes["id"], dtype=np.int64), days, history))
    again = history[order[1:]] == history[order[:-1]]
    several = again & (days[order[1:]] == days[order[:-1]])
    apart = np.isin(history[order], history[order[1:][several]])
    changes, disagreeing = _at_once(notes, order[~apart], history, days)
    if apart.any():
        more, disagreeing_more = _one_by_one(notes, order[apart].tolist())
        for values, others in zip(changes.values(), zip(*more, strict=True), strict=False):
            values.extend(others)
        disagreeing |= disagreeing_more
    return changes, disagreeing


def _at_once(
    notes: Mapping[str, Sequence[Any]], order: Array, history: Array, days: Array
) -> tuple[Changes, set[int]]:
    """Judge histories with one note a day; ``order`` has the positions of their notes, by history, then
    day. ``days`` are ordinals."""
    if not len(order):
        return {name: [] for name in CHANGE}, set()
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
    disagreeing = {notes["id"][index] for index in order[differs[0] | differs[1]].tolist()}

    ids = np.asarray(notes["id"], dtype=np.int64)[order]
    changed = np.flatnonzero(kind)
    changed = changed[np.lexsort((ids[changed], days[order[changed]], kind[changed]))]
    indexes = order[changed]
    # Of the previous note; the first note of all follows none.
    days_before = np.roll(days[order], 1)[changed]
    return {
        "note_id": ids[changed].tolist(),
        "change_type": list(map(_KINDS.__getitem__, kind[changed].tolist())),
        "day": _mapped(date.fromordinal, days[indexes]),
        "grade": _known(int, grade[changed]),
        "has_last": has_last[changed].tolist(),
        "last_grade": _known(int, last_grade[changed]),
        "target": _known(float, target[changed]),
        "last_target": _known(float, last_target[changed]),
        "last_day": _mapped(_day, np.where(follows[changed], days_before, 0)),
        "history_id": history[indexes].tolist(),
        "market": list(map(notes["market"].__getitem__, indexes.tolist())),
    }, disagreeing


def _day(ordinal: int) -> date | None:
    return date.fromordinal(ordinal) if ordinal else None


def _mapped(convert: Callable[[Any], Any], values: Array) -> list[Any]:
    """``convert`` of each value, called once for equal ones."""
    known = {value: convert(value) for value in np.unique(values).tolist()}
    return list(map(known.__getitem__, values.tolist()))


def _known(kind: type, values: Array) -> list[Any]:
    """Numbers as ``kind``, None for NaN."""
    numbers = (
        values.astype(object) if kind is float else np.nan_to_num(values).astype(np.int64).astype(object)
    )
    numbers[np.isnan(values)] = None
    found: list[Any] = numbers.tolist()
    return found


def _one_by_one(
    notes: Mapping[str, Sequence[Any]], order: Sequence[int]
) -> tuple[list[tuple[Any, ...]], set[int]]:
    """The same, one history after the other."""
    rows, disagreeing = [], set()
    for history_id, indexes in groupby(order, key=notes["history_id"].__getitem__):
        some = list(indexes)
        market = notes["market"][some[0]]
        for judged in judge(_dated(notes, index) for index in some):
            note, last = judged.note, judged.last or NOTHING
            if judged.disagrees:
                disagreeing.add(note.note_id)
            if judged.change_type is not None:
                view = (note.view.grade, judged.last is not None, last.grade, note.view.target, last.target)
                what = (note.note_id, judged.change_type.value, note.day)
                rows.append((*what, *view, judged.last_day, history_id, market))
    return rows, disagreeing


def _dated(notes: Mapping[str, Sequence[Any]], index: int) -> DatedNote:
    id_, day, clock, grade, target, prior_grade, prior_target, starts = (
        notes[name][index] for name in GIVEN[2:]
    )
    view = View(known_grade(grade), target)
    return DatedNote(id_, day, clock, view, View(known_grade(prior_grade), prior_target), starts)
