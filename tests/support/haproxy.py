"""HAProxy with the configuration from ``deploy``, in front of a test's gateways."""

import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.support.parts import program
from tests.support.paths import ROOT
from tests.support.serving import Serving, until
from tests.support.wire import free_port

CONFIGURATION = ROOT / "deploy" / "haproxy.cfg"


@dataclass
class Front:
    """HAProxy's ports, and the gateways behind it."""

    port: int
    http: int
    websocket: int
    gateways: list[Serving]

    def ready(self) -> bool:
        """Whether it has found a ready gateway."""
        with suppress(OSError, urllib.error.HTTPError):
            return bool(self.get("/readyz"))
        return False

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=10) as answer:
            return str(answer.read().decode())


def connections(gateway: Serving) -> int:
    """A gateway's number of connections, by its metrics."""
    with urllib.request.urlopen(f"{gateway.pages}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("qotgate_connections "):
                return int(float(line.split()[1]))
    raise AssertionError("no metric")


@contextmanager
def haproxy(gateways: list[Serving], *, per_address: int = 64) -> Iterator[Front]:
    front = Front(free_port(), free_port(), free_port(), gateways)
    addresses = {
        "LISTEN": f"127.0.0.1:{front.port}",
        "LISTEN_HTTP": f"127.0.0.1:{front.http}",
        "LISTEN_WEBSOCKET": f"127.0.0.1:{front.websocket}",
        "CONNECTIONS_PER_ADDRESS": str(per_address),
    }
    for number, gateway in enumerate(gateways, 1):
        assert gateway.pages
        assert gateway.websocket
        addresses[f"GATEWAY_{number}"] = f"127.0.0.1:{gateway.port}"
        addresses[f"GATEWAY_{number}_HTTP"] = gateway.pages.removeprefix("http://").rstrip("/;")
        addresses[f"GATEWAY_{number}_WEBSOCKET"] = gateway.websocket.removeprefix("ws://").rstrip("/;")
    command = [program("haproxy"), "-db", "-f", str(CONFIGURATION)]
    environment = {**os.environ, **addresses}
    checked = subprocess.run([*command, "-c"], env=environment, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr, checked.stderr
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until(front.ready)
            yield front
        finally:
            process.terminate()
