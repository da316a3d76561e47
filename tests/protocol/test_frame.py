"""The parser accepts bytes in any slicing, and names what is wrong with them."""

from hashlib import sha1

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qotgate.model import ProtocolError
from qotgate.protocol.frame import HEADER_SIZE, Frame, FrameParser

frames = st.lists(
    st.builds(
        Frame,
        proto_id=st.integers(0, 2**32 - 1),
        body_format=st.integers(0, 255),
        serial=st.integers(0, 2**32 - 1),
        body=st.binary(max_size=300),
        intact=st.just(True),
    ),
    max_size=8,
)


def test_layout() -> None:
    packet = Frame(3424, 1, 7, b"body").encode()
    assert HEADER_SIZE == 44
    assert packet == (
        b"FT"
        + (3424).to_bytes(4, "little")
        + bytes([1, 0])
        + (7).to_bytes(4, "little")
        + (4).to_bytes(4, "little")
        + sha1(b"body").digest()
        + bytes(8)
        + b"body"
    )


@given(frames, st.data())
def test_any_slicing_gives_the_same_frames(sent: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(frame.encode() for frame in sent)
    parser, received, position = FrameParser(), [], 0
    while position < len(stream):
        size = data.draw(st.integers(1, len(stream) - position))
        received += [packet.open() for packet in parser.feed(stream[position : position + size])]
        position += size
    assert received == sent


def test_a_byte_is_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []

    def counting(data: bytes, *, usedforsecurity: bool) -> object:
        hashed.append(len(data))
        return sha1(data)

    monkeypatch.setattr("qotgate.protocol.frame.sha1", counting)
    stream = Frame(1, 0, 1, bytes(1000)).encode()
    hashed.clear()
    parser = FrameParser()
    assert all(packet.open().intact for byte in stream for packet in parser.feed(bytes([byte])))
    assert hashed == [1000]


def test_a_wrong_digest_keeps_the_serial() -> None:
    packet = bytearray(Frame(3424, 0, 9, b"body").encode())
    packet[-1] ^= 1
    (arrived,) = FrameParser().feed(bytes(packet))
    frame = arrived.open()
    assert (frame.serial, frame.intact) == (9, False)


@pytest.mark.parametrize("start", [b"G", b"FX", b"GET / HTTP/1.1\r\n", bytes(44)])
def test_another_protocol_is_noticed_by_its_first_bytes(start: bytes) -> None:
    with pytest.raises(ProtocolError, match="starts with"):
        list(FrameParser().feed(start))


def test_a_body_over_the_limit_is_refused_by_its_header() -> None:
    packet = Frame(1, 0, 1, bytes(101)).encode()
    with pytest.raises(ProtocolError, match="101 bytes is over the limit of 100"):
        list(FrameParser(limit=100).feed(packet[:HEADER_SIZE]))
    assert list(FrameParser(limit=101).feed(packet))


def test_frames_before_an_error_are_given_out() -> None:
    parser = FrameParser()
    stream = parser.feed(Frame(1, 0, 1, b"").encode() + b"garbage")
    assert next(stream).serial == 1
    with pytest.raises(ProtocolError):
        next(stream)


def test_a_body_is_decrypted_before_its_digest_is_checked() -> None:
    def flip(body: bytes) -> bytes:
        return bytes(byte ^ 255 for byte in body)

    def refuse(_body: bytes) -> bytes:
        raise ValueError

    (packet,) = FrameParser().feed(Frame(1, 0, 2, b"secret").encode(flip))
    assert packet.body != b"secret"
    assert packet.open(flip) == Frame(1, 0, 2, b"secret")
    assert not packet.open().intact
    assert packet.open(refuse) == Frame(1, 0, 2, b"", intact=False)
