"""Pages and API over a slow PostgreSQL, and with values that it cannot store."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from tests.support.serving import Serving, serving

THREADS = 40
"""The threads that answer requests."""
CONNECTIONS = 15


@pytest.fixture
def site(postgresql_sample: str) -> Iterator[Serving]:
    with serving(postgresql_sample, "--http-port", "0", "--rate-limit", "off") as gateway:
        yield gateway


def test_the_process_answers_while_all_its_threads_wait(site: Serving, postgresql_sample: str) -> None:
    address = urlsplit(str(site.pages))
    waiting = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with ExitStack() as asked, psycopg.connect(postgresql_sample, autocommit=True) as looking:
        with psycopg.connect(postgresql_sample) as holding:
            holding.execute("LOCK TABLE state IN ACCESS EXCLUSIVE MODE")
            clients = []
            for _ in range(THREADS + 5):
                client = socket.create_connection((str(address.hostname), int(address.port or 0)), 20)
                clients.append(asked.enter_context(client))
                client.sendall(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            deadline = time.monotonic() + 20
            while looking.execute(waiting).fetchall() < [(CONNECTIONS,)]:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert httpx.get(f"{site.pages}/healthz", timeout=10).json()["status"] == "ok"
        for client in clients:
            # A request that has waited too long gets an error.
            assert client.recv(100)[:12] in (b"HTTP/1.1 200", b"HTTP/1.1 503")


def test_no_institution_has_a_name_with_a_nul(site: Serving) -> None:
    for path in ("/api/v1/ratings/changes", "/ratings"):
        assert httpx.get(f"{site.pages}{path}", params={"institution": "U\0BS"}).status_code == 200
