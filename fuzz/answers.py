"""The client against a gateway that sends arbitrary answers: each call returns, or raises an error of the
family."""

from functools import cache
from itertools import islice
from typing import Any

from fuzz.pieces import parts, sliced
from qotgate.client import questions
from qotgate.client.core import ClientCore, ClientOptions
from qotgate.client.rows import Rows
from qotgate.model import (
    Market,
    Page,
    QotGateError,
    StockDynamic,
)
from qotgate.protocol.frame import Frame, Packet
from qotgate.protocol.interface import LIST_QUESTIONS

RAW, ENCRYPTED, TABLES = 1, 2, 4
PACKETS_MOST = 16


@cache
def _asked() -> tuple[tuple[questions.Question[Any], type], ...]:
    words = [
        (listed, [choice.default or Market.US for choice in listed.choices]) for listed in LIST_QUESTIONS
    ]
    return (
        (questions.ark_dynamic("US.TSLA", None), StockDynamic),
        *((questions.list_page(listed, chosen, 20, None, None), listed.row) for listed, chosen in words),
        (questions.global_state(), object),
    )


def take_answers(data: bytes) -> None:
    """The first byte chooses raw bytes or parts, encryption, and whether rows become tables. The first packet
    answers InitConnect; each later one answers the question that its kind names."""
    if not data:
        return
    flags, rest = data[0], data[1:]
    core = ClientCore(ClientOptions(encrypt=bool(flags & ENCRYPTED)))
    core.init_connect()
    stream = (
        rest if flags & RAW else b"".join(_packet(number, *part) for number, part in enumerate(parts(rest)))
    )
    started = False
    try:
        for piece in sliced(stream, 1 << 10):
            for _, packet in islice(core.receive(piece), PACKETS_MOST):
                if not started:
                    core.start(packet)
                    started = True
                else:
                    _read(core, packet, bool(flags & TABLES))
            core.tick()
    except QotGateError as error:
        assert str(error)


def _packet(number: int, kind: int, body: bytes) -> bytes:
    asked = _asked()
    proto_id = 1001 if number == 0 else asked[kind % len(asked)][0].proto_id
    return Frame(proto_id, kind >> 4 & 1 if kind < 224 else kind, number, body).encode()


def _read(core: ClientCore, packet: Packet, tables: bool) -> None:
    for question, kind in _asked():
        if question.proto_id != packet.proto_id:
            continue
        try:
            answer = question.answer(core.open(packet))
        except QotGateError as error:
            assert str(error)
            return
        if tables and isinstance(answer, Page):
            rows = Rows(kind, answer.rows)
            assert len(rows.to_pandas()) == rows.to_polars().height == len(answer.rows)
        repr(answer)
