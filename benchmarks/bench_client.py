"""Our clients next to the published one, on one gateway: calls a second, and the cost of a call.

Each client runs in its own process; each round runs all of them in turn, and the medians of the rounds are
shown. The data is made up. The gateway has no limit, and its answers are cached after the first round, so
that the figures are about the clients; clients and gateway share the machine.
"""

import argparse
import asyncio
import importlib
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from qotgate import AsyncQuoteClient, QuoteClient

ROUNDS = 5
SEQUENTIAL = 2000
MANY = 1000
STOCKS = 500
NOTES = 4000
PAGE_ROWS, WALKS = 20, 20
ONE_BY_ONE = "dynamics, one after the other"
PUBLISHED = "futu-api"
CODES = [f"US.Q{number:03}" for number in range(STOCKS)]
QOTGATE = [sys.executable, "-m", "qotgate.cli.main"]


def write_data(folder: Path) -> None:
    chance = random.Random(6)
    first = date(2025, 1, 1)
    with (folder / "notes.csv").open("w") as file:
        file.write("ticker,firm,rating,price_target,date\n")
        for number in range(NOTES):
            code, day = CODES[number % STOCKS][3:], first + timedelta(days=number // 20)
            file.write(f"{code},House {number % 7},Buy,{chance.randrange(10, 400)},{day}\n")
    with (folder / "trades.csv").open("w") as file:
        file.write("fund,date,direction,ticker,shares\n")
        for number in range(4 * STOCKS):
            day = first + timedelta(days=number // 100)
            way = chance.choice(("Buy", "Sell"))
            file.write(f"ARKK,{day},{way},{CODES[number % STOCKS][3:]},{chance.randrange(1, 9999)}\n")


@contextmanager
def gateway() -> Iterator[int]:
    with tempfile.TemporaryDirectory() as name:
        write_data(Path(name))
        url = f"sqlite:///{name}/qotgate.db"
        subprocess.run([*QOTGATE, "load", "--db", url, name], check=True, stdout=subprocess.DEVNULL)
        command = [*QOTGATE, "serve", "--port", "0", "--no-http", "--db", url, "--rate-limit", "off"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                match = re.search(r"listens on \S+?:(\d+)", line)
                if match is None:
                    raise RuntimeError(line)
                yield int(match[1])
            finally:
                process.terminate()


def measure(work: Callable[[], int]) -> tuple[float, float, int]:
    """Seconds, CPU seconds and calls of ``work``, which returns the number of its calls."""
    started, cpu = time.perf_counter(), time.process_time()
    calls = work()
    return time.perf_counter() - started, time.process_time() - cpu, calls


def run_context(package: str, port: int) -> dict[str, tuple[float, float, int]]:
    context = importlib.import_module(package).OpenQuoteContext(host="127.0.0.1", port=port)

    def ask(codes: list[str]) -> int:
        for code in codes:
            ret, answer = context.get_ark_stock_dynamic(code)
            if ret != 0:
                raise RuntimeError(answer)
        return len(codes)

    def pages() -> int:
        page, calls = None, 0
        while calls == 0 or page:
            ret, table, page, _ = context.get_rating_change("US", "UPGRADE", PAGE_ROWS, page)
            if ret != 0:
                raise RuntimeError(table)
            calls += 1
        return calls

    return finish(lambda: ask(sequence()), lambda: ask(many()), pages, context.close)


def run_typed(port: int) -> dict[str, tuple[float, float, int]]:
    client = QuoteClient(port=port)

    def sequential() -> int:
        for code in sequence():
            client.ark_dynamic(code)
        return SEQUENTIAL

    def pages() -> int:
        return -(-len(client.rating_changes("US", page_size=PAGE_ROWS).rows()) // PAGE_ROWS)

    return finish(sequential, lambda: len(client.ark_dynamics(many())), pages, client.close)


def run_asyncio(port: int) -> dict[str, tuple[float, float, int]]:
    async def sequential(client: AsyncQuoteClient) -> int:
        for code in sequence():
            await client.ark_dynamic(code)
        return SEQUENTIAL

    async def dynamics(client: AsyncQuoteClient) -> int:
        return len(await client.ark_dynamics(many()))

    async def pages(client: AsyncQuoteClient) -> int:
        return -(-len(await client.rating_changes("US", page_size=PAGE_ROWS).rows()) // PAGE_ROWS)

    with asyncio.Runner() as runner:
        client = runner.run(_opened(port))
        return finish(
            lambda: runner.run(sequential(client)),
            lambda: runner.run(dynamics(client)),
            lambda: runner.run(pages(client)),
            lambda: runner.run(client.close()),
        )


async def _opened(port: int) -> AsyncQuoteClient:
    client = AsyncQuoteClient(port=port)
    await client.connect()
    return client


def sequence() -> list[str]:
    return (CODES * (SEQUENTIAL // STOCKS + 1))[:SEQUENTIAL]


def many() -> list[str]:
    return (CODES * (MANY // STOCKS + 1))[:MANY]


def finish(
    sequential: Callable[[], int],
    dynamics: Callable[[], int],
    pages: Callable[[], int],
    close: Callable[[], object],
) -> dict[str, tuple[float, float, int]]:
    pages()
    dynamics()
    outcome = {
        ONE_BY_ONE: measure(sequential),
        f"{MANY:,} dynamics": measure(dynamics),
        "all pages of upgrades": measure(lambda: sum(pages() for _ in range(WALKS))),
    }
    close()
    return outcome


CLIENTS: dict[str, Callable[[int], dict[str, Any]]] = {
    PUBLISHED: lambda port: run_context("futu", port),
    "drop-in": lambda port: run_context("qotgate", port),
    "QuoteClient": run_typed,
    "AsyncQuoteClient": run_asyncio,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--run", nargs=2, metavar=("CLIENT", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        sys.stdout.write("\n" + json.dumps(CLIENTS[options.run[0]](int(options.run[1]))) + "\n")
        sys.stdout.flush()
        # The published client's threads would keep the process alive.
        os._exit(0)
    found: dict[tuple[str, str], list[tuple[float, float, int]]] = {}
    with gateway() as port, tempfile.TemporaryDirectory() as home:
        for _ in range(options.rounds):
            for name in CLIENTS:
                done = subprocess.run(
                    [sys.executable, "-W", "ignore", __file__, "--run", name, str(port)],
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                    env={**os.environ, "HOME": home},
                )
                told = next(line for line in done.stdout.splitlines() if line.startswith("{"))
                for work, outcome in json.loads(told).items():
                    found.setdefault((work, name), []).append(outcome)
    show(found)


def show(found: dict[tuple[str, str], list[tuple[float, float, int]]]) -> None:
    table = Table(title="Clients on one gateway, medians")
    for column in ("work", "client", "calls/s", f"times {PUBLISHED}", "CPU us/call"):
        table.add_column(column, justify="left" if column in ("work", "client") else "right")
    for (work, name), outcomes in sorted(found.items(), key=lambda item: item[0][0]):
        rates = [calls / seconds for seconds, _, calls in outcomes]
        published = [calls / seconds for seconds, _, calls in found[work, PUBLISHED]]
        ratio = statistics.median(ours / theirs for ours, theirs in zip(rates, published, strict=True))
        cpu = statistics.median(1e6 * cpu / calls for _, cpu, calls in outcomes)
        table.add_row(work, name, f"{statistics.median(rates):,.0f}", f"{ratio:.1f}", f"{cpu:.0f}")
    Console(highlight=False).print(table)


if __name__ == "__main__":
    main()
