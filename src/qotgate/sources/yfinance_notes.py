"""yfinance's ``Ticker.upgrades_downgrades``, saved by pandas as CSV, JSON or Parquet.

The index is ``GradeDate`` (UTC), the columns ``Firm``, ``ToGrade``, ``FromGrade``, ``Action`` (init, up,
down, main, reit) and, in later versions, ``priceTargetAction``, ``currentPriceTarget`` and
``priorPriceTarget``, 0 if there is none. JSON loses the name of the index, writes it as milliseconds since
1970 by default, and in the form ``records`` omits it: such a file has no dates and is refused.

The frame has the notes of one ticker and does not name it: a column added by the user (``ticker``,
``symbol``) does, else the name of the file.
"""

from qotgate.model import FileKind, Note
from qotgate.sources.layout import Layout, Row
from qotgate.sources.note_lines import COLUMNS, note, of_row_or_file


def _note(row: Row) -> Note:
    return note(row, of_row_or_file(row, "yfinance's upgrades_downgrades"))


LAYOUT = Layout(
    title="yfinance upgrades_downgrades",
    kind=FileKind.NOTES,
    columns={
        **COLUMNS,
        "firm": ("firm",),
        "rating": ("tograde",),
        "prior rating": ("fromgrade",),
        "date": ("gradedate", "epochgradedate", "date", "index", "indexlevel0"),
    },
    required=("date", "firm", "rating", "prior rating", "action"),
    record=_note,
)
