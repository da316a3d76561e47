"""The changes that a note makes, rule by rule."""

from collections.abc import Iterable
from datetime import date, time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qotgate.model import Grade, RatingChangeType
from qotgate.ratings.changes import NOTHING, DatedNote, Judged, View, judge, settle

BUY, HOLD, STRONG_BUY = Grade.BUY, Grade.HOLD, Grade.STRONG_BUY
UP, DOWN, NEW = RatingChangeType.UPGRADE, RatingChangeType.DOWNGRADE, RatingChangeType.NEW_RATING


def note(
    number: int,
    grade: Grade | None,
    target: float | None = None,
    prior: View = NOTHING,
    starts: bool = False,
    day: int | None = None,
    at: time | None = None,
) -> DatedNote:
    return DatedNote(number, date(2026, 1, day or number), at, View(grade, target), prior, starts)


def changes(history: Iterable[DatedNote]) -> list[Judged]:
    return [judged for judged in judge(history) if judged.change_type is not None]


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (View(HOLD, None), View(BUY, None), UP),
        (View(BUY, None), View(HOLD, None), DOWN),
        (View(BUY, None), View(STRONG_BUY, None), UP),
        (View(BUY, 950), View(BUY, 1500), UP),
        (View(BUY, 1500), View(BUY, 950), DOWN),
        (View(HOLD, 950), View(BUY, 900), UP),  # the grade counts before the target
        (View(BUY, 950), View(BUY, 950), None),
        (View(BUY, None), View(BUY, 950), None),
        (View(BUY, 950), View(BUY, None), None),
        (View(None, None), View(BUY, None), None),
        (View(None, 10), View(None, 12), UP),
    ],
)
def test_against_the_previous_note(first: View, second: View, kind: RatingChangeType | None) -> None:
    found = changes([note(1, first.grade, first.target), note(2, second.grade, second.target)])
    assert found[0].change_type is NEW
    assert (found[0].last, found[0].last_day) == (None, None)
    if kind is None:
        assert len(found) == 1
    else:
        assert (found[1].change_type, found[1].last, found[1].last_day) == (kind, first, date(2026, 1, 1))


def test_the_feeds_prior_stands_in_for_a_previous_note() -> None:
    (change,) = changes([note(1, BUY, 12, prior=View(HOLD, 10))])
    assert (change.change_type, change.last, change.last_day) == (UP, View(HOLD, 10), None)
    assert changes([note(1, BUY, 10, prior=View(BUY, 10))]) == []


def test_our_history_wins_over_the_feeds_prior() -> None:
    *_, change = changes([note(1, BUY), note(2, HOLD, prior=View(HOLD, None))])
    assert (change.change_type, change.last) == (DOWN, View(BUY, None))


def test_coverage_that_starts_is_a_new_rating() -> None:
    *_, change = changes([note(1, HOLD), note(5, BUY, starts=True)])
    assert (change.change_type, change.last_day) == (NEW, date(2026, 1, 1))


def test_of_the_notes_of_a_day_the_latest_by_time_wins() -> None:
    late = note(2, HOLD, day=5, at=time(16))
    found = changes([note(1, HOLD), late, note(3, BUY, day=5, at=time(9)), note(4, BUY, day=6)])
    assert [(judged.note.note_id, judged.change_type) for judged in found] == [(1, NEW), (4, UP)]
    assert found[1].last_day == date(2026, 1, 5)


def test_notes_of_a_day_that_do_not_contradict_are_one() -> None:
    bare, rich = note(7, BUY, day=5), note(8, BUY, 12, prior=View(HOLD, 10), day=5, at=time(9))
    assert settle([bare, rich]) == note(7, BUY, 12, prior=View(HOLD, 10), day=5, at=time(9))
    target_alone = note(9, None, 12, day=5)
    assert settle([bare, target_alone]).view == View(BUY, 12)


@given(
    st.lists(
        st.builds(
            note,
            number=st.integers(1, 9),
            grade=st.sampled_from([None, *Grade]),
            target=st.sampled_from([None, 10.0, 12.0]),
            prior=st.builds(View, st.sampled_from([None, BUY, HOLD]), st.sampled_from([None, 10.0])),
            starts=st.booleans(),
            day=st.just(5),
            at=st.sampled_from([None, time(9), time(16)]),
        ),
        min_size=1,
        max_size=6,
    ),
    st.randoms(),
)
def test_the_order_of_a_days_notes_does_not_matter(notes: list[DatedNote], random: Random) -> None:
    expected = settle(notes)
    shuffled = list(notes)
    random.shuffle(shuffled)
    found = settle(shuffled)
    assert found._replace(note_id=0) == expected._replace(note_id=0)
    if expected.view.grade is not None:
        assert expected.view.grade in {each.view.grade for each in notes}


def test_a_prior_that_contradicts_our_history_is_marked() -> None:
    priors = [View(HOLD, None), View(BUY, None), View(None, 9), View(None, 10), NOTHING]
    for prior, disagrees in zip(priors, [True, False, True, False, False], strict=True):
        *_, judged = judge([note(1, BUY, 10), note(2, BUY, 10, prior=prior)])
        assert (judged.disagrees, judged.change_type) == (disagrees, None)


def test_a_reiteration_is_still_the_previous_note() -> None:
    found = changes([note(1, BUY, 10), note(2, BUY, 10), note(3, BUY, 11)])
    assert [(change.note.note_id, change.last_day) for change in found] == [
        (1, None),
        (3, date(2026, 1, 2)),
    ]
