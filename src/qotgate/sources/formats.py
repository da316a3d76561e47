"""The formats of published files: each is a module with its layout, and an entry in ``LAYOUTS``."""

from qotgate.model import DayOrder, ParsedFile
from qotgate.sources import (
    akshare_notes,
    ark_holdings,
    ark_notices,
    benzinga_notes,
    finnhub_notes,
    finviz_notes,
    fmp_notes,
    marketbeat_notes,
    plain_notes,
    summaries,
    yfinance_notes,
)
from qotgate.sources.layout import parse
from qotgate.sources.tabular import tables

LAYOUTS = (
    ark_notices.LAYOUT,  # before the holdings, whose columns are a subset
    ark_holdings.LAYOUT,
    ark_holdings.OWNERSHIP,  # after the holdings, which have a ticker too
    yfinance_notes.LAYOUT,
    benzinga_notes.LAYOUT,
    finnhub_notes.LAYOUT,
    marketbeat_notes.LAYOUT,  # before the plain notes, whose columns are a subset
    plain_notes.LAYOUT,
    fmp_notes.LAYOUT,  # after the plain notes, which have a word and may have a target
    akshare_notes.LAYOUT,
    finviz_notes.LAYOUT,
    summaries.COUNTS,
    summaries.TARGETS,
)


def read_here(content: bytes, *, name: str = "", dates: DayOrder | None = None) -> ParsedFile:
    """Read a file in this process, which a foreign format may crash; otherwise as
    :func:`qotgate.sources.read`.

    Raises Unreadable, and MemoryError.
    """
    return parse(tables(content), LAYOUTS, name, dates)
