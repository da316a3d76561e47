"""ARK's daily holdings files: one fund's book on one day, or a history of them joined into one file.

Published by ark-funds.com in the columns ``date,fund,company,ticker,cusip,shares,"market
value($)",weight(%)`` and, later, with a blank before the units. Some days were published without a shares
column; such a file cannot show trades and is refused. The weight column is required because it distinguishes
holdings from trade notices whose direction column has been removed.
"""

from qotgate.model import FileKind, Holding
from qotgate.sources.ark_lines import (
    COLUMNS,
    DAY,
    FUND,
    MOST_SHARES,
    SECURITY,
    fund_and_day,
    security_of,
)
from qotgate.sources.batches import Batch, Reader
from qotgate.sources.cells import number, shown
from qotgate.sources.json_tables import outer
from qotgate.sources.layout import Layout, Row
from qotgate.sources.lines import Cell


def _shares(cell: Cell) -> float:
    shares = number(cell)
    if shares is None:
        raise ValueError("is blank")
    if abs(shares) > MOST_SHARES:
        raise ValueError(f"is {shown(cell)}, more than {MOST_SHARES:.0e} shares")
    return shares


def _value(cell: Cell) -> float | None:
    return number(cell, "$")


def _weight(cell: Cell) -> float | None:
    return number(cell, "%")


def _holding(row: Row) -> Holding:
    fund, day = fund_and_day(row)
    ticker, identifier, name = security_of(row)
    shares = row.value("shares", _shares)
    value, weight = row.value("market value", _value), row.value("weight", _weight)
    return Holding(fund, day, ticker, identifier, name, shares, value, weight, line=row.number)


_NUMBERS = {
    "shares": Reader(_shares, remembers=False),
    "market value": Reader(_value, remembers=False),
    "weight": Reader(_weight),
}


def _holdings(batch: Batch) -> list[Holding | None]:
    return batch.records(
        Holding,
        batch.values(FUND, "fund"),
        batch.values(DAY, "date"),
        *batch.parts(SECURITY, "ticker", "cusip", "name"),
        *(batch.values(reader, field) for field, reader in _NUMBERS.items()),
    )


LAYOUT = Layout(
    title="ARK holdings",
    kind=FileKind.HOLDINGS,
    columns={
        **COLUMNS,
        "market value": ("marketvalue", "marketvalueusd", "value"),
        "weight": ("weight", "marketweight", "weightpercent"),
    },
    required=("date", "fund", "ticker", "shares", "weight"),
    record=_holding,
    batch=_holdings,
)


OWNERSHIP = Layout(
    title="the funds that hold a stock",
    kind=FileKind.HOLDINGS,
    columns={
        "stock": (outer("symbol"),),
        "date": COLUMNS["date"],
        "fund": ("fund",),
        "shares": ("shares",),
        "weight": ("weight",),
    },
    required=("stock", "date", "fund", "shares", "weight"),
    refusal="it lists the funds that hold one stock, not the whole book of a fund; load the funds' holdings",
)
"""``stock/fund-ownership`` of arkfunds.io, which is refused: it has one line of each fund's book."""
