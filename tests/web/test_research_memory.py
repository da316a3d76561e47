"""Five years of trades to a slow reader: the gateway's memory does not grow, in each format."""

import socket
import time
from collections.abc import Iterator
from datetime import date, timedelta
from io import BytesIO
from urllib.parse import urlsplit

import polars as pl
import pytest

from qotgate.service.calendar import ark_sessions
from tests.support.long_history import write_trades
from tests.support.memory import resident_bytes
from tests.support.serving import ServingProcess, serving_process

pytestmark = pytest.mark.slow

YEARS = 5
START = date(2021, 1, 4)
SECURITIES = 40
"""Each fund's trades a day."""
MAX_GROWTH = 40 << 20
"""Bytes; half of the length of the JSON answer."""
CHUNK = 1 << 20
SHORT_ANSWERS = 6


@pytest.fixture(scope="module")
def long_history(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Trades of five years in a database, 300,000 of them."""
    url = f"sqlite:///{tmp_path_factory.mktemp('long') / 'qotgate.db'}"
    write_trades(url, ark_sessions(START, START + timedelta(days=365 * YEARS)), SECURITIES)
    return url


@pytest.fixture(scope="module")
def gateway(long_history: str) -> Iterator[ServingProcess]:
    with serving_process(long_history, "--http-port", "0", "--rate-limit", "off") as process:
        yield process


def read_slowly(gateway: ServingProcess, path: str) -> tuple[bytes, int]:
    """Read an answer a megabyte at a time, with pauses. Returns the body, and the most memory meanwhile."""
    assert gateway.pages is not None
    place = urlsplit(gateway.pages)
    most, body = 0, BytesIO()
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=120) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        request = f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        while data := connection.recv(CHUNK, socket.MSG_WAITALL):
            body.write(data)
            most = max(most, resident_bytes(gateway.process.pid))
            time.sleep(0.02)
    head, _, rest = body.getvalue().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    return rest, most


@pytest.mark.parametrize("suffix", ["parquet", "csv", "json"])
def test_memory_stays_flat(gateway: ServingProcess, suffix: str) -> None:
    # Memory for an answer of a few parts stays allocated, in each thread that has made one; an answer of
    # fifteen parts takes no more.
    for _ in range(SHORT_ANSWERS):
        read_slowly(gateway, f"/api/v1/research/trades.{suffix}?end=2021-09-30")
    before = resident_bytes(gateway.process.pid)
    body, most = read_slowly(gateway, f"/api/v1/research/trades.{suffix}")
    rows = pl.read_parquet(BytesIO(body)).height if suffix == "parquet" else body.count(b"FLOW")
    assert rows > 300_000
    assert most - before < MAX_GROWTH
