"""Mixed traffic at full load for minutes, and the gateway's memory meanwhile."""

import itertools
from time import monotonic

from rich.table import Table

from gateway.processes import gateway, generate
from gateway.rows import rows

TURN_SECONDS = 3.0
SHOWN = 10


def soak(url: str, seconds: int) -> Table:
    """Run the plain rows in turn for ``seconds``."""
    table = Table(title=f"{seconds} s of mixed full load")
    for column in ("seconds", "requests so far", "resident MiB"):
        table.add_column(column, justify="right")
    seen: list[tuple[float, int, float]] = []
    with gateway(url) as server:
        started, asked = monotonic(), 0
        for row in itertools.cycle(rows(server.ports[0])):
            if row.carrier == "aes":
                continue
            port = server.ports[1] if row.carrier == "websocket" else server.ports[0]
            asked += generate(row.plan(port, TURN_SECONDS)).replies
            seen.append((monotonic() - started, asked, server.resident))
            if seen[-1][0] >= seconds:
                break
    for passed, so_far, resident in seen[:: max(len(seen) // SHOWN, 1)]:
        table.add_row(f"{passed:.0f}", f"{so_far:,}", f"{resident:.1f}")
    return table
