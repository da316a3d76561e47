"""ARK's trade notices: a fund's purchases and sales on one day, as mailed (.xls, .xlsx) or converted to CSV.

The mailed workbooks have three rows of disclaimer above the header, dates as text, and CUSIPs of digits as
numbers. The last column is the trade in percent of the fund: 0.0153 means 0.0153 percent.
"""

from qotgate.model import FileKind, Notice
from qotgate.sources.ark_lines import COLUMNS, MOST_SHARES, fund_and_day, security_of
from qotgate.sources.cells import number, shown
from qotgate.sources.json_tables import outer
from qotgate.sources.layout import Layout, Row
from qotgate.sources.lines import Cell

_SIGNS = {
    **dict.fromkeys(("BUY", "B", "BOUGHT"), 1),
    **dict.fromkeys(("SELL", "S", "SOLD"), -1),
}


def _whole(cell: Cell) -> int:
    shares = number(cell)
    if shares is None or not shares.is_integer() or not 0 < shares <= MOST_SHARES:
        raise ValueError(f"is {shown(cell)}, not a whole number of shares above 0")
    return int(shares)


def _notice(row: Row) -> Notice:
    fund, day = fund_and_day(row)
    ticker, identifier, name = security_of(row)
    direction = row.required("direction")
    if direction.upper() not in _SIGNS:
        raise ValueError(f"direction is {shown(direction)}, neither Buy nor Sell")
    return Notice(
        fund=fund,
        day=day,
        ticker=ticker,
        identifier=identifier,
        name=name,
        shares=_SIGNS[direction.upper()] * row.value("shares", _whole),
        weight=row.value("weight", lambda cell: number(cell, "%")),
        line=row.number,
    )


LAYOUT = Layout(
    title="ARK trade notices",
    kind=FileKind.NOTICES,
    columns={
        **COLUMNS,
        # A response about one stock names it outside the list; a list of holdings in that form would not be a
        # book.
        "ticker": (*COLUMNS["ticker"], outer("symbol")),
        "direction": ("direction", "side", "action", "buysell"),
        "weight": (
            "ofetf",
            "etfpercent",
            "percentofetf",
            "oftotaletf",
            "percentoftotaletf",
            "offund",
            "weight",
        ),
    },
    required=("fund", "date", "direction", "ticker", "shares"),
    record=_notice,
)
