"""The time of an uncached answer, by the length of the history."""

import statistics
from pathlib import Path
from time import perf_counter

from rich.table import Table

from gateway.dataset import codes, make_history
from qotgate.model import Market, Security
from qotgate.service.ark.dynamics import ark_stock_dynamic
from qotgate.service.questions import Questions
from qotgate.service.reference import load_reference
from qotgate.store import Store

SECURITIES = 240
MIB = 1 << 20


def by_history(folder: Path, sizes: list[int]) -> Table:
    """3424 on ever longer histories of six funds that hold 40 positions each, bypassing the cache."""
    table = Table(title=f"3424 that is not kept, by history; medians over {SECURITIES} securities")
    for column in ("rows of holdings", "trading days", "database MiB", "µs an answer", "µs the first"):
        table.add_column(column, justify="right")
    reference = load_reference()
    for size in sizes:
        path = folder / f"history{size}.db"
        url, days = make_history(path, size, securities=SECURITIES)
        store = Store.open(url)
        questions = Questions(store, reference)
        times = []
        for code in codes(SECURITIES):
            started = perf_counter()
            ark_stock_dynamic(questions, Security(Market.US, code))
            times.append(perf_counter() - started)
        store.close()
        table.add_row(
            f"{size:,}",
            f"{days:,}",
            f"{path.stat().st_size / MIB:,.0f}",
            f"{statistics.median(times) * 1e6:,.0f}",
            f"{times[0] * 1e6:,.0f}",
        )
        path.unlink()
    return table
