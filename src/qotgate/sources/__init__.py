"""Published files to records: bytes in, model records and the lines left out.

A format is a module that describes its layout, and one line of ``_LAYOUTS`` here. Pure: no files, no
network, no clock, no SQL; what comes in is judged by its bytes, and its name only fills a gap in them.
"""

from qotgate.model import ParsedFile
from qotgate.sources import (
    ark_holdings,
    ark_notices,
    benzinga_notes,
    finnhub_notes,
    fmp_notes,
    plain_notes,
    yfinance_notes,
)
from qotgate.sources.layout import parse
from qotgate.sources.opening import opener
from qotgate.sources.tabular import is_text, tables

_LAYOUTS = (
    ark_notices.LAYOUT,  # before the holdings, whose columns it has and one more
    ark_holdings.LAYOUT,
    ark_holdings.OWNERSHIP,  # after the holdings, which also have a ticker
    yfinance_notes.LAYOUT,
    benzinga_notes.LAYOUT,
    finnhub_notes.LAYOUT,
    plain_notes.LAYOUT,
    fmp_notes.LAYOUT,  # after the plain notes, which have a word and perhaps a target
)


def read(content: bytes, *, name: str = "") -> ParsedFile:
    """Read one published file: ARK holdings, ARK trade notices or analyst notes; CSV, JSON, Parquet, .xls or
    .xlsx.

    The format is told by the content, never by the name, which only tells the ticker of yfinance's notes
    where they do not. Raises Unreadable with one sentence if the file as a whole cannot be read; a line that
    cannot is among the rejects of the answer. A file with a header and nothing below it gives no records.
    """
    return read_here(content, name=name) if is_text(content) else opener.read(content, name)


def read_here(content: bytes, *, name: str = "") -> ParsedFile:
    """The same in this process, which a foreign format may end. Raises Unreadable, and MemoryError."""
    return parse(tables(content), _LAYOUTS, name)


__all__ = ["read", "read_here"]
