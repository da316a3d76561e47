"""Published files to records: bytes in, model records and the lines left out.

Pure: no files, no network, no clock, no SQL; what comes in is judged by its bytes, and its name only fills a
gap in them.
"""

from qotgate.model import ParsedFile
from qotgate.sources.formats import read_here
from qotgate.sources.opening import opener
from qotgate.sources.tabular import is_text

__all__ = ["read", "read_here"]


def read(content: bytes, *, name: str = "") -> ParsedFile:
    """Read one published file: ARK holdings, ARK trade notices or analyst notes; CSV, JSON, Parquet, .xls or
    .xlsx.

    The format is told by the content, never by the name, which only tells the ticker of yfinance's notes
    where they do not. Raises Unreadable with one sentence if the file as a whole cannot be read; a line that
    cannot is among the rejects of the answer. A file with a header and nothing below it gives no records.
    """
    return read_here(content, name=name) if is_text(content) else opener.read(content, name)
