"""The WebSocket envelope."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qotgate.model import ProtocolError
from qotgate.protocol.envelope import decode_answer, decode_request, encode_answer, encode_request
from qotgate.protocol.frame import Frame

frames = st.builds(
    Frame,
    proto_id=st.integers(0, 2**32 - 1),
    body_format=st.just(0),
    serial=st.integers(0, 2**64 - 1),
    body=st.binary(max_size=50),
    intact=st.just(True),
)


def test_layout() -> None:
    assert encode_request(Frame(3424, 0, 5, b"body")) == (
        b"ft-v1.0\0" + bytes([0, 0, 0x0D, 0x60]) + bytes(7) + b"\x05" + b"body"
    )
    answer = encode_answer(Frame(1, 0, 5, b"body"), 1, "wrong key")
    assert answer == (
        b"ft-v1.0\0" + bytes([0, 0, 0, 1]) + bytes(7) + b"\x05" + b"\0\0\0\x01wrong key" + bytes(11) + b"body"
    )


@given(frames)
def test_requests_round_trip(frame: Frame) -> None:
    assert decode_request(encode_request(frame)) == frame


@given(frames, st.integers(-(2**31), 2**31 - 1), st.text(st.characters(exclude_characters="\0")))
def test_answers_round_trip_with_the_start_of_an_ascii_text(frame: Frame, error: int, text: str) -> None:
    answer, number, shown = decode_answer(encode_answer(frame, error, text))
    assert (answer, number) == (frame, error)
    assert shown == "".join(filter(str.isascii, text))[:20]


@given(st.binary(max_size=60))
def test_any_message_is_read_or_refused(message: bytes) -> None:
    for decode in (decode_request, decode_answer):
        try:
            decode(message)
        except ProtocolError:
            continue
        assert message.startswith(b"ft-v1.0\0")


@pytest.mark.parametrize("message", [b"", b"ft-v1.0\0", b"FT-v1.0\0" + bytes(12), bytes(100)])
def test_what_is_no_request_is_refused(message: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_request(message)
