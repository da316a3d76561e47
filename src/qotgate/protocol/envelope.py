"""The WebSocket envelope, sans I/O: one binary message is one packet, big-endian, its body Protobuf.

A request is a sign, a command (the proto id, or INIT) and a section (the serial number), then the body; an
answer repeats them and adds an error number and 20 bytes of error text. Source: the published JavaScript
client, as listed in the project's protocol notes.
"""

from struct import Struct

from qotgate.model import ProtocolError
from qotgate.protocol.frame import PROTOBUF, Frame

SIGN = b"ft-v1.0\0"
REQUEST = Struct(">8sIQ")
ANSWER = Struct(">8sIQi20s")
TEXT_SIZE = 20

INIT = 1
"""The command of the first request of every connection; its body is an InitWebSocket."""


def decode_request(message: bytes) -> Frame:
    """The request in a binary message. Raises ProtocolError."""
    if len(message) < REQUEST.size:
        raise ProtocolError(f"a message of {len(message)} bytes is shorter than its head of {REQUEST.size}")
    sign, command, section = REQUEST.unpack_from(message)
    if sign != SIGN:
        raise ProtocolError(f"a message starts with {sign!r} instead of {SIGN!r}")
    return Frame(command, PROTOBUF, section, message[REQUEST.size :])


def encode_answer(frame: Frame, error: int = 0, text: str = "") -> bytes:
    """The binary message of an answer. ``text`` is cut to 20 ASCII characters: the published client reads 20
    characters, not bytes, and fails if they reach beyond the message."""
    shown = text.encode("ascii", "ignore")[:TEXT_SIZE]
    return ANSWER.pack(SIGN, frame.proto_id, frame.serial, error, shown) + frame.body


def encode_request(frame: Frame) -> bytes:
    """The binary message of a request."""
    return REQUEST.pack(SIGN, frame.proto_id, frame.serial) + frame.body


def decode_answer(message: bytes) -> tuple[Frame, int, str]:
    """The answer in a binary message, with its error number and text. Raises ProtocolError."""
    if len(message) < ANSWER.size or not message.startswith(SIGN):
        raise ProtocolError("a message is no answer of this protocol")
    _, command, section, error, text = ANSWER.unpack_from(message)
    shown = text.rstrip(b"\0").decode(errors="replace")
    return Frame(command, PROTOBUF, section, message[ANSWER.size :]), error, shown
