"""A Parquet file as a table of lines: its column names, then its rows, numbered from 1."""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from qotgate.model import Unreadable
from qotgate.sources.lines import MAX_CELLS, MAX_COLUMNS, Line

DAMAGED = "the Parquet file is damaged or cut short; download it again"
MAX_BYTES = 512 << 20
TOO_LARGE = f"the Parquet file holds more than {MAX_CELLS:,} cells, or unpacks to more than 512 MiB"

if TYPE_CHECKING:
    import polars as pl


def parquet_table(content: bytes) -> Iterator[Line]:
    """The lines of a Parquet file; null, NaN and infinity are blank cells. Raises Unreadable."""
    try:
        frame = _frame(content)
    except (Unreadable, MemoryError):
        raise
    except BaseException as problem:
        # A panic in Rust raises PanicException, which derives from BaseException only.
        if isinstance(problem, Exception) or type(problem).__name__ == "PanicException":
            raise Unreadable(DAMAGED) from problem
        raise
    else:
        yield Line(0, list(frame.columns))
        for number, row in enumerate(frame.iter_rows(), 1):
            yield Line(number, ["" if cell is None else cell for cell in row])


def _frame(content: bytes) -> "pl.DataFrame":
    import polars as pl  # slow to import, and few files need it
    from polars import selectors

    schema = pl.read_parquet_schema(io.BytesIO(content))
    nested = [name for name, kind in schema.items() if kind.is_nested() or kind == pl.Object]
    if nested:
        raise Unreadable(f"its column {nested[0]!r} holds lists or records; save it with plain columns only")
    if len(schema) > MAX_COLUMNS:
        raise Unreadable(TOO_LARGE)
    frame = pl.read_parquet(io.BytesIO(content))
    if frame.height * frame.width > MAX_CELLS:
        raise Unreadable(TOO_LARGE)
    # A dictionary stores a long text once for many cells; as texts, each cell would have its own.
    words = selectors.by_dtype(pl.Categorical, pl.Enum)
    _check_texts(frame.select(words.cat.len_bytes().cast(pl.UInt64)))
    frame = frame.with_columns(
        selectors.binary().cast(pl.String, strict=False),  # old writers stored texts so
        words.cast(pl.String),
        selectors.decimal().cast(pl.Float64),
    )
    floats = selectors.float()
    frame = frame.with_columns(pl.when(floats.is_finite()).then(floats))
    _check_texts(frame.select(selectors.string().str.len_bytes().cast(pl.UInt64)))
    return frame


def _check_texts(lengths: "pl.DataFrame") -> None:
    """Raises Unreadable if the total length of the texts is too large."""
    if sum(column.sum() for column in lengths) > MAX_BYTES:
        raise Unreadable(TOO_LARGE)
