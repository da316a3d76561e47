"""The formats of published files: each is a module with its layout, and one line of ``LAYOUTS``."""

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
from qotgate.sources.tabular import tables

LAYOUTS = (
    ark_notices.LAYOUT,  # before the holdings, whose columns it has and one more
    ark_holdings.LAYOUT,
    ark_holdings.OWNERSHIP,  # after the holdings, which also have a ticker
    yfinance_notes.LAYOUT,
    benzinga_notes.LAYOUT,
    finnhub_notes.LAYOUT,
    plain_notes.LAYOUT,
    fmp_notes.LAYOUT,  # after the plain notes, which have a word and perhaps a target
)


def read_here(content: bytes, *, name: str = "") -> ParsedFile:
    """Read a file in this process, which a foreign format may end; the rest as :func:`qotgate.sources.read`.

    Raises Unreadable, and MemoryError.
    """
    return parse(tables(content), LAYOUTS, name)
