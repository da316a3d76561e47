"""MarketBeat's lists of ratings, as the site exports them.

``Company``, ``Symbol``, ``Action`` (Upgrade, Boost Price Target, ...), ``Brokerage``, ``Analyst Name``,
``Current Price``, ``Price Target`` and ``Rating`` (each with an arrow if the previous value is known),
``Impact on Share Price``, ``Date`` (M/D/Y).

Source: marketbeat.com/ratings.
"""

from qotgate.model import DayOrder, FileKind
from qotgate.sources.layout import Layout
from qotgate.sources.note_lines import COLUMNS, note

LAYOUT = Layout(
    title="MarketBeat ratings",
    kind=FileKind.NOTES,
    columns={**COLUMNS, "firm": ("brokerage",), "impact": ("impactonshareprice", "impact")},
    required=("ticker", "firm", "rating", "date", "impact"),
    record=note,
    dates=DayOrder.MDY,
)
