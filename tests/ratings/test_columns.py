"""Judging notes in whole columns equals judging one history after the other."""

from datetime import date, time
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from qotgate.model import Grade
from qotgate.ratings.changes import NOTHING, DatedNote, View, judge
from qotgate.ratings.columns import CHANGE, GIVEN, judge_columns

GRADES = st.sampled_from([None, *Grade])
TARGETS = st.sampled_from([None, 9.0, 10.0])


class Placed(NamedTuple):
    history_id: int
    note: DatedNote


DATED = st.builds(
    DatedNote,
    note_id=st.just(0),
    day=st.dates(date(2026, 1, 1), date(2026, 1, 9)),
    time=st.sampled_from([None, time(9), time(16)]),
    view=st.builds(View, GRADES, TARGETS),
    prior=st.builds(View, GRADES, TARGETS),
    starts=st.booleans(),
)


@given(st.lists(st.builds(Placed, st.integers(1, 4), DATED), max_size=16))
def test_columns_are_judged_as_their_histories(drawn: list[Placed]) -> None:
    notes = [Placed(one.history_id, one.note._replace(note_id=id_)) for id_, one in enumerate(drawn, 1)]
    rows, disagreeing = [], set()
    ordered = sorted(notes, key=lambda one: (one.history_id, one.note.day, one.note.note_id))
    for history_id, some in groupby(ordered, key=attrgetter("history_id")):
        for judged in judge(one.note for one in some):
            note, last = judged.note, judged.last or NOTHING
            disagreeing |= {note.note_id} if judged.disagrees else set()
            if judged.change_type is not None:
                known = judged.last is not None
                now = (note.note_id, judged.change_type, note.day, note.view.grade, known, last.grade)
                rows.append((*now, note.view.target, last.target, judged.last_day, history_id, "US"))
    lines = [
        (history_id, "US", id_, day, clock, *view, *prior, starts)
        for history_id, (id_, day, clock, view, prior, starts) in notes
    ]
    columns = dict(zip(GIVEN, map(list, zip(*lines, strict=True)), strict=True)) if lines else {}
    changes, found = judge_columns(columns or {name: [] for name in GIVEN})
    judged_rows = zip(*changes.values(), strict=True)
    assert sorted(judged_rows, key=itemgetter(CHANGE.index("history_id"), CHANGE.index("day"))) == rows
    assert tuple(changes) == CHANGE
    assert found == disagreeing
