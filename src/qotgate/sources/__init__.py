"""Reads published files: bytes in, model records and rejects out.

Pure: no files, no network, no clock, no SQL. The bytes decide what a file is; its name only fills gaps.
"""

from qotgate.model import DayOrder, ParsedFile
from qotgate.sources.codes import SUFFIXES
from qotgate.sources.formats import read_here
from qotgate.sources.opening import opener
from qotgate.sources.tabular import is_text

__all__ = ["SUFFIXES", "read", "read_here"]


def read(content: bytes, *, name: str = "", dates: DayOrder | None = None) -> ParsedFile:
    """Read one published file: ARK holdings, ARK trade notices or analyst notes; CSV, JSON, Parquet, .xls or
    .xlsx.

    The content decides the format, never the name, which only provides the ticker of yfinance's and Finviz's
    notes if they have none. ``dates`` is the order of days such as 1/2/2024 in notes; without it the file
    must show its own. Raises Unreadable with one sentence if the whole file cannot be read; unreadable lines
    are rejects in the result. A file with only a header gives no records.
    """
    if is_text(content):
        return read_here(content, name=name, dates=dates)
    return opener.read(content, name, dates)
