"""The accuracy of trades inferred from holdings, and the cost of a new day after a short and a long history.

The first table needs the real data next to the repository. The second makes its own holdings: a fund of 50
names with daily flows and trades, one file a day.
"""

import csv
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.table import Table

from qotgate import sources
from qotgate.ark.inference import MEMORY, Inference, Position, infer
from qotgate.ark.notices import merge
from qotgate.model import ACTIVE_FUNDS, Notice
from qotgate.service.ark.check import agreement, compare, score, seen_splits
from qotgate.service.calendar import ark_sessions, ark_sessions_after
from qotgate.service.loading import find_files, load
from qotgate.service.reference import load_reference
from qotgate.store import Store, deriving

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data" / "ark"
NAMES = 50
UNITS = 2000
HISTORIES = (60, 250, 1250)
NEW_DAYS = 7


def accuracy(console: Console) -> None:
    """The figures of ``qotgate ark-check``, and the time of the inference alone."""
    reference = load_reference()
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{folder}/real.db")
        load(store, reference, find_files([REAL / "holdings"]))
        files = [sources.read(path.read_bytes()).records for path in find_files([REAL / "trades"])]
        notices = merge([line for line in lines if isinstance(line, Notice)] for lines in files)
        found = compare(store, reference, notices, ACTIVE_FUNDS)
        august = ark_sessions(date(2021, 8, 1), date(2021, 9, 1))
        same = agreement(found, seen_splits(store, {one.security for one in found}), august)
        seconds, differences = time_inference(store)
        store.close()
    table = Table("fund", "in notices", "inferred", "precision", "recall", "exact to 0.1%")
    for fund in ("all", *ACTIVE_FUNDS):
        one = score(each for each in found if fund in ("all", each.fund))
        figures = (f"{figure:.4f}" for figure in (one.precision, one.recall, one.exactness))
        table.add_row(fund, str(one.noticed), str(one.inferred), *figures)
    console.print(table)
    parts = (f"{part / same.dynamics:.4f}" for part in (same.same_type, same.same_days, same.same_shares))
    console.print(
        f"Dynamics of August 2021, {same.dynamics:,} of them, agree in type, in count and last day too, in "
        f"net shares to 0.1% as well: {', '.join(parts)}"
    )
    console.print(f"Inference of all {differences} differences: {seconds:.2f} s (median of 3)")


def time_inference(store: Store) -> tuple[float, int]:
    """Seconds for the inference of all loaded holdings, and the number of differences."""
    books: dict[str, list[tuple[date, dict[int, Position]]]] = {}
    with store.reading() as connection:
        for fund in ACTIVE_FUNDS:
            shown = deriving.book_days(connection, fund, date.min, 0)
            found = deriving.positions(connection, fund, [one.day for one in shown])
            for one in shown:
                rows = found[one.day].items()
                book = {key: Position(n, value / n if value and n else None) for key, (n, value) in rows}
                books.setdefault(fund, []).append((one.through, book))
    runs = []
    for _ in range(3):
        started = time.perf_counter()
        differences = 0
        for days in books.values():
            history: list[Inference[int]] = []
            for (start, before), (end, after) in pairwise(days):
                history.append(infer(before, after, history[-MEMORY:], len(ark_sessions_after(start, end))))
            differences += len(history)
        runs.append(time.perf_counter() - started)
    return statistics.median(runs), differences


def made_up(days: int) -> Iterator[tuple[date, dict[str, int]]]:
    """A fund's book, day by day."""
    chance = random.Random(7)
    book = {f"N{number}": 100_000 + 37_000 * number for number in range(NAMES)}
    for day in ark_sessions(date(2019, 1, 2), date(2019, 1, 2) + timedelta(days=int(days * 1.5))):
        yield day, book
        units = chance.choice([0, 0, 3, 12, -5])
        book = {name: n + units * round(n / UNITS) for name, n in book.items()}
        for name in chance.sample(sorted(book), 4):
            book[name] += chance.randrange(-20_000, 20_000)


def growth(console: Console) -> None:
    """Seconds that a load of one new file takes, by the days loaded before."""
    reference = load_reference()
    table = Table("days loaded", "rows loaded", "one new day, ms (median)", "second load of it, ms")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = []
        for number, (day, book) in enumerate(made_up(max(HISTORIES) + 2 * NEW_DAYS)):
            path = folder / f"{number:05d}.csv"
            with path.open("w", newline="") as file:
                write = csv.writer(file).writerow
                write(
                    ["date", "fund", "company", "ticker", "cusip", "shares", "market value($)", "weight(%)"]
                )
                for place, (ticker, n) in enumerate(book.items()):
                    code = "A" + "".join(chr(65 + int(digit)) for digit in f"{place:02d}")
                    write(
                        [
                            f"{day:%m/%d/%Y}",
                            "ARKK",
                            f"{ticker} INC",
                            code,
                            f"TESTCO1{place:02d}",
                            n,
                            n * 10,
                            2,
                        ]
                    )
            files.append(path)
        for history in HISTORIES:
            store = Store.open(f"sqlite:///{folder}/{history}.db")
            load(store, reference, files[:history])
            new: list[float] = []
            again: list[float] = []
            for path in files[history : history + NEW_DAYS]:
                for times in (new, again):
                    started = time.perf_counter()
                    load(store, reference, [path])
                    times.append(1000 * (time.perf_counter() - started))
            store.close()
            cells = (statistics.median(new), statistics.median(again))
            table.add_row(f"{history:,}", f"{history * NAMES:,}", *(f"{cell:.0f}" for cell in cells))
    console.print(table)


def main() -> None:
    console = Console(highlight=False)
    if REAL.is_dir():
        accuracy(console)
    else:
        console.print(f"No real data at {REAL}: accuracy is not measured.")
    growth(console)


if __name__ == "__main__":
    main()
