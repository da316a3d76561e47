"""Notes give the same answers in any order of loading, in any pieces, and with repeats."""

import random
import tempfile
from dataclasses import astuple
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from qotgate.model import Market, RatingChangeType
from qotgate.service.coverage.status import status
from qotgate.service.loading import find_files, load
from qotgate.service.questions import Questions
from qotgate.service.ratings.changes import rating_changes
from qotgate.service.reference import Reference
from qotgate.store import Store, tables
from tests.support.paths import TABLES
from tests.support.recompute import rating_changes as recomputed_changes

HEADER = "ticker,name,firm,rating,price_target,date,prior_rating,prior_price_target,action,time"
rows = st.lists(
    st.builds(
        "{},Name,{},{},{},2026-01-0{},{},{},{},{}".format,
        st.sampled_from(["MU", "SHOP.TO"]),
        st.sampled_from(["UBS", "BofA", "B of A Securities"]),
        st.sampled_from(["Buy", "Hold", "Strong Buy", "Splendid"]),
        st.sampled_from(["", "10", "12"]),
        st.integers(1, 5),
        st.sampled_from(["", "Hold"]),
        st.sampled_from(["", "9"]),
        st.sampled_from(["", "initiates"]),
        st.sampled_from(["", "09:30", "16:00"]),
    ),
    min_size=1,
    max_size=14,
)


def answers(store: Store, reference: Reference) -> tuple[set[tuple[object, ...]], int, int]:
    """Every row of every page, and the counts of status."""
    questions = Questions(store, reference)
    found: set[tuple[object, ...]] = set()
    for market in (Market.US, Market.CA):
        for change_type in RatingChangeType:
            page, seen = None, 0
            while True:
                answer = rating_changes(questions, market, change_type, 3, page)
                found.update(map(astuple, answer.rows))
                seen += len(answer.rows)
                page = answer.next_page
                if page is None:
                    break
            assert seen == answer.all_count
    counted = status(store)
    return found, counted.reiterations, counted.prior_disagreements


def loaded(reference: Reference, *pieces: list[str]) -> tuple[set[tuple[object, ...]], int, int]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{folder}/notes.db")
        for number, piece in enumerate(pieces):
            path = Path(folder) / f"{number}.csv"
            path.write_text("\n".join([HEADER, *piece, ""]))
            load(store, reference, find_files([path]))
        result = answers(store, reference)
        store.close()
    return result


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows, st.randoms(use_true_random=False))
def test_order_pieces_and_repeats_do_not_matter(
    reference: Reference, lines: list[str], chance: random.Random
) -> None:
    expected = loaded(reference, lines)
    assert loaded(reference, lines[::-1]) == expected
    shuffled = list(lines)
    chance.shuffle(shuffled)
    cut = chance.randint(0, len(shuffled))
    assert loaded(reference, shuffled[cut:], shuffled[:cut] + shuffled[cut:], lines) == expected


@pytest.fixture(scope="module")
def real(real_url: str):
    store = Store.open(real_url)
    yield store
    store.close()


@pytest.mark.slow
def test_the_real_notes_are_counted_as_a_recomputation_counts_them(real: Store, shared_data: Path) -> None:
    expected = recomputed_changes(shared_data, TABLES)
    found = status(real)
    counts = {row["change_type"]: row["rows"] for row in found.spans["rating_changes"]}
    assert counts == {kind: len(rows) for kind, rows in expected.items()}
    notes = pd.read_csv(shared_data / "ratings" / "us_large_caps.csv")
    assert len(notes) == 26400
    # Each day of an institution on a stock is a change or a reiteration.
    assert found.reiterations == 26383 - sum(map(len, expected.values()))
    assert found.unknown_grades == {}
    assert found.prior_disagreements == 0


@pytest.mark.slow
def test_a_houses_history_runs_through_its_spellings(real: Store) -> None:
    history, note = tables.history, tables.note
    with real.reading() as connection:
        joined = note.c.history_id == history.c.id
        query = select(history.c.institution, note.c.firm).join_from(note, history, joined).distinct()
        spellings: dict[str, set[str]] = {}
        for institution, firm in connection.execute(query):
            spellings.setdefault(institution, set()).add(firm)
    assert spellings["KeyBanc Capital Markets"] == {"Keybanc", "KeyBanc"}
    assert {"Cowen & Co.", "TD Cowen"} <= spellings["TD Cowen"]
    assert {"SVB Leerink", "SVB Securities", "Leerink Partners", "Leerink Swann"} <= spellings[
        "Leerink Partners"
    ]
    # A merger does not join histories.
    assert spellings["Credit Suisse"] == {"Credit Suisse"}
    assert "Credit Suisse" not in spellings["UBS"]
    assert sum(map(len, spellings.values())) == 194
