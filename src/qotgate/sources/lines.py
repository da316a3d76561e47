"""The common form of every container: lines of cells."""

from datetime import date, datetime, time, timedelta
from typing import NamedTuple

MAX_COLUMNS = 500
"""Cells in a line; published files have up to 30."""
MAX_LINES = 1_000_000
"""Lines of NDJSON: no published format has fewer than four columns. Other texts are bounded by their
bytes."""
MAX_CELLS = 5_000_000
"""Cells in a table, counted as the rectangle around the filled ones."""

Cell = str | float | int | bool | date | datetime | time | timedelta


class Line(NamedTuple):
    """One row of a table. ``number`` is its number for the user, from 1: the physical line of a text file,
    the row of a sheet, the record of a JSON or Parquet file (whose header, having no line, is 0). ``problem``
    is the reason if its cells cannot be separated."""

    number: int
    cells: list[Cell]
    problem: str = ""
