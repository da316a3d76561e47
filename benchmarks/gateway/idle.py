"""The cost of idle connections: memory, and the time of one client among them."""

from contextlib import ExitStack
from time import perf_counter

from rich.table import Table

from gateway.carriers import open_connection
from gateway.processes import gateway
from gateway.rows import dynamic

ASKED = 1000


def idle_connections(url: str, connections: int) -> Table:
    """Open ``connections``, each past InitConnect, and measure the gateway."""
    _allow_files(connections)
    table = Table(title=f"{connections:,} idle connections")
    for column in ("connections", "resident MiB", "KiB each", "µs for one that asks and waits"):
        table.add_column(column, justify="right")
    options = ("--max-connections", str(connections + 10), "--keep-alive-interval", "600")
    with gateway(url, *options) as server, ExitStack() as opened:
        before = server.resident
        table.add_row("0", f"{before:.0f}", "", f"{_ask(server.ports[0]):.0f}")
        for _ in range(connections):
            opened.enter_context(open_connection("tcp", server.ports[0], None, greet=True).socket)
        resident = server.resident
        each = (resident - before) * 1024 / connections
        table.add_row(f"{connections:,}", f"{resident:.0f}", f"{each:.1f}", f"{_ask(server.ports[0]):.0f}")
    return table


def _ask(port: int) -> float:
    opened = open_connection("tcp", port, None, greet=True)
    packet = opened.frame(dynamic("AAA"))
    times = []
    with opened.socket as connection:
        for _ in range(ASKED):
            started = perf_counter()
            connection.sendall(packet)
            connection.recv(1 << 16)
            times.append(perf_counter() - started)
    return sorted(times)[ASKED // 2] * 1e6


def _allow_files(connections: int) -> None:
    import resource

    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed < connections + 100:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(connections + 100, most), most))
