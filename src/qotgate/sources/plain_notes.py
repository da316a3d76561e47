"""Analyst notes as a plain table: one note of one institution on one security a row.

Feeds and exports of this form differ in their headers only. Ticker, firm, rating and date are required.
Financial Modeling Prep's grades are such a table, see ``fmp_notes``.
"""

from qotgate.model import FileKind
from qotgate.sources.layout import Layout
from qotgate.sources.note_lines import COLUMNS, note, notes

LAYOUT = Layout(
    title="analyst notes",
    kind=FileKind.NOTES,
    columns=COLUMNS,
    required=("ticker", "firm", "rating", "date"),
    record=note,
    batch=notes,
)
