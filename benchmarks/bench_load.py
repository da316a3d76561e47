"""The time of a load, next to pandas reading the same files, and the time that commands take to start.

Each figure is the median of several runs, each in its own process from start to end, in turn with the process
it is compared with; a ratio is that of the medians. Processor time is more reliable on a busy machine, since
a load lowers its own priority; the processor time of a PostgreSQL server is not included. Reads the real data
next to the repository.
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench_ratings import NOTES, write_notes
from gateway.processes import Server
from gateway.servers import PostgreSQL, running_postgresql
from qotgate import ConnectionLost, QuoteClient

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data"
QOTGATE = [sys.executable, "-m", "qotgate.cli.main"]
PANDAS = "import sys, pandas\nfor path in sys.stdin.read().splitlines(): pandas.read_csv(path)"
RUNS = 3
MIB = 1 << 20
GOALS = {"SQLite": (4.0, 4.0, 15.0, 1.5), "PostgreSQL": (8.0, 8.0, 30.0, 3.0)}
"""Of each row, the ratio of processor times that is aimed at. PostgreSQL's are twice SQLite's: a load sends
each row to a server that shares the cores, and does not drop an index, which would lock readers out."""


@dataclass(frozen=True)
class Measured:
    """The seconds of a process, its processor time, and its largest resident set in MiB."""

    seconds: float
    cpu: float
    size: float


def run(command: list[str], given: str = "") -> Measured:
    """Run a command that reads ``given``."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(given)
        process.stdin.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    seconds = time.perf_counter() - started
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / MIB)


def load(url: str, *paths: Path) -> Measured:
    return run([*QOTGATE, "load", *map(str, paths), "--db", url])


def pandas(*folders: Path) -> Measured:
    """pandas reading each CSV file."""
    files = (path for one in folders for path in ([one] if one.is_file() else sorted(one.rglob("*.csv"))))
    return run([sys.executable, "-c", PANDAS], "\n".join(map(str, files)))


