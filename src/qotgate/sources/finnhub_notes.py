"""Finnhub's upgrade-downgrade: a bare list of records.

``symbol``, ``gradeTime`` (seconds since 1970, UTC), ``company`` (the firm), ``fromGrade``, ``toGrade``,
``action`` (init, up, down, main, reit). There are no targets.

Source: finnhub.io/docs/api/upgrade-downgrade.
"""

from qotgate.model import FileKind
from qotgate.sources.layout import Layout
from qotgate.sources.note_lines import COLUMNS, note, notes

LAYOUT = Layout(
    title="Finnhub upgrade-downgrade",
    kind=FileKind.NOTES,
    columns={
        **COLUMNS,
        "firm": ("company",),
        "name": (),
        "rating": ("tograde",),
        "prior rating": ("fromgrade",),
        "date": ("gradetime",),
    },
    required=("ticker", "firm", "rating", "date"),
    record=note,
    batch=notes,
)
