"""The first days on which generations differ, from which columns in memory are extended."""

from datetime import date

from qotgate.store import Store, changes
from qotgate.store.database import move_generation, write_state

MONDAY, TUESDAY, FRIDAY = date(2026, 6, 22), date(2026, 6, 23), date(2026, 6, 26)


def moved(store: Store, number: int, **touched: date) -> None:
    with store.writing() as connection:
        for part, day in touched.items():
            changes.touch(connection, part, day)
        move_generation(connection, number)


def changed(store: Store, part: changes.Subject, known: int, generation: int) -> date | None:
    with store.reading() as connection:
        return changes.changed_from(connection, part, known, generation)


def test_the_earliest_day_of_all_generations_between_counts(store: Store) -> None:
    moved(store, 1, ark=MONDAY)
    moved(store, 2, ark=FRIDAY, ratings=FRIDAY)
    moved(store, 3, ark=TUESDAY)
    assert changed(store, "ark", 1, 3) == TUESDAY
    assert changed(store, "ark", 1, 2) == FRIDAY
    assert changed(store, "ratings", 0, 3) == FRIDAY
    assert changed(store, "ratings", 2, 3) == date.max
    assert changed(store, "ark", 3, 3) == date.max


def test_a_generation_that_is_not_written_down_leaves_the_day_unknown(store: Store) -> None:
    moved(store, 1, ark=MONDAY)
    with store.writing() as connection:
        # As an earlier version writes it.
        write_state(connection, "generation", "2")
    moved(store, 3, ark=FRIDAY)
    assert changed(store, "ark", 1, 3) is None
    assert changed(store, "ark", 2, 3) == FRIDAY
    assert changed(store, "ark", 4, 3) is None


def test_only_the_latest_generations_are_kept(store: Store) -> None:
    for number in range(1, changes.MAX_GENERATIONS + 3):
        moved(store, number, ark=MONDAY)
    last = changes.MAX_GENERATIONS + 2
    assert changed(store, "ark", 1, last) is None
    assert changed(store, "ark", 2, last) == MONDAY


def test_days_of_one_transaction_do_not_stay_for_the_next(store: Store) -> None:
    moved(store, 1, ark=MONDAY)
    moved(store, 2, ratings=TUESDAY)
    assert changed(store, "ark", 1, 2) == date.max
