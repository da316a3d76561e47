"""The dynamic of a stock, case by case, and on random histories against a plain restatement of the rules."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qotgate.ark.dynamics import Split, daily_sums, dynamic
from qotgate.model import DynamicType

AS_OF = date(2026, 6, 30)


def days_ago(n: int) -> date:
    return AS_OF - timedelta(days=n)


@pytest.mark.parametrize(
    ("sums", "kind", "count", "net", "last"),
    [
        ([], DynamicType.NO_DYNAMIC, 0, 0, None),
        ([(40, 7), (30, -5)], DynamicType.LAST_TRANSACTION, 1, -5, 30),
        ([(29, -5)], DynamicType.RECENT_TRANSACTION, 1, -5, 29),
        ([(20, 10), (5, -4)], DynamicType.RECENT_TRANSACTION, 2, 6, 5),
        ([(20, 10), (9, 1), (5, 4)], DynamicType.CONSECUTIVE_SAME_DIRECTION, 3, 15, 5),
        ([(20, -10), (9, 1), (5, 4)], DynamicType.CONSECUTIVE_SAME_DIRECTION, 2, 5, 5),
        # The run is counted within the window: one transaction of it is left here, so it is no run.
        ([(30, -10), (5, -4)], DynamicType.RECENT_TRANSACTION, 1, -4, 5),
        ([(30, -10), (29, -2), (0, -4)], DynamicType.CONSECUTIVE_SAME_DIRECTION, 2, -6, 0),
    ],
)
def test_cases(
    sums: list[tuple[int, int]], kind: DynamicType, count: int, net: int, last: int | None
) -> None:
    answer = dynamic([(days_ago(ago), n) for ago, n in sums], AS_OF)
    expected = (kind, count, net, None if last is None else days_ago(last))
    assert (
        answer.dynamic_type,
        answer.transaction_count,
        answer.net_shares,
        answer.last_transaction_day,
    ) == expected


def test_a_day_that_sums_to_nothing_is_no_transaction() -> None:
    trades = [("ARKK", days_ago(3), 100), ("ARKW", days_ago(3), -100), ("ARKK", days_ago(2), 5)]
    assert daily_sums(trades, {}, AS_OF) == [(days_ago(2), 5)]


def test_earlier_counts_are_in_later_units() -> None:
    trades = [("ARKK", days_ago(9), 100), ("ARKK", days_ago(4), 7)]
    seen = {"ARKK": [Split(days_ago(4), Fraction(10)), Split(days_ago(2), Fraction(1, 2))]}
    assert daily_sums(trades, seen, AS_OF) == [(days_ago(9), 500), (days_ago(4), 4)]
    assert daily_sums(trades, seen, days_ago(4)) == [(days_ago(9), 1000), (days_ago(4), 7)]


def test_a_split_that_funds_show_on_different_days_is_one_split() -> None:
    seen = {"ARKK": [Split(days_ago(4), Fraction(5))], "ARKW": [Split(days_ago(6), Fraction(5))]}
    trades = [("ARKK", days_ago(9), 100), ("ARKW", days_ago(9), 1), ("ARKQ", days_ago(9), 10)]
    assert daily_sums(trades, seen, AS_OF) == [(days_ago(9), 555)]
    # Each fund's trades between the two days are in the units of its own files.
    between = [("ARKK", days_ago(5), 100), ("ARKW", days_ago(5), 1)]
    assert daily_sums(between, seen, AS_OF) == [(days_ago(5), 501)]


def test_two_splits_of_one_ratio_are_two() -> None:
    seen = {"ARKK": [Split(days_ago(60), Fraction(2)), Split(days_ago(4), Fraction(2))]}
    assert daily_sums([("ARKW", days_ago(90), 1)], seen, AS_OF) == [(days_ago(90), 4)]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(-5, 5))), st.integers(1, 45))
def test_random_histories(history: list[tuple[int, int]], window: int) -> None:
    by_day: dict[date, int] = {}
    for ago, shares in history:
        by_day[days_ago(ago)] = by_day.get(days_ago(ago), 0) + shares
    transactions = {day: n for day, n in sorted(by_day.items()) if n}
    answer = dynamic(
        daily_sums([("ARKK", days_ago(ago), n) for ago, n in history], {}, AS_OF), AS_OF, window_days=window
    )
    inside = [n for day, n in transactions.items() if (AS_OF - day).days < window]
    if not transactions:
        assert answer.dynamic_type is DynamicType.NO_DYNAMIC
    elif not inside:
        assert answer.dynamic_type is DynamicType.LAST_TRANSACTION
        assert answer.net_shares == list(transactions.values())[-1]
    elif len(inside) > 1 and inside[-1] * inside[-2] > 0:
        assert answer.dynamic_type is DynamicType.CONSECUTIVE_SAME_DIRECTION
        n = answer.transaction_count
        assert answer.net_shares == sum(inside[-n:])
        assert len({shares > 0 for shares in inside[-n:]}) == 1
        assert n == len(inside) or inside[-n - 1] * inside[-1] < 0
    else:
        assert answer.dynamic_type is DynamicType.RECENT_TRANSACTION
        assert (answer.transaction_count, answer.net_shares) == (len(inside), sum(inside))
