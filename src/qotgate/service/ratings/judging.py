"""Derives rating changes from the published notes, by generation.

A load judges again only the histories that it touched; a history is one institution's notes on one security.
"""

from collections.abc import Collection
from datetime import date, time
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from qotgate.model import RatingChangeType
from qotgate.ratings.changes import NOTHING, DatedNote, Judged, View, judge
from qotgate.ratings.words import known_grade
from qotgate.store import changes, writes

CHANGE_COLUMNS = (
    "note_id",
    "change_type",
    "day",
    "grade",
    "has_last",
    "last_grade",
    "target",
    "last_target",
    "last_day",
)
HISTORY = itemgetter(0, 1)


def rating_changes(connection: Connection, histories: Collection[int], generation: int) -> None:
    """Judge the touched histories anew; rows that no longer hold end with ``generation``."""
    for some in writes.blocks(sorted(histories)):
        standing = writes.standing_changes(connection, some, CHANGE_COLUMNS)
        new: list[tuple[Any, ...]] = []
        marked: set[int] = set()
        disagreeing: set[int] = set()
        for (history_id, market), rows in groupby(writes.notes_of(connection, some), key=HISTORY):
            notes = []
            for _, _, is_marked, note_id, *values in rows:
                notes.append(_dated(note_id, *values))
                if is_marked:
                    marked.add(note_id)
            for judged in judge(notes):
                if judged.disagrees:
                    disagreeing.add(judged.note.note_id)
                if judged.change_type is not None:
                    row = _change_row(judged, judged.change_type)
                    if standing.pop(row, None) is None:
                        new.append((*row, history_id, market))
        writes.mark_disagreements(connection, marked - disagreeing, disagrees=False)
        writes.mark_disagreements(connection, disagreeing - marked, disagrees=True)
        if standing:
            day = CHANGE_COLUMNS.index("day")
            changes.touch(connection, "ratings", min(ended[day] for ended in standing))
        writes.end_changes(connection, sorted(standing.values()), generation)
        if new:
            columns = zip((*CHANGE_COLUMNS, "history_id", "market"), zip(*new, strict=True), strict=True)
            writes.add_changes(connection, dict(columns), generation)


def _dated(
    note_id: int,
    day: date,
    clock: time | None,
    grade: int | None,
    target: float | None,
    prior_grade: int | None,
    prior_target: float | None,
    starts: bool,
) -> DatedNote:
    view = View(known_grade(grade), target)
    prior = NOTHING
    if prior_grade is not None or prior_target is not None:
        prior = View(known_grade(prior_grade), prior_target)
    return DatedNote(note_id, day, clock, view, prior, starts)


def _change_row(judged: Judged, change_type: RatingChangeType) -> tuple[Any, ...]:
    """The values of CHANGE_COLUMNS."""
    note, last = judged.note, judged.last or NOTHING
    return (
        *(note.note_id, change_type.value, note.day, note.view.grade, judged.last is not None),
        *(last.grade, note.view.target, last.target, judged.last_day),
    )
