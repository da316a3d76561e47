"""Summaries over analysts, which are recognised but not read: they name neither the institution nor its
rating.

Counts of grades: FMP's grades-historical and grades-consensus, Finnhub's recommendation, Yahoo's
``recommendationTrend`` and yfinance's ``recommendations``. Consensus of targets: FMP's
price-target-consensus, yfinance's ``analyst_price_targets``.
"""

from qotgate.model import FileKind
from qotgate.sources.layout import Layout

COUNTS = Layout(
    title="counts of grades",
    kind=FileKind.NOTES,
    columns={
        "buy": ("buy", "analystratingsbuy"),
        "hold": ("hold", "analystratingshold"),
        "sell": ("sell", "analystratingssell"),
        "date": ("date", "period"),
    },
    required=("buy", "hold", "sell"),
    refusal="it has counts of grades (so many buy, hold, sell) and names no institution; load the notes "
    "themselves, as FMP's grades or Yahoo's upgradeDowngradeHistory",
)
TARGETS = Layout(
    title="a consensus of targets",
    kind=FileKind.NOTES,
    columns={
        "high": ("targethigh", "high"),
        "low": ("targetlow", "low"),
        "median": ("targetmedian", "median"),
        "date": ("date",),
    },
    required=("high", "low", "median"),
    refusal="it has a consensus of price targets and names no institution; load the notes themselves, as "
    "FMP's price-target-news or Benzinga's ratings",
)
