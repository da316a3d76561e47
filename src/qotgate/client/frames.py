"""DataFrames of a page of rows. Imported on demand, since pandas is slow to import."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

# Available since pandas 3, whose type stubs lack it.
_from_blocks: Callable[..., pd.DataFrame] | None = getattr(
    getattr(pd.api, "internals", None), "create_dataframe_from_blocks", None
)
NUMBERS = {int: np.int64, float: np.float64}


def frame_of(table: Mapping[str, list[Any]]) -> pd.DataFrame:
    """The result of ``pd.DataFrame(table)``, in a third of the time for a page; columns have equal lengths,
    and their integers 64 bits. Raises UnicodeError for bytes, as which protobuf gives text that is not
    UTF-8."""
    rows = len(next(iter(table.values()), ()))
    kinds = [set(map(type, values)) for values in table.values()]
    if any(bytes in one for one in kinds):
        raise UnicodeError("text that is not UTF-8")
    plain = all(one <= {str, int, float} and one != {int, float} for one in kinds)
    # A text column with NaN is one of text to pandas.
    plain = plain and not any(
        {str, float} <= kind and any(value != value for value in values)
        for kind, values in zip(kinds, table.values(), strict=True)
    )
    text = pd.api.types.pandas_dtype(str)
    # With a pandas option that keeps text as objects, text has another dtype.
    if _from_blocks is None or not rows or not plain or not isinstance(text, pd.StringDtype):
        # Without rows pandas would make numeric columns.
        return pd.DataFrame(table) if rows else pd.DataFrame([], columns=list(table))
    # The columns of a kind are converted together; those of text are slices of the result.
    alike: dict[type, list[int]] = {}
    for place, kind in enumerate(kinds):
        alike.setdefault(next(iter(kind)) if len(kind) == 1 else object, []).append(place)
    columns, names, places = list(table.values()), *_names(tuple(table))
    blocks: list[tuple[Any, Any]] = []
    for one, found in alike.items():
        if one is str:
            values = np.array([value for place in found for value in columns[place]], object)
            whole = pd.array(values, dtype=text)
            blocks += (
                (whole[start : start + rows], places[place : place + 1])
                for place, start in zip(found, range(0, len(values), rows), strict=True)
            )
        else:
            values = np.array([columns[place] for place in found], NUMBERS.get(one, object))
            blocks.append((values, places[found]))
    return _from_blocks(blocks, pd.RangeIndex(rows), names.view())


@lru_cache(maxsize=16)
def _names(columns: tuple[str, ...]) -> "tuple[pd.Index[str], np.ndarray[Any, np.dtype[np.intp]]]":
    """The index of the columns, and their places."""
    return pd.Index(columns), np.arange(len(columns))
