"""The QotHeader that newer published clients send in field 100 of C2S is ignored, like any unknown field."""

import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from websockets.sync.client import connect

from qotgate.gateway import WebSocketOptions
from qotgate.protocol.body import decode, encode
from qotgate.protocol.frame import JSON, PROTOBUF, Frame
from qotgate.protocol.messages import REQUESTS, RESPONSES, ProtoId
from tests.support.in_process import InProcess, in_process
from tests.support.websocket import WebSocket
from tests.support.wire import Wire

QUESTIONS: dict[ProtoId, dict[str, Any]] = {
    ProtoId.Qot_GetArkStockDynamic: {"security": {"market": 11, "code": "TSLA"}},
    ProtoId.Qot_GetRatingChange: {"market": 11, "count": 2},
    ProtoId.Qot_GetArkFundHolding: {"count": 2},
    ProtoId.Qot_GetArkActiveTransaction: {"cycleType": 4},
}


@pytest.fixture(scope="module")
def gateway(sample_url: str) -> Iterator[InProcess]:
    with in_process(sample_url, websocket=WebSocketOptions(port=0)) as gateway:
        yield gateway


@pytest.fixture(params=["futu", "moomoo"])
def header(request: pytest.FixtureRequest) -> Any:
    """The published header, with its one field set."""
    common = import_module(f"{request.param}.common.pb.Qot_Common_pb2")
    published = import_module(f"{request.param}.common.pb.Qot_GetBasicQot_pb2").C2S.DESCRIPTOR
    assert published.fields_by_number[100].message_type.full_name == "Qot_Common.QotHeader"
    return common.QotHeader(securityFirm=1)


def with_header(proto_id: ProtoId, header: Any) -> bytes:
    """A question's body with the header in field 100 of its C2S."""
    c2s = REQUESTS[proto_id](c2s=QUESTIONS[proto_id]).c2s.SerializeToString()
    sent = header.SerializeToString()
    # The key of field 100 with a length before its bytes; each length fits one byte.
    c2s += bytes([0xA2, 0x06, len(sent)]) + sent
    assert len(c2s) < 128
    return b"\x0a" + bytes([len(c2s)]) + c2s


def test_the_header_is_in_what_is_sent(header: Any) -> None:
    body = with_header(ProtoId.Qot_GetArkFundHolding, header)
    basic = import_module("futu.common.pb.Qot_GetBasicQot_pb2")
    assert basic.Request.FromString(body + b"").c2s.header.securityFirm == 1


@pytest.mark.parametrize("proto_id", QUESTIONS, ids=lambda proto_id: proto_id.name)
def test_on_tcp(gateway: InProcess, header: Any, proto_id: ProtoId) -> None:
    with Wire(gateway.port) as wire:
        plain = wire.ask(proto_id, **QUESTIONS[proto_id])
        wire.send(Frame(proto_id, PROTOBUF, 9, with_header(proto_id, header)).encode())
        answer = wire.answer()
    assert answer.retType == 0, answer.retMsg
    assert answer.s2c.ByteSize() > 0
    assert answer == plain


@pytest.mark.parametrize("proto_id", QUESTIONS, ids=lambda proto_id: proto_id.name)
def test_in_json(gateway: InProcess, proto_id: ProtoId) -> None:
    with Wire(gateway.port, body_format=JSON) as wire:
        plain = wire.ask(proto_id, **QUESTIONS[proto_id])
        request = json.loads(encode(REQUESTS[proto_id](c2s=QUESTIONS[proto_id]), JSON))
        request["c2s"]["header"] = {"securityFirm": 1}
        wire.send(Frame(proto_id, JSON, 9, json.dumps(request).encode()).encode())
        assert wire.answer() == plain


@pytest.mark.parametrize("proto_id", QUESTIONS, ids=lambda proto_id: proto_id.name)
def test_on_websocket(gateway: InProcess, header: Any, proto_id: ProtoId) -> None:
    assert gateway.websocket
    with connect(gateway.websocket, compression=None) as connection:
        client = WebSocket(connection)
        client.init()
        plain = client.question(proto_id, **QUESTIONS[proto_id])
        frame, error, _ = client.ask(proto_id, with_header(proto_id, header))
        assert (error, decode(RESPONSES[proto_id], frame.body, PROTOBUF)) == (0, plain)
