"""How long a year of 500,000 analyst notes takes to load, and whether a late page is as quick as the first.

The notes are made up: 4,000 stocks, 120 institutions, every day of a year.
"""

import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from qotgate.model import Market, Page, RatingChange, RatingChangeType
from qotgate.service.questions import Questions
from qotgate.service.ratings.changes import rating_changes
from qotgate.service.reference import load_reference
from qotgate.store import Store

NOTES = 500_000
STOCKS, HOUSES = 4000, 120
WORDS = ("Buy", "Hold", "Sell", "Outperform", "Strong Buy")
LATE_PAGE = 1000
PAGE_ROWS = 20
RUNS = 50
QOTGATE = [sys.executable, "-m", "qotgate.cli.main"]
MIB = 1 << 20


def write_notes(path: Path) -> None:
    chance = random.Random(3)
    start = date(2025, 1, 1)
    with path.open("w") as file:
        file.write("ticker,name,firm,rating,price_target,date\n")
        for number in range(NOTES):
            stock, house = chance.randrange(STOCKS), chance.randrange(HOUSES)
            ticker = "".join(chr(65 + stock // 26**place % 26) for place in range(3))
            day = start + timedelta(days=365 * number // NOTES)
            target = chance.randrange(10, 400)
            file.write(f"Q{ticker},Stock {stock},House {house},{chance.choice(WORDS)},{target},{day}\n")


def late_page(questions: Questions) -> str | None:
    """The cursor of page LATE_PAGE, and the time to walk to it."""
    page = None
    for _ in range(LATE_PAGE - 1):
        page = ask(questions, page).next_page
    return page


def ask(questions: Questions, page: str | None) -> Page[RatingChange]:
    return rating_changes(questions, Market.US, RatingChangeType.UPGRADE, PAGE_ROWS, page)


def milliseconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def main() -> None:
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_notes(folder / "notes.csv")
        url = f"sqlite:///{folder}/notes.db"
        started = time.perf_counter()
        subprocess.run(
            [*QOTGATE, "load", "--db", url, str(folder / "notes.csv")], check=True, stdout=subprocess.DEVNULL
        )
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / MIB
        table = Table("what", "figure", title=f"{NOTES:,} notes")
        table.add_row("load, seconds", f"{seconds:.1f}")
        table.add_row("load, peak MiB", f"{peak:.0f}")
        store = Store.open(url)
        questions = Questions(store, load_reference())
        started = time.perf_counter()
        first = ask(questions, None)
        table.add_row("first page after the load, ms", f"{1000 * (time.perf_counter() - started):.1f}")
        cursor = late_page(questions)
        table.add_row("upgrades in all", f"{first.all_count:,}")
        table.add_row("page 1, ms (median)", f"{milliseconds(lambda: ask(questions, None)):.2f}")
        table.add_row(
            f"page {LATE_PAGE:,}, ms (median)", f"{milliseconds(lambda: ask(questions, cursor)):.2f}"
        )
        store.close()
    console.print(table)


if __name__ == "__main__":
    main()
