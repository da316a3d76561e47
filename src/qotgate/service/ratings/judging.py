"""Derives rating changes from the published notes, by generation.

A load judges only the histories that it touched; a history is one institution's notes on one security.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import compress
from typing import Any

from sqlalchemy import Connection

from qotgate.ratings.columns import CHANGE, GIVEN, judge_columns
from qotgate.store import changes, writes


def rating_changes(
    connection: Connection,
    histories: Collection[int],
    notes: Mapping[str, Sequence[Any]],
    generation: int,
) -> None:
    """Judge the touched ``histories`` again, so that rows no longer valid end with ``generation``; and new
    histories by all of their ``notes``, the columns GIVEN."""
    for some in writes.blocks(sorted(histories)):
        standing = writes.standing_changes(connection, some, CHANGE)
        found = writes.notes_of(connection, some, (*GIVEN, "disagrees"))
        marked = {id_ for id_, is_marked in zip(found["id"], found["disagrees"], strict=True) if is_marked}
        judged, disagreeing = judge_columns(found)
        rows = zip(*judged.values(), strict=True)
        is_new = [standing.pop(row, None) is None for row in rows]
        writes.mark_disagreements(connection, marked - disagreeing, disagrees=False)
        writes.mark_disagreements(connection, disagreeing - marked, disagrees=True)
        if standing:
            day = CHANGE.index("day")
            changes.touch(connection, "ratings", min(ended[day] for ended in standing))
        writes.end_changes(connection, sorted(standing.values()), generation)
        new = {name: list(compress(values, is_new)) for name, values in judged.items()}
        writes.add_changes(connection, new, generation)
    judged, disagreeing = judge_columns(notes)
    writes.mark_disagreements(connection, disagreeing, disagrees=True)
    writes.add_changes(connection, judged, generation)
