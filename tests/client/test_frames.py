"""Tables of a page equal those that pandas makes of the same columns."""

from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qotgate.client.frames import frame_of

NUMBERS = st.integers(-(2**63), 2**63 - 1)
CELLS = [
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    st.floats(),
    NUMBERS,
    st.one_of(st.just("N/A"), st.floats()),
    st.one_of(st.just("N/A"), NUMBERS),
    st.one_of(NUMBERS, st.floats()),
    st.one_of(st.booleans(), st.none()),
]


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[Any]]:
    rows = draw(st.integers(0, 5))
    kinds = draw(st.lists(st.sampled_from(CELLS), min_size=1, max_size=5))
    return {f"c{n}": draw(st.lists(kind, min_size=rows, max_size=rows)) for n, kind in enumerate(kinds)}


@given(tables())
@example({"c0": ["N/A", float("nan")]})
def test_a_frame_is_what_pandas_makes_of_its_columns(table: dict[str, list[Any]]) -> None:
    wanted = pd.DataFrame(table) if any(table.values()) else pd.DataFrame([], columns=list(table))
    pd.testing.assert_frame_equal(frame_of(table), wanted, check_exact=True)


@pytest.mark.filterwarnings("ignore:.*infer_string")
@pytest.mark.skipif(pd.__version__ < "3", reason="text has been of dtype str since pandas 3")
def test_text_follows_the_options_of_pandas() -> None:
    table: dict[str, list[Any]] = {"text": ["a", "b"], "number": [1, 2]}
    assert str(frame_of(table)["text"].dtype) == "str"
    with pd.option_context("future.infer_string", False):
        pd.testing.assert_frame_equal(frame_of(table), pd.DataFrame(table))


def test_a_frame_may_be_changed_without_another_one_changing() -> None:
    table: dict[str, list[Any]] = {"text": ["a", "b"], "name": ["c", "d"], "number": [1.0, 2.0]}
    one, other = frame_of(table), frame_of(table)
    one.loc[0, "text"] = "changed"
    one.loc[0, "number"] = 5.0
    one.columns.name = "renamed"
    pd.testing.assert_frame_equal(other, pd.DataFrame(table))
    assert list(one["name"]) == ["c", "d"]
