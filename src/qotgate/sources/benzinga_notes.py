"""Benzinga's calendar of ratings, ``{"ratings": [...]}`` or a table of its records.

``ticker``, ``exchange``, ``name``, ``currency``, ``date``, ``time``, ``analyst`` (the firm), ``analyst_name``
(the person), ``action_company`` (Initiates Coverage On, Upgrades, Downgrades, Maintains, Reiterates,
Reinstates, Assumes), ``action_pt``, ``rating_current``, ``rating_prior``, ``pt_current``, ``pt_prior``,
``adjusted_pt_current``, ``adjusted_pt_prior``. All are texts, '' if missing. Adjusted targets are adjusted
for later splits.

Source: docs.benzinga.com, Calendar API v2.1, ratings.
"""

from qotgate.model import FileKind
from qotgate.sources.layout import Layout
from qotgate.sources.note_lines import COLUMNS, note, notes

LAYOUT = Layout(
    title="Benzinga ratings",
    kind=FileKind.NOTES,
    columns={
        **COLUMNS,
        "firm": ("analyst",),
        "rating": ("ratingcurrent",),
        "prior rating": ("ratingprior",),
        "price target": ("ptcurrent",),
        "prior price target": ("ptprior",),
        "action": ("actioncompany",),
    },
    required=("ticker", "firm", "rating", "date"),
    record=note,
    batch=notes,
)
