"""What every container comes down to: lines of cells."""

from datetime import date, datetime, time, timedelta
from typing import NamedTuple

MAX_COLUMNS = 500
"""Cells of a line; published files have up to 30."""
MAX_LINES = 1_000_000
"""Lines of NDJSON: no published format has fewer than four columns. Bytes bound those of other texts."""
MAX_CELLS = 5_000_000
"""Cells of a table, as the rectangle around those that are filled."""

Cell = str | float | int | bool | date | datetime | time | timedelta


class Line(NamedTuple):
    """One row of a table. ``number`` is that under which a user finds it, from 1: the physical line of a text
    file, the row of a sheet, the record of a JSON or Parquet file, whose header, having no line, is 0.
    ``problem`` says why its cells cannot be told apart."""

    number: int
    cells: list[Cell]
    problem: str = ""
