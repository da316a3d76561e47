"""A blocking client polls before it sleeps where that helps, and stops where it does not."""

import errno
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from qotgate import QuoteClient
from qotgate.client import connection
from tests.support.serving import Serving

CALLS = 500


class Incoming:
    """A connection's socket for reading, whose polls find an answer or nothing; it counts them."""

    def __init__(self, real: socket.socket) -> None:
        self.real = real
        self.finds = True
        self.most = 1 << 18
        self.polls = self.reads = 0

    def settimeout(self, seconds: float) -> None:
        self.polls += seconds == 0
        self.real.settimeout(seconds)

    def recv(self, size: int) -> bytes:
        if self.real.gettimeout() == 0:
            if not self.finds:
                raise BlockingIOError(errno.EAGAIN, "nothing")
            self.real.settimeout(10)
        self.reads += 1
        return self.real.recv(min(size, self.most))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@pytest.fixture
def client(sample_gateway: Serving, monkeypatch: pytest.MonkeyPatch) -> Iterator[QuoteClient]:
    monkeypatch.setattr(connection, "POLLS", True)
    # The watcher polls too.
    monkeypatch.setattr(connection, "TICK_SECONDS", 3600)
    with QuoteClient(port=sample_gateway.port) as client:
        client.connect()
        yield client


def watched(client: QuoteClient) -> tuple[connection.Connection, Incoming]:
    link = client._link._connection
    assert link is not None
    incoming = Incoming(link._incoming)
    link._incoming = incoming
    link._unpolled, link._pause = 0, 1
    return link, incoming


def ask(client: QuoteClient, calls: int) -> None:
    for _ in range(calls):
        assert client.ark_dynamic("US.TSLA").net_shares == 76041


def test_each_call_polls_where_answers_are_quick(client: QuoteClient) -> None:
    _, incoming = watched(client)
    ask(client, CALLS)
    assert incoming.polls == incoming.reads == CALLS


def test_the_rest_of_an_answer_is_not_polled_for(client: QuoteClient) -> None:
    _, incoming = watched(client)
    incoming.most = 10
    ask(client, CALLS)
    assert incoming.polls == CALLS
    assert incoming.reads >= 5 * CALLS


def test_polls_in_vain_become_rare(client: QuoteClient) -> None:
    link, incoming = watched(client)
    incoming.finds = False
    ask(client, CALLS)
    # With reads 1, 4, 9, 18, 35, 68, 133 and 262.
    assert 0 < incoming.polls <= 8
    assert incoming.reads == CALLS
    incoming.finds = True
    ask(client, 2 * connection.MOST_UNPOLLED)
    assert incoming.polls > connection.MOST_UNPOLLED
    assert link._pause < connection.MOST_UNPOLLED


def test_several_threads_do_not_poll(client: QuoteClient) -> None:
    _, incoming = watched(client)
    incoming.finds = False
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: ask(client, CALLS), range(8)))
    assert incoming.polls <= incoming.reads / 10
