"""HAProxy with the configuration from ``deploy``, in front of two gateways: published clients, pages, a
killed gateway."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from qotgate import QuoteClient
from tests.support.haproxy import Front, connections, haproxy
from tests.support.serving import serving_process, until
from tests.support.toolchains import HERE, PROTO, bundle, node
from tests.support.toolchains import run as run_tool
from tests.support.wire import Wire

pytestmark = pytest.mark.slow

PER_ADDRESS = 6


OPTIONS = ("--rate-limit", "off", "--http-port", "0", "--websocket-port", "0", "--lang", "en")


@pytest.fixture(scope="module")
def front(sample_url: str) -> Iterator[Front]:
    with ExitStack() as held:
        gateways = [held.enter_context(serving_process(sample_url, *OPTIONS)) for _ in range(2)]
        yield held.enter_context(haproxy(gateways, per_address=PER_ADDRESS))


def test_a_published_client_asks_through_it(front: Front, tmp_path: Path) -> None:
    script = (
        f"from futu import *; ctx = OpenQuoteContext(host='127.0.0.1', port={front.port})\n"
        "ret, found = ctx.get_ark_stock_dynamic(security='US.TSLA')\n"
        "print('asked', ret, found['net_shares'] if isinstance(found, dict) else found)\n"
        "ctx.close()"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    with QuoteClient(port=front.port) as client:
        shares = client.ark_dynamic("US.TSLA").net_shares
    asked = next(line for line in done.stdout.splitlines() if line.startswith("asked"))
    assert asked.startswith("asked 0"), done.stdout + done.stderr
    assert str(shares) in asked


def test_a_javascript_client_asks_through_it(front: Front, tmp_path: Path) -> None:
    script = tmp_path / "session.mjs"
    script.write_text((HERE / "javascript" / "session.mjs").read_text(encoding="utf-8"))
    made = bundle(script, "--alias:client=futu-api")
    done = run_tool([*node(), made, str(front.websocket), "false", "", "0", PROTO], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    told = dict(
        line.split(" ", 1) for line in done.stdout.splitlines() if line.startswith(("dynamic", "rat"))
    )
    assert json.loads(told["dynamic"])["retType"] == 0
    assert json.loads(told["rating"])["s2c"]["nextPage"]


def test_pages_come_through_it_and_metrics_do_not(front: Front) -> None:
    assert json.loads(front.get("/api/v1/ark/dynamics/US.TSLA"))
    assert "<html" in front.get("/")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        front.get("/metrics")


def test_connections_are_spread_and_those_of_one_address_counted(front: Front) -> None:
    until(lambda: [connections(gateway) for gateway in front.gateways] == [0, 0])
    with ExitStack() as held:
        for _ in range(PER_ADDRESS):
            held.enter_context(Wire(front.port))
        assert [connections(gateway) for gateway in front.gateways] == [3, 3]
        with pytest.raises((EOFError, ConnectionError)):
            Wire(front.port)
    until(lambda: [connections(gateway) for gateway in front.gateways] == [0, 0])
    with Wire(front.port) as wire:
        assert wire.dynamic().retType == 0


def test_a_gateway_that_is_killed_is_not_missed(sample_url: str) -> None:
    with ExitStack() as held:
        first, second = (held.enter_context(serving_process(sample_url, *OPTIONS)) for _ in range(2))
        front = held.enter_context(haproxy([first, second]))
        wires = [held.enter_context(Wire(front.port)) for _ in range(2)]
        assert [connections(gateway) for gateway in front.gateways] == [1, 1]
        first.process.kill()
        first.process.wait()
        answered = []
        for wire in wires:
            with suppress(EOFError, ConnectionError):
                answered.append(wire.dynamic().retType)
        assert answered == [0]
        # Before its check has failed, the other gateway already gets new clients.
        for _ in range(5):
            with Wire(front.port) as wire:
                assert wire.dynamic().retType == 0
        ports = ("--port", str(first.port), "--http-port", str(first.pages).rsplit(":", 1)[1].rstrip("/;"))
        assert first.websocket
        websocket = ("--websocket-port", first.websocket.rsplit(":", 1)[1].rstrip("/;"))
        again = held.enter_context(serving_process(sample_url, *OPTIONS, *ports, *websocket))

        def both_serve() -> bool:
            with Wire(front.port), Wire(front.port):
                return connections(again) > 0

        until(both_serve)
