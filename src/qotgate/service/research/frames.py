"""Parts of research tables as data frames, for what is written in columns: CSV, Parquet, SQL.

People open CSV in spreadsheets, which take a text that begins as a formula for one, and would run what a file
or a feed calls a company. Such a text has an apostrophe before it, in CSV alone; numbers are never touched.
"""

from re import escape

import polars as pl

from qotgate.model import Part
from qotgate.protocol.research import Kind, columns_of

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a formula begins in Excel, LibreOffice or Google Sheets; the wide ones where one types Chinese."""
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
    """The rows of a part. What is no finite number is null."""
    frame = pl.DataFrame(list(part.rows), schema_of(row), orient="row")
    reals = pl.col(pl.Float64)
    return frame.with_columns(pl.when(reals.is_finite()).then(reals))


def csv_of(frame: pl.DataFrame, *, header: bool = True) -> str:
    """The rows as CSV, safe for spreadsheets."""
    guarded = frame.with_columns(pl.col(pl.String).str.replace(_FORMULA, "'$0"))
    return guarded.write_csv(include_header=header)
