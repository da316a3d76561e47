"""A dynamic reads only what it needs: it answers as if from all of the history, at the cost of a window."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, insert

from qotgate.ark.dynamics import daily_sums, dynamic
from qotgate.model import InvalidRequest, Market, Security
from qotgate.service.ark.dynamics import ark_stock_dynamic
from qotgate.service.questions import Questions
from qotgate.service.reference import Reference
from qotgate.store import Store, tables
from qotgate.store.database import generation, write_state

FIRST = date(2026, 1, 1)
FUNDS = ("ARKK", "ARKW")
TSLA = Security(Market.US, "TSLA")

trades = st.lists(
    st.tuples(st.integers(0, 120), st.sampled_from(FUNDS), st.sampled_from((-5, 5, 7)), st.integers(0, 9)),
    unique_by=lambda trade: trade[:2],
    max_size=30,
)


def fill(store: Store, rows: list[tuple[int, str, int, int]], last: int) -> None:
    """Trades (day, fund, shares, days until it is known) of one security, with data up to day ``last``."""
    with store.writing() as connection:
        for table in (tables.trade, tables.ark_day, tables.spelling, tables.security):
            connection.execute(delete(table))
        connection.execute(insert(tables.security).values(id=1, code="US.TSLA", name="Tesla"))
        end = FIRST + timedelta(days=last)
        spelled = {"ticker": "TSLA", "identifier": "", "name": "Tesla", "code": "US.TSLA", "believed": True}
        days = {"first_day": FIRST, "last_day": end}
        connection.execute(insert(tables.spelling).values(id=1, security_id=1, **spelled, **days))
        for known in {FIRST, end}:
            values = {"fund": "ARKK", "day": known, "source": "notice", "through": known}
            connection.execute(insert(tables.ark_day).values(values))
        for day, fund, shares, late in rows:
            connection.execute(
                insert(tables.trade).values(
                    security_id=1,
                    day=FIRST + timedelta(days=day),
                    fund=fund,
                    shares=shares,
                    through=FIRST + timedelta(days=day + late),
                )
            )
        write_state(connection, "generation", str(generation(connection) + 1))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=trades, as_of=st.integers(0, 130))
@pytest.mark.slow
def test_the_window_says_what_all_of_the_history_says(
    store: Store, reference: Reference, rows: list[tuple[int, str, int, int]], as_of: int
) -> None:
    fill(store, rows, last=130)
    day = FIRST + timedelta(days=as_of)
    known = sorted(
        (FIRST + timedelta(days=number), fund, shares)
        for number, fund, shares, late in rows
        if number + late <= as_of
    )
    sums = daily_sums([(fund, of, shares) for of, fund, shares in known], {}, day)
    expected = replace(dynamic(sums, day), known_to=day)
    assert ark_stock_dynamic(Questions(store, reference, funds=FUNDS), TSLA, day) == expected


def test_a_day_before_the_first_is_refused(store: Store, reference: Reference) -> None:
    fill(store, [(0, FUNDS[0], 5, 0)], last=1)
    questions = Questions(store, reference, funds=FUNDS)
    for day in (date.min, FIRST - timedelta(days=1)):
        with pytest.raises(InvalidRequest, match=f"as_of takes a day from {FIRST} on, .* not {day}"):
            ark_stock_dynamic(questions, TSLA, day)


@pytest.mark.parametrize("new_url", ["sqlite"], indirect=True)  # the connection that counts its steps
@pytest.mark.parametrize("ends", [0, 60], ids=["trades in the window", "trades before it"])
def test_ten_times_the_history_costs_no_more(store: Store, reference: Reference, ends: int) -> None:
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    @event.listens_for(store.engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        connection.set_progress_handler(count, 1)

    store.engine.dispose()
    questions = Questions(store, reference, funds=FUNDS)
    costs = [_cost(questions, steps, fill_days, ends) for fill_days in (100, 1000)]
    assert costs[0] > 50
    assert costs[1] == pytest.approx(costs[0], rel=0.02)


def _cost(questions: Questions, steps: list[int], days: int, ends: int) -> int:
    """SQLite's work for the second answer in a generation, in its own steps."""
    fill(questions.store, [(day, fund, 5, 0) for day in range(days) for fund in FUNDS], last=days - 1 + ends)
    ark_stock_dynamic(questions, TSLA)
    before = steps[0]
    ark_stock_dynamic(questions, TSLA)
    return steps[0] - before
