"""Published files to records: bytes in, model records and the lines left out.

Pure: no files, no network, no clock, no SQL; what comes in is judged by its bytes, and its name only fills a
gap in them.
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

    The format is told by the content, never by the name, which only tells the ticker of yfinance's and
    Finviz's notes where they do not. ``dates`` is the order of days such as 1/2/2024 in notes; without it
    the file must show its own. Raises Unreadable with one sentence if the file as a whole cannot be read; a
    line that cannot is among the rejects of the answer. A file with a header and nothing below it gives no
    records.
    """
    if is_text(content):
        return read_here(content, name=name, dates=dates)
    return opener.read(content, name, dates)
