"""How near the gateway comes to the floor: a uvloop server that cuts frames and returns one canned reply.

Both are asked in turn by the same load generator, and each figure is the median over the runs, ratios within
a run. docs/performance.md tells what the rows mean and what was found.
"""

import argparse
import socket
import statistics
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from gateway.dataset import make
from gateway.history import by_history
from gateway.idle import idle_connections
from gateway.load_generator import Plan
from gateway.loading import while_loading
from gateway.processes import Server, floors, gateway, generate, web_service
from gateway.rows import ONE_EACH, Row, rows
from gateway.soak import soak
from qotgate.protocol.cipher import RsaKey


@dataclass(frozen=True)
class Figures:
    """One measurement of one server; ``cost`` is the server's processor time for a request, in seconds."""

    rate: float
    p50: float
    p99: float
    p999: float
    cost: float
    resident: float


def measure(server: Server, plan: Plan) -> Figures:
    before = server.cpu_seconds
    found = generate(plan)
    # The server also works during the warm-up and at the end of the run.
    share = plan.seconds / (plan.seconds + plan.warm_up)
    cost = (server.cpu_seconds - before) * share / found.replies
    return Figures(found.rate, found.p50, found.p99, found.p999, cost, server.resident)


def median(figures: list[Figures], name: str) -> float:
    return float(statistics.median(getattr(one, name) for one in figures))


def ratio(ours: list[Figures], others: list[Figures], name: str) -> float:
    """The median of the ratios within each run."""
    ratios = (getattr(one, name) / getattr(other, name) for one, other in zip(ours, others, strict=True))
    return float(statistics.median(ratios))


def against_the_floor(url: str, folder: Path, runs: int, seconds: float, wanted: str) -> Table:
    key = folder / "key.pem"
    key.write_bytes(RsaKey.generate(1024).pem())
    table = Table(title=f"The gateway and the floor, medians of {runs} runs of {seconds:g} s, in turn")
    table.add_column("row")
    for column in ("in flight", "requests/s", "of the floor", "p50 ms", "p99 ms", "to the floor's"):
        table.add_column(column, justify="right")
    for column in ("p99.9 ms", "CPU µs each", "the floor's", "resident MiB"):
        table.add_column(column, justify="right")
    with gateway(url, "--rsa-key", str(key), "--allow-plaintext") as ours:
        tcp, websocket = ours.ports
        chosen = [row for row in rows(tcp) if wanted in row.name]
        replies: dict[str, tuple[str, bytes]] = {}
        for row in chosen:
            reply = row.reply(websocket if row.carrier == "websocket" else tcp, key)
            replies[row.name] = (row.carrier, reply[_head(row, reply) :])
        with floors(replies) as (floor, ports):
            found: dict[str, tuple[list[Figures], list[Figures]]] = {row.name: ([], []) for row in chosen}
            for _ in range(runs):
                for row in chosen:
                    canned, real = found[row.name]
                    canned.append(measure(floor, row.plan(ports[row.name], seconds, greet=False)))
                    port = websocket if row.carrier == "websocket" else tcp
                    real.append(measure(ours, row.plan(port, seconds, key)))
    for row in chosen:
        canned, real = found[row.name]
        table.add_row(
            row.name,
            "{} x {}".format(*row.shape),
            f"{median(real, 'rate'):,.0f}",
            f"{ratio(real, canned, 'rate'):.2f}",
            f"{median(real, 'p50'):.2f}",
            f"{median(real, 'p99'):.2f}",
            f"{ratio(real, canned, 'p99'):.2f}",
            f"{median(real, 'p999'):.2f}",
            f"{median(real, 'cost') * 1e6:.2f}",
            f"{median(canned, 'cost') * 1e6:.2f}",
            f"{median(real, 'resident'):.0f}",
        )
    return table


def _head(row: Row, reply: bytes) -> int:
    """Bytes before a WebSocket message, which the floor's own package adds."""
    if row.carrier != "websocket":
        return 0
    return 2 if reply[1] < 126 else 4


def against_a_web_service(url: str, path: Path, runs: int, seconds: float) -> Table:
    table = Table(
        title="The gateway and a FastAPI service on the same database, 64 connections, one in flight"
    )
    for column in ("row", "service", "requests/s", "requests per CPU second", "p50 ms", "p99 ms", "times"):
        table.add_column(column, justify="left" if column in ("row", "service") else "right")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with gateway(url) as ours, web_service(path, port) as theirs:
        for row in rows(ours.ports[0]):
            if row.name not in ("3424 over 500 securities", "3426 walking pages of 20"):
                continue
            real, web = [], []
            connections, window = ONE_EACH
            for _ in range(runs):
                web.append(
                    measure(theirs, Plan("http", port, row.questions, connections, window, 2 * seconds))
                )
                real.append(
                    measure(ours, Plan("tcp", ours.ports[0], row.questions, connections, window, seconds))
                )
            for name, figures in (("FastAPI", web), ("gateway", real)):
                table.add_row(
                    row.name,
                    name,
                    f"{median(figures, 'rate'):,.0f}",
                    f"{1 / median(figures, 'cost'):,.0f}",
                    f"{median(figures, 'p50'):.2f}",
                    f"{median(figures, 'p99'):.2f}",
                    f"{ratio(web, figures, 'cost'):.1f}",
                )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument("--rows", default="", help="only rows with this in their name, and nothing else")
    parser.add_argument("--idle", type=int, default=10_000, help="idle connections")
    parser.add_argument("--soak", type=int, default=0, help="seconds of mixed full load, and nothing else")
    parser.add_argument(
        "--history", type=int, nargs="*", default=[100_000, 1_000_000], help="rows of holdings"
    )
    arguments = parser.parse_args()
    console = Console(width=160)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        url = make(path)
        if arguments.soak:
            console.print(soak(url, arguments.soak))
            return
        console.print(against_the_floor(url, Path(folder), arguments.runs, arguments.seconds, arguments.rows))
        if arguments.rows:
            return
        console.print(against_a_web_service(url, path, arguments.runs, arguments.seconds))
        console.print(idle_connections(url, arguments.idle))
        console.print(while_loading(url, Path(folder), arguments.runs))
        console.print(by_history(Path(folder), arguments.history))


if __name__ == "__main__":
    main()
