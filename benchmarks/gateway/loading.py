"""The cost of a running load for clients."""

import statistics
import subprocess
from pathlib import Path

from rich.table import Table

from gateway.dataset import codes, write_notes
from gateway.load_generator import Measured, Plan
from gateway.processes import QOTGATE, gateway, generate
from gateway.rows import Row, dynamic

NOTES = 100_000
SECURITIES = 500
SHAPES = {"64 x 16": (64, 16), "64 x 1": (64, 1), "8 x 1": (8, 1)}
SECONDS = 0.5


def while_loading(url: str, folder: Path, runs: int) -> Table:
    """3424 over 500 securities, alone and while another process loads ``NOTES`` new notes."""
    table = Table(title=f"3424 over {SECURITIES} securities while {NOTES:,} notes are loaded, {runs} runs")
    for column in ("in flight", "requests/s", "while loading", "p99 ms", "while loading", "times"):
        table.add_column(column, justify="right")
    asked = Row("3424", tuple(map(dynamic, codes(SECURITIES))))
    alone: dict[str, list[Measured]] = {name: [] for name in SHAPES}
    loading: dict[str, list[Measured]] = {name: [] for name in SHAPES}
    with gateway(url) as server:
        for run in range(runs):
            plans = {
                name: Plan("tcp", server.ports[0], asked.questions, *shape, SECONDS)
                for name, shape in SHAPES.items()
            }
            # The answers that the last load dropped are computed before the clock starts.
            asked.reply(server.ports[0], None)
            for name, plan in plans.items():
                alone[name].append(generate(plan))
            file = folder / f"load{run}.csv"
            write_notes(file, NOTES, SECURITIES, seed=100 + run)
            with subprocess.Popen(
                [*QOTGATE, "load", str(file), "--db", url], stdout=subprocess.DEVNULL
            ) as load:
                for name, plan in plans.items():
                    loading[name].append(generate(plan))
                    if load.poll() is not None:
                        raise SystemExit(f"the load was over before {name} was measured")
            file.unlink()
    for name in SHAPES:
        one, other = alone[name], loading[name]
        table.add_row(
            name,
            *(f"{statistics.median(m.rate for m in found):,.0f}" for found in (one, other)),
            *(f"{statistics.median(m.p99 for m in found):.2f}" for found in (one, other)),
            f"{statistics.median(b.p99 / a.p99 for a, b in zip(one, other, strict=True)):.1f}",
        )
    return table
