"""akshare's ``stock_js_price`` (later ``stock_price_js``): ratings and targets of US and Hong Kong stocks.

``name`` is the Chinese name followed by Reuters' code of the listing, ``特斯拉(TSLA.O)``. The others are
``latest_rating``, ``previous_rating``, ``latest_target_price``, ``previous_target_price``, ``institution``,
``pub_time``, and numbers that are ignored. The later function has them in Chinese: ``个股名称``, ``评级``,
``最新目标价``, ``先前目标价``, ``机构名称``, ``日期``.

Source: akshare.akfamily.xyz; for the codes, Reuters' list of exchange suffixes.
"""

import re

from qotgate.model import FileKind, Market, Note, Security
from qotgate.sources.cells import shown, text
from qotgate.sources.codes import note_security
from qotgate.sources.layout import Layout, Row
from qotgate.sources.lines import Cell
from qotgate.sources.note_lines import COLUMNS, note

_NAME = re.compile(r"(.*?) ?[((]([A-Za-z0-9]+)\.([A-Z]+)[))]")
_US = frozenset({"O", "OQ", "N", "K", "A", "P", "PK"})
_CLASS = re.compile(r"([A-Z]+)([a-z])")
"""Reuters writes a share class as a lower-case letter: ``BRKb.N``."""


def _named(cell: Cell) -> tuple[str, Security]:
    """The name and the listing in a cell. Raises ValueError."""
    match = _NAME.fullmatch(text(cell))
    if match is None:
        raise ValueError(f"is {shown(cell)}, without a code in parentheses such as (TSLA.O)")
    name, code, exchange = match.groups()
    if exchange in _US:
        return name, note_security(_CLASS.sub(r"\1.\2", code), Market.US)
    return name, note_security(f"{code}.{exchange}")


def _note(row: Row) -> Note:
    name, security = row.value("name", _named)
    return note(row, security)._replace(name=name)


LAYOUT = Layout(
    title="akshare's stock_js_price",
    kind=FileKind.NOTES,
    columns={
        **COLUMNS,
        "ticker": (),
        "name": ("name", "个股名称"),
        "firm": ("institution", "机构名称"),
        "rating": ("latestrating", "评级"),
        "price target": ("latesttargetprice", "最新目标价"),
        "date": ("pubtime", "日期"),
    },
    required=("name", "firm", "rating", "price target", "date"),
    record=_note,
)
