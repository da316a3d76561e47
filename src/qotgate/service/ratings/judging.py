"""What follows from the published notes: rating changes, kept by generation.

Only what a load touched is judged again: the history of one institution on one security.
"""

from collections.abc import Collection
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection

from qotgate.model import RatingChangeType
from qotgate.ratings.changes import NOTHING, DatedNote, Judged, View, judge
from qotgate.ratings.words import known_grade
from qotgate.store import changes, loading

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


def rating_changes(connection: Connection, histories: Collection[int], generation: int) -> None:
    """Judge the touched histories anew; rows that no longer hold end with ``generation``."""
    for some in loading.chunks(sorted(histories)):
        standing: dict[tuple[Any, ...], int] = {}
        for row in loading.standing_changes(connection, some):
            standing[tuple(row[name] for name in CHANGE_COLUMNS)] = row["id"]
        new, disagreeing = [], []
        for (history_id, market), notes in groupby(
            loading.notes_of(connection, some), key=attrgetter("history_id", "market")
        ):
            for judged in judge(map(_dated, notes)):
                if judged.disagrees:
                    disagreeing.append(judged.note.note_id)
                if judged.change_type is not None:
                    row = _change_row(judged, judged.change_type)
                    if standing.pop(tuple(row[name] for name in CHANGE_COLUMNS), None) is None:
                        new.append(row | {"history_id": history_id, "market": market})
        loading.mark_disagreements(connection, some, disagreeing)
        if standing:
            day = CHANGE_COLUMNS.index("day")
            changes.touch(connection, "ratings", min(ended[day] for ended in standing))
        loading.end_changes(connection, sorted(standing.values()), generation)
        loading.add_changes(connection, new, generation)


def _dated(row: Any) -> DatedNote:
    return DatedNote(
        note_id=row.id,
        day=row.day,
        time=row.time,
        view=View(known_grade(row.grade), row.target),
        prior=View(known_grade(row.prior_grade), row.prior_target),
        starts=row.starts,
    )


def _change_row(judged: Judged, change_type: RatingChangeType) -> loading.Row:
    last = judged.last or NOTHING
    return {
        "note_id": judged.note.note_id,
        "change_type": change_type.value,
        "day": judged.note.day,
        "grade": judged.note.view.grade,
        "has_last": judged.last is not None,
        "last_grade": last.grade,
        "target": judged.note.view.target,
        "last_target": last.target,
        "last_day": judged.last_day,
    }
