"""Published files to records: bytes in, model records and the lines left out.

A format is a module that describes its layout, and one line of ``_LAYOUTS`` here. Pure: no files, no
network, no clock, no SQL; what comes in is judged by its bytes alone.
"""

from qotgate.model import ParsedFile, Unreadable
from qotgate.sources import ark_holdings, ark_notices, plain_notes
from qotgate.sources.layout import parse
from qotgate.sources.tabular import tables

_LAYOUTS = (
    ark_notices.LAYOUT,  # before the holdings, whose columns it has and one more
    ark_holdings.LAYOUT,
    plain_notes.LAYOUT,
)


def read(content: bytes, *, name: str = "") -> ParsedFile:
    """Read one published file: ARK holdings, ARK trade notices or analyst notes; CSV, .xls or .xlsx.

    The format is told by the content, never by the name, which only begins the message of an error where it
    is given. Raises Unreadable with one sentence if the file as a whole cannot be read; a line that cannot
    is among the rejects of the answer. A file with a header and nothing below it gives no records.
    """
    try:
        return parse(tables(content), _LAYOUTS)
    except Unreadable as problem:
        if not name:
            raise
        raise Unreadable(f"{name}: {problem}") from problem


__all__ = ["read"]
