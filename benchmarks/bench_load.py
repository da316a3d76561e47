"""How long a load and a cold start take, and how much memory a load needs.

Reads the real data beside the repository where it is there, else the sample. Each figure is the median of
several runs in processes of their own; memory is the largest resident set of any of them.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data"
SAMPLE = ROOT / "src" / "qotgate" / "sample"
QOTGATE = [sys.executable, "-m", "qotgate.cli.main"]
RUNS = 3
MIB = 1 << 20


def run(*arguments: str) -> tuple[float, float]:
    """Seconds and peak resident MiB of a command."""
    started = time.perf_counter()
    with subprocess.Popen([*QOTGATE, *arguments], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} ended with {process.returncode}")
    return time.perf_counter() - started, usage.ru_maxrss * 1024 / MIB


def cold_start(url: str) -> tuple[float, float]:
    """Seconds until ``serve`` says that it listens, and its resident MiB then."""
    started = time.perf_counter()
    command = [*QOTGATE, "serve", "--port", "0", "--no-http", "--db", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seconds = time.perf_counter() - started
        status = Path(f"/proc/{process.pid}/status")
        match = re.search(r"VmRSS:\s+(\d+)", status.read_text()) if status.exists() else None
        process.terminate()
    return seconds, int(match[1]) / 1024 if match else float("nan")


def main() -> None:
    paths = [str(REAL / name) for name in ("ark", "ratings")] if REAL.is_dir() else [str(SAMPLE)]
    table = Table("what", "seconds (median)", "peak MiB", title=f"Loading {' '.join(paths)}, {RUNS} runs")
    with tempfile.TemporaryDirectory() as folder:
        first: list[tuple[float, float]] = []
        for number in range(RUNS):
            url = f"sqlite:///{folder}/{number}.db"
            first.append(run("load", *paths, "--db", url))
        measured: dict[str, list[tuple[float, float]]] = {"first load": first}
        cases: dict[str, Callable[[], tuple[float, float]]] = {
            "second load, nothing new": lambda: run("load", *paths, "--db", url),
            "cold start of serve": lambda: cold_start(url),
            "one question on the command line": lambda: run("ark", "US.TSLA", "--db", url),
        }
        for name, case in cases.items():
            measured[name] = [case() for _ in range(RUNS)]
    for name, figures in measured.items():
        seconds = statistics.median(second for second, _ in figures)
        table.add_row(name, f"{seconds:.2f}", f"{max(size for _, size in figures):.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
