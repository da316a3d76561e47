"""The time of a first page of holdings and of active transactions over 60 days, after five years of data.

The history is made up, as large as ARK's own: six funds of 45 names, with daily flows, about five trades a
fund and day, opened and closed positions, and a split a year. The cold figures are for the first question of
a process that has just opened the database.
"""

import csv
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import event

from qotgate.model import (
    ACTIVE_FUNDS,
    ActiveTransaction,
    ArkActiveTransactionHoldingType,
    ArkCycleType,
    ArkHoldingType,
    FundHolding,
    Page,
)
from qotgate.service.ark.lists import active_transactions, fund_holdings
from qotgate.service.calendar import ark_sessions
from qotgate.service.loading import load
from qotgate.service.questions import Questions
from qotgate.service.reference import load_reference
from qotgate.store import Store

DAYS = ark_sessions(date(2019, 1, 2), date(2024, 1, 2))
NAMES, HELD = 180, 45
UNITS = 2000
SPLIT_EVERY = 250
RUNS = 15
QUESTIONS = ("holdings", "transactions")


def made_up(fund: str) -> Iterator[tuple[date, dict[int, int]]]:
    """A fund's shares by name, day by day."""
    chance = random.Random(fund)
    book = {name: chance.randrange(50_000, 3_000_000) for name in chance.sample(range(NAMES), HELD)}
    for number, day in enumerate(DAYS):
        yield day, book
        units = chance.choice([0, 0, 3, 12, -5])
        book = {name: n + units * round(n / UNITS) for name, n in book.items()}
        for name in chance.sample(sorted(book), 5):
            book[name] += chance.randrange(-20_000, 20_000)
        if number % 5 == 0:
            del book[chance.choice(sorted(book))]
            book[chance.choice([name for name in range(NAMES) if name not in book])] = 123_457
        if number % SPLIT_EVERY == 0 and (name := number // SPLIT_EVERY) in book:
            book[name] *= 5


def price(name: int, number: int) -> float:
    """USD a share, cut by five with each split."""
    is_split = name < len(DAYS) // SPLIT_EVERY and number > name * SPLIT_EVERY
    return (20.0 + name) / (5 if is_split else 1)


def write_files(folder: Path, last: int = len(DAYS)) -> list[Path]:
    """For each fund a file with its books of the ``last`` days."""
    paths = []
    for fund in ACTIVE_FUNDS:
        path = folder / f"{fund}.csv"
        with path.open("w", newline="") as file:
            write = csv.writer(file).writerow
            write(["date", "fund", "company", "ticker", "cusip", "shares", "market value($)", "weight(%)"])
            for number, (day, book) in enumerate(made_up(fund)):
                if number < len(DAYS) - last:
                    continue
                for name, n in book.items():
                    ticker = "Q" + chr(65 + name // 26) + chr(65 + name % 26)
                    value = f"{n * price(name, number):.2f}"
                    write([f"{day:%m/%d/%Y}", fund, f"NAME {name}", ticker, f"TEST{name:05d}", n, value, 2])
                write([f"{day:%m/%d/%Y}", fund, "CASH FUND", "", "X9USDTEST", "1000.5", "1000.5", 0])
        paths.append(path)
    return paths


def ask(questions: Questions, question: str, page: str | None) -> Page[FundHolding] | Page[ActiveTransaction]:
    if question == "holdings":
        return fund_holdings(questions, ArkHoldingType.INCREASE, ArkCycleType.SIXTY_DAY, page=page)
    kind = ArkActiveTransactionHoldingType.INCREASE
    return active_transactions(questions, kind, ArkCycleType.SIXTY_DAY, page=page)


def milliseconds(questions: Questions, question: str, page: str | None = None) -> float:
    started = time.perf_counter()
    ask(questions, question, page)
    return 1000 * (time.perf_counter() - started)


def cold(url: str, question: str) -> float:
    """The first question of a new process."""
    command = [sys.executable, __file__, url, question]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def ask_once(url: str, question: str) -> None:
    questions = Questions(Store.open(url), load_reference())
    print(milliseconds(questions, question))


def plans(store: Store, questions: Questions) -> Iterator[tuple[str, list[str]]]:
    """The statements behind a first page, and the database's plan of each."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    ask(questions, "holdings", None)
    event.remove(store.engine, "before_cursor_execute", note)
    with store.reading() as connection:
        for statement, parameters in asked:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            yield statement, [row[3] for row in rows]


def main() -> None:
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder}/holdings.db"
        store = Store.open(url)
        started = time.perf_counter()
        # Weights are arbitrary: the benchmark uses only shares.
        report = load(store, load_reference(), write_files(folder), any_book=True)
        if report.rejects:
            raise SystemExit(f"The load left out {report.rejects[:3]}.")
        seconds = time.perf_counter() - started
        questions = Questions(store, load_reference())
        table = Table("60 days, ms (median)", *QUESTIONS)
        table.title = f"{report.rows['holdings']:,} lines of {len(DAYS):,} days, loaded in {seconds:.0f} s"
        table.add_row("rows in all", *(str(ask(questions, one, None).all_count) for one in QUESTIONS))
        second = {one: ask(questions, one, None).next_page for one in QUESTIONS}
        figures: dict[str, Callable[[str], float]] = {
            "first page, cold": lambda one: cold(url, one),
            "first page again": lambda one: milliseconds(questions, one),
            "second page": lambda one: milliseconds(questions, one, second[one]),
        }
        for what, measure in figures.items():
            medians = (statistics.median(measure(one) for _ in range(RUNS)) for one in QUESTIONS)
            table.add_row(what, *(f"{figure:.1f}" for figure in medians))
        console.print(table)
        for statement, steps in plans(store, questions):
            source = statement.split("FROM")[1].split()[0]
            console.print(f"{source}: {'; '.join(steps)}")
        store.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        ask_once(*sys.argv[1:])
    else:
        main()
