"""New names for old positions, in any order of arrival."""

from hypothesis import given
from hypothesis import strategies as st

from qotgate.ark.corporate import Position, renames

GONE = {"old": Position(10_000, 20.0), "other": Position(37_000, 8.0)}
NEW = {"near": Position(10_000, 20.5), "far": Position(10_000, 29.0), "share": Position(37_010, 8.0)}


@given(gone=st.permutations(list(GONE)), new=st.permutations(list(NEW)))
def test_the_order_of_names_says_nothing(gone: list[str], new: list[str]) -> None:
    found = renames({name: GONE[name] for name in gone}, {name: NEW[name] for name in new})
    assert found == {"near": ("old", 1), "share": ("other", 1)}


@given(st.permutations(["a", "b", "c"]))
def test_of_two_that_fit_equally_the_larger_takes_over(order: list[str]) -> None:
    sizes = {"a": 10_050, "b": 9_950, "c": 3_000}
    found = renames({"old": Position(10_000, 20.0)}, {name: Position(sizes[name], 20.0) for name in order})
    assert found == {"a": ("old", 1)}
