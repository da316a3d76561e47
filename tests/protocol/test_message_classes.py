"""The classes of messages: all made at import, none collected, none made later."""

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from weakref import ref

from qotgate import OpenQuoteContext, QuoteClient
from qotgate.protocol.body import FORMATS, decode, encode
from qotgate.protocol.messages import CLASSES, POOL, RESPONSES, ProtoId
from qotgate.testing import run_gateway

THREADS = 4


def classes() -> list[Any]:
    """Every class of our pool that exists, referenced or not."""
    meta = type(CLASSES["Qot_Common.Security"])
    # An earlier gateway in this process has frozen all objects, which the collector does not list.
    gc.unfreeze()
    found = [one for one in gc.get_objects() if type(one) is meta]
    return [one for one in found if one.DESCRIPTOR.file.pool is POOL]


@contextmanager
def uncollected() -> Iterator[None]:
    """Check that classes made meanwhile exist at the end."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def parts(message: Any) -> Iterator[Any]:
    """A message and every message that it can contain, set or not."""
    yield message
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None:
            part = getattr(message, field.name)
            yield from parts(part.add() if hasattr(part, "add") else part)


def test_classes_outlive_their_messages() -> None:
    kinds = [ref(type(part)) for kind in CLASSES.values() for part in parts(kind())]
    gc.collect()
    assert all(kind() is not None for kind in kinds)


def test_every_message_of_the_pool_has_its_class() -> None:
    assert sorted(map(id, classes())) == sorted(map(id, CLASSES.values()))


def test_no_class_is_made_later() -> None:
    def work(number: int) -> None:
        for proto_id in ProtoId:
            kind = RESPONSES[proto_id]
            assert all(type(part) in CLASSES.values() for part in parts(kind()))
            body_format = number % len(FORMATS)
            decode(kind, encode(kind(retType=0), body_format), body_format)

    with uncollected(), ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(work, range(THREADS * 20)))
        assert len(classes()) == len(CLASSES)


def test_no_class_is_made_by_a_session() -> None:
    with run_gateway() as gateway, uncollected():
        with QuoteClient(gateway.host, gateway.port) as client:
            client.ark_dynamic("US.TSLA")
            list(client.rating_changes("US"))
            list(client.fund_holdings())
            list(client.active_transactions())
            client.global_state()
        context = OpenQuoteContext(gateway.host, gateway.port)
        assert context.get_ark_stock_dynamic("US.TSLA")[0] == 0
        context.close()
        assert len(classes()) == len(CLASSES)
