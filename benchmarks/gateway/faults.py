"""Minutes of mixed full load with faults, and the gateway's memory and descriptors meanwhile."""

import itertools
import os
import random
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

from rich.table import Table

from gateway.carriers import open_connection
from gateway.dataset import write_notes
from gateway.processes import QOTGATE, Server, gateway, generate
from gateway.rows import FIRST_PAGE, rows
from gateway.servers import PostgreSQL, StoreServer

TURN_SECONDS = 3.0
AWAY_SECONDS = 0.7
SHOWN = 12
STRANGERS = 200
NOTES = 500


class Faults:
    """The faults, one in each turn."""

    def __init__(
        self, url: str, folder: Path, server: Server, database: PostgreSQL | None, store: StoreServer | None
    ) -> None:
        self._url, self._folder, self._server = url, folder, server
        self._database, self._store = database, store
        self._chance = random.Random(1)
        self._numbers = itertools.count()
        kinds = [self.load, self.killed_load, self.garbage, self.silence, self.unread, self.reload]
        kinds += [self.database_restarted] * (database is not None)
        kinds += [self.store_killed] * (store is not None)
        self.kinds: list[Callable[[], None]] = kinds

    def load(self, kill_after: float | None = None) -> None:
        """A load of new notes that completes, or is killed."""
        file = self._folder / "more.csv"
        write_notes(file, NOTES, 500, seed=1000 + next(self._numbers))
        with subprocess.Popen(
            [*QOTGATE, "load", str(file), "--db", self._url],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            if kill_after is not None:
                sleep(kill_after)
                process.kill()

    def killed_load(self) -> None:
        self.load(self._chance.uniform(0.5, 2.0))

    def garbage(self) -> None:
        """Peers that send garbage, or half a packet."""
        for number in range(STRANGERS):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 5) as stranger:
                stranger.sendall(os.urandom(60) if number % 2 else b"FT\xe9\x03")

    def silence(self) -> None:
        """Peers that send nothing, and leave."""
        held = [socket.create_connection(("127.0.0.1", self._port), 5) for _ in range(STRANGERS // 4)]
        sleep(AWAY_SECONDS)
        for stranger in held:
            stranger.close()

    def unread(self) -> None:
        """Clients that request pages, never read them, and disconnect."""
        held = [open_connection("tcp", self._port, None, greet=True) for _ in range(8)]
        for opened in held:
            opened.socket.settimeout(0.2)
            with suppress(OSError):
                opened.socket.sendall(opened.frame(FIRST_PAGE) * 5000)
        for opened in held:
            opened.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            opened.socket.close()

    def reload(self) -> None:
        """A reload of the options."""
        self._server.process.send_signal(signal.SIGHUP)

    def database_restarted(self) -> None:
        assert self._database is not None
        self._database.stop(self._chance.choice(["fast", "immediate"]))
        sleep(AWAY_SECONDS)
        self._database.start()

    def store_killed(self) -> None:
        assert self._store is not None
        self._store.stop(signal.SIGKILL)
        sleep(AWAY_SECONDS)
        self._store.start()

    @property
    def _port(self) -> int:
        return self._server.ports[0]


def soak_with_faults(
    url: str, folder: Path, seconds: int, database: PostgreSQL | None, store: StoreServer | None
) -> Table:
    """Run the plain rows in turn for ``seconds``, a fault in each turn."""
    engine = "PostgreSQL" if database else "SQLite"
    table = Table(title=f"{seconds} s of mixed load with faults, {engine}")
    for column in ("seconds", "requests so far", "faults so far", "resident MiB", "descriptors"):
        table.add_column(column, justify="right")
    seen: list[tuple[float, int, int, float, int]] = []
    options = ("--limit-store", store.url, "--rate-limit", "1000000/1s") if store else ()
    with gateway(url, *options) as server:
        faults = Faults(url, folder, server, database, store)
        chosen = [row for row in rows(server.ports[0]) if row.carrier != "aes"]
        started, asked = monotonic(), 0
        turns = zip(itertools.cycle(chosen), itertools.cycle(faults.kinds), strict=False)
        for done, (row, fault) in enumerate(turns, 1):
            port = server.ports[1] if row.carrier == "websocket" else server.ports[0]
            going_wrong = Thread(target=fault)
            going_wrong.start()
            asked += generate(row.plan(port, TURN_SECONDS)).replies
            going_wrong.join()
            sleep(0.2)
            descriptors = sum(1 for _ in Path(f"/proc/{server.process.pid}/fd").iterdir())
            seen.append((monotonic() - started, asked, done, server.resident, descriptors))
            if seen[-1][0] >= seconds:
                break
    for passed, so_far, done, resident, descriptors in seen[:: max(len(seen) // SHOWN, 1)]:
        table.add_row(f"{passed:.0f}", f"{so_far:,}", str(done), f"{resident:.1f}", str(descriptors))
    return table
