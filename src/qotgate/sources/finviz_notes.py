"""Finviz's ratings of one stock, as the packages finvizfinance and finviz give them.

finvizfinance's ``ticker_outer_ratings``: ``Date``, ``Status``, ``Outer`` (the firm), ``Rating``, ``Price``; a
change is an arrow in the cell. finviz's ``get_analyst_price_targets``: ``date`` (``Aug-26-20``),
``category``, ``analyst`` (the firm), ``rating`` (with an arrow), ``price_from``, ``price_to``. Neither names
the stock: a column added by the user does, else the name of the file.

Source: github.com/lit26/finvizfinance, github.com/mariostoev/finviz.
"""

from qotgate.model import FileKind, Note
from qotgate.sources.layout import Layout, Row
from qotgate.sources.note_lines import COLUMNS, note, of_row_or_file


def _note(row: Row) -> Note:
    return note(row, of_row_or_file(row, "Finviz's ratings"))


LAYOUT = Layout(
    title="Finviz ratings",
    kind=FileKind.NOTES,
    columns={
        **COLUMNS,
        "firm": ("outer", "analyst"),
        "price target": ("priceto", "price"),
        "prior price target": ("pricefrom",),
        "action": ("status", "category"),
    },
    required=("date", "action", "firm", "rating"),
    record=_note,
)
