"""How long research tables take over five years of made-up trades, each in one call of the typed client to a
gateway with default options."""

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent))

from qotgate import QuoteClient
from qotgate.service.calendar import ark_sessions
from tests.support.long_history import write_trades
from tests.support.serving import serving

SESSIONS = ark_sessions(date(2019, 1, 2), date(2024, 1, 2))
STOCKS = 100
EVERY = 10
"""Days between a fund's trades in a stock: ten trades a fund and day."""
PANEL_DAYS = 60
RUNS = 5


def main() -> None:
    table = Table("one call", "rows", "ms, the first", "ms, the best", "rows/s")
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/qotgate.db"
        write_trades(url, SESSIONS, STOCKS, EVERY)
        with (
            serving(url, "--log-level", "error") as gateway,
            QuoteClient(port=gateway.port, timeout=120) as client,
        ):
            codes = [f"US.N{number}" for number in range(1, STOCKS + 1)]
            days, year = SESSIONS[-PANEL_DAYS:], SESSIONS[-250]
            calls: dict[str, Callable[[], int]] = {
                f"dynamics of {STOCKS} stocks on {PANEL_DAYS} days": lambda: len(
                    client.ark_dynamics(codes, as_of=days)
                ),
                "trades of a year": lambda: len(client.ark_trades(year).to_polars()),
                "transactions of a year": lambda: len(client.ark_transactions(year).to_polars()),
                "trades of one stock in five years": lambda: len(
                    client.ark_trades(codes="US.N1").to_polars()
                ),
                "streaks": lambda: len(client.streaks(days=2).rows()),
            }
            for name, call in calls.items():
                seconds = []
                for _ in range(RUNS):
                    started = time.perf_counter()
                    rows = call()
                    seconds.append(time.perf_counter() - started)
                best = min(seconds)
                table.add_row(
                    name,
                    f"{rows:,}",
                    f"{seconds[0] * 1000:,.0f}",
                    f"{best * 1000:,.0f}",
                    f"{rows / best:,.0f}",
                )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
