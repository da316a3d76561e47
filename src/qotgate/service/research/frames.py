"""Parts of research tables as data frames, for columnar output: CSV, Parquet, SQL.

Users open CSV in spreadsheets, which would run a text that starts like a formula, such as a company name from
a file or feed. In CSV only, such a text gets an apostrophe in front; numbers stay unchanged.
"""

from re import escape

import polars as pl

from qotgate.model import Part
from qotgate.protocol.research import Kind, columns_of

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""The start of a formula in Excel, LibreOffice or Google Sheets; full-width characters for Chinese input."""
_FORMULA = f"^[{''.join(map(escape, FORMULA_STARTS))}]"
TYPES: dict[Kind, type[pl.DataType]] = {
    Kind.TEXT: pl.String,
    Kind.WHOLE: pl.Int64,
    Kind.REAL: pl.Float64,
    Kind.TRUTH: pl.Boolean,
    Kind.DAY: pl.Date,
}


def schema_of(row: type) -> dict[str, type[pl.DataType]]:
    """The columns of a table, and their types."""
    return {name: TYPES[kind] for name, (kind, _) in columns_of(row).items()}


def frame_of(row: type, part: Part[tuple[object, ...]]) -> pl.DataFrame:
    """The rows of a part. Numbers that are not finite become null."""
    frame = pl.DataFrame(list(part.rows), schema_of(row), orient="row")
    reals = pl.col(pl.Float64)
    return frame.with_columns(pl.when(reals.is_finite()).then(reals))


def csv_of(frame: pl.DataFrame, *, header: bool = True) -> str:
    """The rows as CSV, safe for spreadsheets."""
    guarded = frame.with_columns(pl.col(pl.String).str.replace(_FORMULA, "'$0"))
    return guarded.write_csv(include_header=header)
