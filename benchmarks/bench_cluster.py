"""Several gateways on one PostgreSQL, and long runs with faults on either engine.

Takes the programs of PostgreSQL and, with ``--soak``, of Redis. docs/performance.md tells what was found.
"""

import argparse
import tempfile
from pathlib import Path

from rich.console import Console

from gateway.dataset import make
from gateway.faults import soak_with_faults
from gateway.scale import moved, scale
from gateway.servers import running_postgresql, running_redis
from qotgate.store import Store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--soak", type=int, default=0, help="seconds on each engine, and nothing else")
    arguments = parser.parse_args()
    console = Console(width=160)
    with tempfile.TemporaryDirectory() as name, running_postgresql() as server:
        folder = Path(name)
        file = make(folder / "bench.db")
        url = server.empty()
        Store.open(url).close()
        moved(file, url, folder)
        if arguments.soak:
            console.print(soak_with_faults(file, folder, arguments.soak, None, None))
            with running_redis(folder) as store:
                console.print(soak_with_faults(url, folder, arguments.soak, server, store))
            return
        console.print(scale(server, url, arguments.runs))


if __name__ == "__main__":
    main()