def serving(url: str, *options: str, listens: bool) -> Measured:
    """From the start of ``serve`` until it answers a client, or until it says that it ``listens``, pages
    included."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    started = time.perf_counter()
    command = [*QOTGATE, "serve", "--port", str(port), "--db", url, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        server = Server(process, [port])
        if listens:
            assert process.stdout is not None
            process.stdout.readline()
        else:
            ask(port)
        seconds, cpu, size = time.perf_counter() - started, server.cpu_seconds, server.resident
        process.terminate()
    return Measured(seconds, cpu, size)


def ask(port: int) -> None:
    """Ask the gateway on ``port`` as soon as it is there."""
    while True:
        try:
            with QuoteClient(port=port) as client:
                client.ark_dynamic("US.TSLA")
        except ConnectionLost:
            time.sleep(0.005)
        else:
            return


class Databases:
    """New databases of one engine."""

    def __init__(self, folder: Path, server: PostgreSQL | None = None) -> None:
        self.folder = folder
        self.server = server
        self._made = 0

    def new(self) -> str:
        """The URL of an empty database."""
        self._made += 1
        if self.server is not None:
            return self.server.empty()
        return f"sqlite:///{self.folder}/{self._made}.db"

    def copy(self, url: str) -> str:
        """The URL of a copy."""
        if self.server is not None:
            return self.server.copy(url)
        other = self.new()
        shutil.copy(url.removeprefix("sqlite:///"), other.removeprefix("sqlite:///"))
        return other

    def loaded(self, *paths: Path) -> str:
        """The URL of a database in which ``paths`` are loaded."""
        url = self.new()
        load(url, *paths)
        return url


def measure(databases: Databases, notes: Path) -> Iterator[tuple[str, list[Measured], str, list[Measured]]]:
    """The name and time of a measurement, and the same of the process it is compared with."""
    holdings, later = REAL / "ark" / "holdings", REAL / "ark-2023"
    pairs = [(load(databases.new(), holdings), pandas(holdings)) for _ in range(RUNS)]
    yield "holdings, 1,032 files", *_apart(pairs, "pandas")
    before = databases.loaded(holdings)
    pairs = [(load(databases.copy(before), later), pandas(later)) for _ in range(RUNS)]
    yield "2,041 files on top", *_apart(pairs, "pandas")
    pairs = [(load(databases.new(), notes), pandas(notes)) for _ in range(RUNS)]
    yield f"{NOTES:,} notes", *_apart(pairs, "pandas")
    days = [day for name in ("ark-2020", "ark", "ark-2023", "ark-2026") for day in (REAL / name).glob("*/*")]
    last = REAL / "ark-2026" / "holdings" / "2026-07-10"
    before = databases.loaded(*(day for day in days if day != last))
    pairs = [(load(databases.copy(before), last), load(databases.new(), last)) for _ in range(RUNS)]
    yield "one more day into 2020 to 2026", *_apart(pairs, "the day alone")


def _apart(pairs: list[tuple[Measured, Measured]], beside: str) -> tuple[list[Measured], str, list[Measured]]:
    return [one for one, _ in pairs], beside, [other for _, other in pairs]


def loads(console: Console, engine: str, databases: Databases, notes: Path) -> None:
    names = ("load", "s", "CPU s", "peak MiB", "beside", "s", "CPU s", "times", "times in CPU", "goal")
    table = Table(*names, title=f"{engine}, medians of {RUNS} runs")
    rows = measure(databases, notes)
    for goal, (what, ours, beside, others) in zip(GOALS[engine], rows, strict=True):
        seconds = [statistics.median(one.seconds for one in some) for some in (ours, others)]
        cpu = [statistics.median(one.cpu for one in some) for some in (ours, others)]
        shown = [f"{figure:.2f}" for figure in (seconds[0], cpu[0], seconds[1], cpu[1])]
        times = [f"{mine / theirs:.1f}" for mine, theirs in (seconds, cpu)]
        size = f"{max(one.size for one in ours):.0f}"
        table.add_row(what, *shown[:2], size, beside, *shown[2:], *times, f"{goal:g}")
    console.print(table)


def starts(console: Console, databases: Databases) -> None:
    url = databases.new()
    load(url, REAL / "ark-2026")
    cases: dict[str, Callable[[], Measured]] = {
        "qotgate --version": lambda: run([*QOTGATE, "--version"]),
        "qotgate ark US.TSLA": lambda: run([*QOTGATE, "ark", "US.TSLA", "--db", url]),
        "qotgate serve --no-http, until it answers": lambda: serving(url, "--no-http", listens=False),
        "qotgate serve, until it answers": lambda: serving(url, "--http-port", "0", listens=False),
        "qotgate serve, until its pages listen too": lambda: serving(url, "--http-port", "0", listens=True),
        "python -c pass": lambda: run([sys.executable, "-c", "pass"]),
    }
    table = Table("command", "s (median)", "CPU s")
    # In turn: other work on the machine then delays all of them alike.
    rounds = [[case() for case in cases.values()] for _ in range(3 * RUNS)]
    for what, found in zip(cases, zip(*rounds, strict=True), strict=True):
        figures = (
            statistics.median(one.seconds for one in found),
            statistics.median(one.cpu for one in found),
        )
        table.add_row(what, *(f"{figure:.2f}" for figure in figures))
    console.print(table)


def main() -> None:
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        notes = folder / "notes.csv"
        write_notes(notes)
        starts(console, Databases(folder))
        loads(console, "SQLite", Databases(folder), notes)
        try:
            server = stack.enter_context(running_postgresql())
        except SystemExit as missing:
            console.print(missing)
            return
        loads(console, "PostgreSQL", Databases(folder, server), notes)


if __name__ == "__main__":
    if not REAL.is_dir():
        raise SystemExit(f"This takes the published files in {REAL}.")
    main()
