"""Draws the plots of docs/inference.md from the real files beside the repository. Needs matplotlib.

python scripts/plot_inference.py ../shared/data/ark
"""

import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from qotgate.model import ACTIVE_FUNDS
from qotgate.service.ark.trades import inferred_trades
from qotgate.service.loading import find_files, load
from qotgate.service.reference import load_reference
from qotgate.store import Store, deriving

TARGET = Path(__file__).parents[1] / "docs"
FUND, DAY = "ARKK", date(2021, 5, 7)
CUT = 150
FEWEST_SHARES = 40


def collect(data: Path) -> tuple[list[tuple[float, bool]], list[float]]:
    """For the day: each name's change in units, and whether a notice lists it. For all days with flow: the
    residual of each untraded change, in shares for each unit created or redeemed."""
    day: list[tuple[float, bool]] = []
    rest: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{folder}/plot.db")
        load(store, load_reference(), find_files([data]))
        with store.reading() as connection:
            noticed = deriving.noticed(connection, FUND, DAY.replace(day=6), DAY).get(DAY, {})
            for fund in ACTIVE_FUNDS:
                for first, found in inferred_trades(connection, fund, date.min).items():
                    inference, basket = found.inference, found.inference.basket
                    if not basket.outstanding or basket.days > 1:
                        continue
                    books = deriving.positions(connection, fund, [found.before, found.after])
                    new = books[found.after]
                    for key, (shares, _) in books[found.before].items():
                        count = basket.count(shares)
                        if key not in new or not count:
                            continue
                        change = new[key][0] - shares
                        if (fund, first) == (FUND, DAY):
                            day.append((change / count, key in noticed))
                        if count >= FEWEST_SHARES and key not in inference.trades:
                            left = (change - units * count for units in (basket.net, -basket.redeemed))
                            rest.append(min(left, key=abs) / (basket.created + basket.redeemed))
        store.close()
    return day, rest


def draw(day: list[tuple[float, bool]], rest: list[float]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    axes: Any
    figure, axes = plt.subplots(figsize=(9, 4.2))
    for place, (units, noticed) in enumerate(sorted(day)):
        mark, colour = ("s", "C3") if noticed else ("o", "C0")
        axes.plot(place, max(-CUT, min(CUT, units)), mark, color=colour, ms=5)
    for level in (68, -7):
        axes.axhline(level, color="0.7", lw=0.8, zorder=0)
    axes.set_title("ARKK, 7 May 2021: 75 units created, 7 redeemed (red squares: in the day's notice)")
    axes.set_ylabel(f"change / basket count, in units (cut at ±{CUT})")
    axes.set_xlabel("names held, by the height")
    figure.tight_layout()
    figure.savefig(TARGET / "creation_day.png", dpi=110)
    figure, axes = plt.subplots(figsize=(9, 3.6))
    axes.hist(rest, bins=[(place - 0.5) / 20 for place in range(-50, 52)], log=True)
    axes.set_title(
        f"What is left of {len(rest):,} untraded changes on days with flow, March to September 2021"
    )
    axes.set_xlabel("shares for each unit created or redeemed")
    figure.tight_layout()
    figure.savefig(TARGET / "residuals.png", dpi=110)
    exact = sum(value == 0 for value in rest) / len(rest)
    within_one = sum(abs(value) <= 1 for value in rest) / len(rest)
    print(f"{len(rest)} untraded changes: {exact:.3f} exact, {within_one:.3f} within a share a unit")


if __name__ == "__main__":
    draw(*collect(Path(sys.argv[1])))
