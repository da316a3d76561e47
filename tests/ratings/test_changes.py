"""What a note changed, rule by rule."""

from datetime import date

import pytest

from qotgate.model import Grade, RatingChangeType
from qotgate.ratings.changes import DatedNote, View, changes

BUY, HOLD, STRONG_BUY = Grade.BUY, Grade.HOLD, Grade.STRONG_BUY
UP, DOWN, NEW = RatingChangeType.UPGRADE, RatingChangeType.DOWNGRADE, RatingChangeType.NEW_RATING


def note(
    number: int,
    grade: Grade | None,
    target: float | None = None,
    prior: View | None = None,
    starts: bool = False,
    day: int | None = None,
) -> DatedNote:
    return DatedNote(number, date(2026, 1, day or number), View(grade, target), prior, starts)


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (View(HOLD, None), View(BUY, None), UP),
        (View(BUY, None), View(HOLD, None), DOWN),
        (View(BUY, None), View(STRONG_BUY, None), UP),
        (View(BUY, 950), View(BUY, 1500), UP),
        (View(BUY, 1500), View(BUY, 950), DOWN),
        (View(HOLD, 950), View(BUY, 900), UP),  # the grade goes before the target
        (View(BUY, 950), View(BUY, 950), None),
        (View(BUY, None), View(BUY, 950), None),
        (View(BUY, 950), View(BUY, None), None),
        (View(None, None), View(BUY, None), None),
        (View(None, 10), View(None, 12), UP),
    ],
)
def test_against_the_previous_note(first: View, second: View, kind: RatingChangeType | None) -> None:
    found = list(changes([note(1, first.grade, first.target), note(2, second.grade, second.target)]))
    assert found[0].change_type is NEW
    assert (found[0].last, found[0].last_day) == (None, None)
    if kind is None:
        assert len(found) == 1
    else:
        assert (found[1].change_type, found[1].last, found[1].last_day) == (kind, first, date(2026, 1, 1))


def test_the_feeds_prior_stands_in_for_a_previous_note() -> None:
    (change,) = changes([note(1, BUY, 12, prior=View(HOLD, 10))])
    assert (change.change_type, change.last, change.last_day) == (UP, View(HOLD, 10), None)
    assert list(changes([note(1, BUY, 10, prior=View(BUY, 10))])) == []


def test_our_history_wins_over_the_feeds_prior() -> None:
    *_, change = changes([note(1, BUY), note(2, HOLD, prior=View(HOLD, None))])
    assert (change.change_type, change.last) == (DOWN, View(BUY, None))


def test_coverage_that_starts_is_a_new_rating() -> None:
    *_, change = changes([note(1, HOLD), note(5, BUY, starts=True)])
    assert (change.change_type, change.last_day) == (NEW, date(2026, 1, 1))


def test_of_the_notes_of_a_day_the_later_wins() -> None:
    found = list(changes([note(1, HOLD), note(2, BUY, day=5), note(3, HOLD, day=5), note(4, BUY, day=6)]))
    assert [(change.note.note_id, change.change_type) for change in found] == [(1, NEW), (4, UP)]
    assert found[1].last_day == date(2026, 1, 5)


def test_a_reiteration_is_still_the_previous_note() -> None:
    found = list(changes([note(1, BUY, 10), note(2, BUY, 10), note(3, BUY, 11)]))
    assert [(change.note.note_id, change.last_day) for change in found] == [
        (1, None),
        (3, date(2026, 1, 2)),
    ]
