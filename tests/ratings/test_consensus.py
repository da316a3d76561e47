"""The consensus of institutions, by the module's rules."""

from datetime import date

import pytest

from qotgate.model import Grade, RatingLevel
from qotgate.ratings.changes import NOTHING, DatedNote, View
from qotgate.ratings.consensus import consensus, months_before

BUY, HOLD, SELL = RatingLevel.BUY, RatingLevel.HOLD, RatingLevel.SELL
TODAY = date(2026, 6, 30)


def note(day: str, grade: Grade | None = None, target: float | None = None) -> DatedNote:
    return DatedNote(1, date.fromisoformat(day), None, View(grade, target), NOTHING, starts=False)


def test_each_institution_counts_with_the_last_that_it_said() -> None:
    one = [note("2026-04-01", Grade.HOLD, 90), note("2026-05-01", Grade.STRONG_BUY), note("2026-05-02")]
    found = consensus([one, [note("2026-06-01", Grade.SELL, 70)]], TODAY, [])
    assert (found.buy, found.hold, found.sell) == (1, 0, 1)
    assert (found.rating, found.total, found.newest) == (None, 2, date(2026, 6, 1))
    assert (found.highest, found.average, found.lowest) == (90, 80, 70)


def test_what_is_older_than_three_months_is_not_counted() -> None:
    old, new = [note("2026-03-30", Grade.BUY, 10)], [note("2026-03-31", Grade.HOLD, 20)]
    found = consensus([old, new], TODAY, [])
    assert (found.total, found.rating, found.highest, found.lowest) == (1, HOLD, 20, 20)
    nothing = consensus([old], TODAY, [])
    assert (nothing.total, nothing.rating, nothing.average, nothing.newest) == (0, None, None, None)


def test_more_than_half_is_the_rating_of_all() -> None:
    said = [[note("2026-06-01", grade)] for grade in (Grade.BUY, Grade.BUY, Grade.HOLD)]
    assert consensus(said, TODAY, []).rating is BUY
    assert consensus([*said, [note("2026-06-01", Grade.SELL)]], TODAY, []).rating is None


def test_a_target_from_before_a_split_is_not_counted() -> None:
    said = [[note("2026-06-01", Grade.BUY, 1000)], [note("2026-06-10", Grade.BUY, 100)]]
    found = consensus(said, TODAY, [date(2026, 6, 10), date(2026, 7, 1)])
    assert (found.total, found.highest, found.lowest) == (2, 100, 100)


@pytest.mark.parametrize(
    ("day", "before"),
    [("2026-06-30", "2026-03-30"), ("2026-05-31", "2026-02-28"), ("2026-02-01", "2025-11-01")],
)
def test_three_months_before(day: str, before: str) -> None:
    assert str(months_before(date.fromisoformat(day), 3)) == before
