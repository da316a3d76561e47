"""A recorded body keeps its meaning, whatever it contains."""

import json
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.wrappers_pb2 import FloatValue
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qotgate.protocol.frame import JSON, PROTOBUF
from qotgate.relay import published
from qotgate.relay.bodies import Body, json_fields, load_body, meaning, read_body, write_body
from qotgate.relay.exact_json import InexactError, exact_json
from qotgate.relay.published import known_messages, own_messages
from tests.support.protobuf_messages import any_message

MESSAGES = known_messages()
KINDS = [*MESSAGES.requests.values(), *MESSAGES.responses.values()]


def through_a_file(kind: Any, body: Body, body_format: int = PROTOBUF) -> Body:
    written = json.loads(json.dumps(write_body("request", body), ensure_ascii=False))
    assert len(written) == 1
    return load_body(kind, written.get("request"), written.get("request_base64"), body_format)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_every_message_comes_back(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    message = data.draw(any_message(kind))
    body = read_body(kind, message.SerializePartialToString(), PROTOBUF)
    back = through_a_file(kind, body)
    assert meaning(back.message) == meaning(message)
    assert meaning(kind.FromString(back.encode(PROTOBUF))) == meaning(message)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_json_is_that_of_protobuf(data: st.DataObject) -> None:
    message = data.draw(any_message(data.draw(st.sampled_from(KINDS))))
    try:
        written = exact_json(message)
    except InexactError:
        assert any(sign in json.dumps(json_fields(message)) for sign in ("NaN", "Infinity"))
    else:
        assert json.dumps(written) == json.dumps(json_fields(message))


@settings(deadline=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
@example(1.100992960209684e21)
def test_32_bit_floats_are_as_short_as_they_can_be(number: float) -> None:
    message = FloatValue(value=number)
    assert exact_json(message).get("value", 0.0) == json_format.MessageToDict(message)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_body_may_be_given_in_the_other_format(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    message = data.draw(any_message(kind))
    in_json = Body(message).encode(JSON)
    again = read_body(kind, in_json, JSON)
    assert again.message is not None
    assert again.encode(JSON) == in_json
    # JSON does not distinguish NaN values.
    if b'"NaN"' not in in_json:
        assert again.encode(PROTOBUF) == message.SerializePartialToString()


@given(st.binary(max_size=200), st.sampled_from([PROTOBUF, JSON]))
def test_bytes_that_are_no_message_come_back(data: bytes, body_format: int) -> None:
    for kind in (None, MESSAGES.requests[3001]):
        body = read_body(kind, data, body_format)
        back = through_a_file(kind, body, body_format)
        if body.message is None:
            assert back.encode(body_format) == data
            with pytest.raises(ValueError, match="recorded in another format"):
                back.encode(JSON - body_format)
        else:
            assert meaning(back.message) == meaning(body.message)


def test_fields_that_are_not_known_are_kept() -> None:
    """As if OpenD is newer than the installed package."""
    kind = MESSAGES.responses[3001]
    data = kind(retType=0).SerializeToString() + b"\xfa\x3e\x03abc"
    body = read_body(kind, data, PROTOBUF)
    assert set(write_body("response", body)) == {"response_base64"}
    assert through_a_file(kind, body).encode(PROTOBUF) == data


def test_text_that_is_not_utf_8_is_kept() -> None:
    kind = MESSAGES.responses[3001]
    data = b"\x08\x00\x12\x02\xff\xfe"
    assert through_a_file(kind, read_body(kind, data, PROTOBUF)).encode(PROTOBUF) == data


@pytest.mark.parametrize(
    ("written", "written_base64", "told"),
    [
        ({"c2s": {"nothing": 1}}, None, "is not that message: .*nothing"),
        ({"c2s": 1}, None, "is not that message"),
        ({"c2s": {"subTypeList": ["x"]}}, None, "is not that message"),
        (None, "!", "is not base64"),
    ],
)
def test_a_line_that_was_edited_wrongly_is_told(written: Any, written_base64: str | None, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        load_body(MESSAGES.requests[3001], written, written_base64, PROTOBUF)


def test_the_messages_are_found_without_importing_the_package() -> None:
    assert MESSAGES.source is not None
    assert MESSAGES.name(3103) == "Qot_RequestHistoryKL"
    assert MESSAGES.name(9999) == "9999"
    known = set(MESSAGES.responses)
    assert {1003, 2208, 3007, 3801} <= known
    assert len(known) > 150
    assert own_messages().source is None
    assert own_messages().name(1002) == "GetGlobalState"


def test_without_a_package_there_are_qotgates_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "PACKAGES", {"futu": "a-package-that-is-not-there"})
    assert known_messages.__wrapped__() == own_messages()
    # A message whose definition has changed is refused too.
    monkeypatch.setattr(published, "PACKAGES", {"structlog": "structlog"})
    assert known_messages.__wrapped__() == own_messages()
