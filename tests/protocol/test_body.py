"""Bodies in both formats, and messages compared with those of the published clients."""

import json
import subprocess
import sys
from itertools import permutations
from typing import Any

import pytest

from qotgate.model import InvalidRequest
from qotgate.protocol.body import decode, decode_request, encode, refusal
from qotgate.protocol.frame import JSON, PROTOBUF
from qotgate.protocol.messages import REQUESTS, RESPONSES, ProtoId, RetType


@pytest.mark.parametrize("body_format", [PROTOBUF, JSON])
def test_round_trip(body_format: int) -> None:
    request = REQUESTS[ProtoId.Qot_GetArkStockDynamic]()
    request.c2s.security.market = 11
    request.c2s.security.code = "TSLA"
    assert (
        decode_request(ProtoId.Qot_GetArkStockDynamic, encode(request, body_format), body_format) == request
    )


def test_json_has_the_names_of_the_messages_and_numbers_for_enums() -> None:
    response = RESPONSES[ProtoId.GetGlobalState](retType=0)
    response.s2c.programStatus.type = 10
    response.s2c.time = 2**40
    text = json.loads(encode(response, JSON))
    assert text == {"retType": 0, "s2c": {"programStatus": {"type": 10}, "time": str(2**40)}}


@pytest.mark.parametrize("time", [5, "5"])
def test_json_takes_64_bit_integers_either_way(time: Any) -> None:
    body = json.dumps({"c2s": {"time": time, "new": 1}}).encode()
    assert decode_request(ProtoId.KeepAlive, body, JSON).c2s.time == 5


@pytest.mark.parametrize("body_format", [PROTOBUF, JSON])
def test_a_missing_field_is_named(body_format: int) -> None:
    body = {PROTOBUF: bytes([0x0A, 0]), JSON: b'{"c2s":{}}'}[body_format]
    with pytest.raises(InvalidRequest, match=r"lacks c2s\.security, which Qot_GetArkStockDynamic"):
        decode_request(ProtoId.Qot_GetArkStockDynamic, body, body_format)


@pytest.mark.parametrize(
    ("body", "body_format"),
    [
        (b"\xff\xff\xff", PROTOBUF),
        (b"", JSON),
        (b"\xff\xfe", JSON),
        (b"[" * 100_000, JSON),
        (b'{"c2s": {"time": "x"}}', JSON),
        (b'{"c2s": {"time": 1e999}}', JSON),
    ],
)
def test_what_cannot_be_decoded_is_refused(body: bytes, body_format: int) -> None:
    with pytest.raises(InvalidRequest, match=r"not a KeepAlive \(1004\) request"):
        decode_request(ProtoId.KeepAlive, body, body_format)


@pytest.mark.parametrize("body_format", [PROTOBUF, JSON])
@pytest.mark.parametrize("proto_id", list(ProtoId))
def test_a_refusal_is_an_answer_to_any_request(proto_id: ProtoId, body_format: int) -> None:
    body = encode(refusal(RetType.FAILED, "no"), body_format)
    answer = decode(RESPONSES[proto_id], body, body_format)
    assert (answer.retType, answer.retMsg, answer.IsInitialized()) == (-1, "no", True)


@pytest.mark.parametrize("order", list(permutations(["futu", "moomoo", "qotgate"])))
@pytest.mark.slow
def test_all_three_packages_import_in_any_order(order: tuple[str, ...]) -> None:
    code = "\n".join(f"import {name}" for name in order)
    code += "\nfrom qotgate.protocol.messages import REQUESTS, ProtoId"
    code += "\nfrom futu.common.pb import Qot_GetRatingChange_pb2"
    code += "\nassert REQUESTS[ProtoId.Qot_GetRatingChange] is not Qot_GetRatingChange_pb2.Request"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)
