"""Financial Modeling Prep's price targets, and its grades.

Price targets: ``symbol``, ``publishedDate``, ``newsURL``, ``newsTitle``, ``analystName``, ``priceTarget``,
``adjPriceTarget``, ``priceWhenPosted``, ``newsPublisher``, ``newsBaseURL``, ``analystCompany``. They have no
grade, so their notes have a target without a word. ``adjPriceTarget`` is adjusted for later splits, 0 if
unknown.

Grades: ``symbol``, ``date`` (``publishedDate`` in the news and the older upgrades-downgrades),
``gradingCompany``, ``previousGrade``, ``newGrade``, ``action`` (initialise, upgrade, downgrade, maintain,
hold). The plain table of notes has these headers, and reads them.

Source: site.financialmodelingprep.com/developer/docs, Price Target and Stock Grades.
"""

from qotgate.model import FileKind
from qotgate.sources.layout import Layout
from qotgate.sources.note_lines import COLUMNS, note, notes

LAYOUT = Layout(
    title="FMP price targets",
    kind=FileKind.NOTES,
    columns={
        **COLUMNS,
        "firm": ("analystcompany",),
        "price target": ("pricetarget",),
        "date": ("publisheddate",),
    },
    required=("ticker", "firm", "price target", "date"),
    record=note,
    batch=notes,
)
