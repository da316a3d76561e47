"""A database that hangs: who asked waits for it, and all else goes on."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from qotgate.gateway.session import UNDER_WAY_MOST
from qotgate.protocol.messages import ProtoId
from qotgate.service.loading import find_files, load
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.conftest import SAMPLE
from tests.databases import PostgreSQL
from tests.serving import serving
from tests.wire import Wire


@pytest.fixture
def url(postgresql: PostgreSQL, reference: Reference) -> str:
    url = postgresql.new()
    store = Store.open(url)
    load(store, reference, find_files([SAMPLE]))
    store.close()
    return url


@contextmanager
def hung(url: str) -> Iterator[None]:
    """Nothing can be read meanwhile."""
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE state IN ACCESS EXCLUSIVE MODE")
        yield


def asked(wire: Wire, code: str) -> bytes:
    return wire.request(ProtoId.Qot_GetArkStockDynamic, security={"market": 11, "code": code})


def test_who_waits_for_the_database_is_not_taken_for_silent(url: str) -> None:
    codes = ["TSLA", *(f"NONE{number}" for number in range(2 * UNDER_WAY_MOST))]
    options = ("--rate-limit", "off", "--keep-alive-interval", "1")
    with serving(url, *options) as gateway, Wire(gateway.port) as wire:
        with hung(url), Wire(gateway.port) as silent:
            wire.send(b"".join(asked(wire, code) for code in codes))
            assert silent.closed()
            with Wire(gateway.port) as other:
                assert other.closed()
        answers = [wire.answer() for _ in codes]
    assert [answer.retType for answer in answers] == [0] * len(codes)
    assert sum(answer.s2c.netShares for answer in answers) == 76041


def test_the_gateway_ends_all_the_same(url: str) -> None:
    options = ("--http-port", "0", "--drain-seconds", "1")
    with serving(url, *options) as gateway, Wire(gateway.port) as wire, hung(url):
        wire.send(asked(wire, "TSLA"))
        with Wire(gateway.port) as other:
            assert other.ask(ProtoId.KeepAlive, time=0).retType == 0
        assert gateway.stop() == 0
        assert wire.closed()
