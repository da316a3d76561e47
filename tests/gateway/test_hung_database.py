"""A database that hangs: only questions to it wait."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from qotgate import QuoteClient, Unavailable
from qotgate.gateway.session import MAX_UNDER_WAY
from qotgate.protocol.messages import ProtoId
from qotgate.service.reference import Reference
from tests.support.databases import PostgreSQL, filled
from tests.support.serving import QOTGATE, children, serving, serving_process
from tests.support.wire import Wire

pytestmark = pytest.mark.slow


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Lock the tables: nothing can be read meanwhile."""
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE state IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def stopped(server: PostgreSQL) -> Iterator[None]:
    """Suspend the server: the system still accepts connections for it."""
    # The parent first, so that it starts no other processes.
    processes = [server.pid]
    os.kill(server.pid, signal.SIGSTOP)
    processes += children(server.pid)
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def asked(wire: Wire, code: str) -> bytes:
    return wire.request(ProtoId.Qot_GetArkStockDynamic, security={"market": 11, "code": code})


def test_who_waits_for_the_database_is_not_taken_for_silent(postgresql_sample: str) -> None:
    codes = ["TSLA", *(f"NONE{number}" for number in range(2 * MAX_UNDER_WAY))]
    options = ("--rate-limit", "off", "--keep-alive-interval", "1")
    with serving(postgresql_sample, *options) as gateway, Wire(gateway.port) as wire:
        with locked(postgresql_sample):
            wire.send(b"".join(asked(wire, code) for code in codes))
            # Heard later than the other.
            with Wire(gateway.port) as silent:
                assert silent.closed()
        answers = [wire.answer() for _ in codes]
    assert [answer.retType for answer in answers] == [0] * len(codes)
    assert sum(answer.s2c.netShares for answer in answers) == 76041


def test_a_locked_table_is_told(postgresql_sample: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (
        log.open("w") as stderr,
        serving_process(
            postgresql_sample, "--http-port", "0", "--lang", "en", stderr=stderr.fileno()
        ) as gateway,
        QuoteClient(port=gateway.port) as client,
    ):
        with locked(postgresql_sample):
            for _ in range(2):
                with pytest.raises(Unavailable, match="cannot read its database"):
                    client.ark_dynamic("US.TSLA")
            assert httpx.get(f"{gateway.pages}/readyz", timeout=20).status_code == 503
            done = subprocess.run(
                [*QOTGATE, "status", "--db", postgresql_sample],
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "a lock on its tables, is in the way" in done.stderr
        assert client.ark_dynamic("US.TSLA").net_shares == 76041
    told = [line for line in map(json.loads, log.read_text().splitlines()) if line["level"] == "error"]
    # Once, with the way it was noticed.
    assert ["is in the way" in line["reason"] for line in told if "path" not in line] == [True]


def test_the_gateway_ends_all_the_same(postgresql_alone: PostgreSQL, reference: Reference) -> None:
    url = filled(postgresql_alone.new(), reference)
    # Memory would answer without the database.
    options = ("--http-port", "0", "--drain-seconds", "1", "--data-cache-bytes", "0")
    with (
        serving_process(url, *options) as gateway,
        Wire(gateway.port) as wire,
        Wire(gateway.port) as other,
    ):
        assert wire.dynamic().s2c.netShares == 76041
        with stopped(postgresql_alone):
            wire.send(asked(wire, "ROKU"))
            assert other.ask(ProtoId.KeepAlive, time=0).retType == 0
            assert gateway.stop() == 0
            assert wire.closed()
