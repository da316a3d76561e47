"""How one, two and four gateways on one PostgreSQL share the work, by the processor time of each.

The gateways are the workers of one ``qotgate serve``. Load generator, gateways and database share the
machine, so only the processor time of each for a question, not the rate, can be extrapolated to a larger one.
"""

import os
import statistics
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from rich.table import Table

from gateway.dataset import LAST_DAY, codes
from gateway.load_generator import Measured, Plan
from gateway.processes import QOTGATE, TICKS, gateway, generate
from gateway.rows import Row, dynamic
from gateway.servers import PostgreSQL

WORKERS = (1, 2, 4)
SECONDS = 3.0
WARM_SECONDS = 12.0
SECURITIES = 500
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'qotgate'"
KEPT = Row("kept: 3424 over 500 securities", tuple(map(dynamic, codes(SECURITIES))))


def not_kept(run: int) -> Row:
    """New questions: each security as of other days in each run."""
    days = [(LAST_DAY - timedelta(days=1 + 40 * run + day)).isoformat() for day in range(40)]
    questions = []
    for day in days:
        for code in codes(SECURITIES):
            question = dynamic(code)
            assert question.fields is not None
            questions.append(replace(question, fields=question.fields | {"asOf": day}))
    return Row("not kept: 3424 as of earlier days", tuple(questions), (64, 1))


def processes(parents: Iterable[int]) -> Iterator[int]:
    """The processes and their children."""
    for parent in parents:
        yield parent
        tasks = Path(f"/proc/{parent}/task")
        for file in tasks.glob("*/children"):
            yield from processes(map(int, file.read_text().split()))


def cpu_seconds(pid: int) -> dict[int, float]:
    """Processor time so far of a process and its children, each including its own ended children."""
    found = {}
    for process in processes([pid]):
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1].split()
        found[process] = sum(map(int, fields[11:13])) / TICKS
    return found


def spent(before: dict[int, float], after: dict[int, float]) -> float:
    return sum(seconds - before.get(process, 0.0) for process, seconds in after.items())


def scale(server: PostgreSQL, url: str, runs: int) -> Table:
    """Rates, and processor time by gateways and by PostgreSQL, for each number of gateways."""
    table = Table(title=f"Gateways on one PostgreSQL, {os.cpu_count()} cores in all, medians of {runs} runs")
    for column in ("asked", "gateways", "requests/s", "p50 ms", "p99 ms"):
        table.add_column(column, justify="left" if column == "asked" else "right")
    for column in ("CPU µs each, gateways", "PostgreSQL", "connections to it"):
        table.add_column(column, justify="right")
    for workers in WORKERS:
        with gateway(url, "--workers", str(workers)) as ours:
            # Each gateway has its own cache: all answers are requested before the clock starts.
            generate(_plan(KEPT, ours.ports[0], WARM_SECONDS))
            for kept in (True, False):
                found: list[tuple[Measured, float, float]] = []
                for run in range(runs):
                    row = KEPT if kept else not_kept(run)
                    before = cpu_seconds(ours.process.pid), cpu_seconds(server.pid)
                    measured = generate(_plan(row, ours.ports[0], SECONDS))
                    after = cpu_seconds(ours.process.pid), cpu_seconds(server.pid)
                    found.append((measured, spent(before[0], after[0]), spent(before[1], after[1])))
                ((held,),) = server.execute(CONNECTIONS)
                rates, p50s, p99s = zip(*((one.rate, one.p50, one.p99) for one, _, _ in found), strict=True)
                costs = ((ours / one.replies, theirs / one.replies) for one, ours, theirs in found)
                by_us, by_them = (statistics.median(cost) * 1e6 for cost in zip(*costs, strict=True))
                table.add_row(
                    *(row.name, str(workers), f"{statistics.median(rates):,.0f}"),
                    *(f"{statistics.median(times):.2f}" for times in (p50s, p99s)),
                    *(f"{by_us:.1f}", f"{by_them:.1f}", str(held)),
                )
    return table


def _plan(row: Row, port: int, seconds: float) -> Plan:
    connections, window = row.shape
    # Without a warm-up, which would count as processor time but not as replies.
    return Plan("tcp", port, row.questions, connections, window, seconds, warm_up=0)


def moved(url: str, to: str, folder: Path) -> None:
    """Copy a database to another engine, as a user would."""
    file = folder / "moved.backup"
    subprocess.run([*QOTGATE, "backup", str(file), "--db", url], check=True, capture_output=True)
    subprocess.run([*QOTGATE, "restore", str(file), "--db", to], check=True, capture_output=True)
    file.unlink()
