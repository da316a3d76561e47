"""Frames of the TCP stream, sans I/O.

Each packet is a 44-byte little-endian header and a body. The parser is fed whatever bytes arrived and
yields whole frames; what is left over waits for the next call, is never unpacked, hashed or searched
again, and only leftovers are copied. A stream that cannot be this protocol raises; a frame whose body
does not fit its SHA-1 is still a frame, since the answer to it needs its serial number.

Source of the layout: the published clients' packet header, as listed in the project's protocol notes.
"""

from collections.abc import Callable, Iterator
from hashlib import sha1
from struct import Struct
from typing import NamedTuple

from qotgate.model import ProtocolError

HEADER = Struct("<2sIBBII20s8x")
HEADER_SIZE = HEADER.size
FLAG = b"FT"
PROTOCOL_VERSION = 0
REQUEST_LIMIT = 1 << 20
"""The longest body that a gateway takes, in bytes, unless told otherwise."""

PROTOBUF = 0
JSON = 1


class Frame(NamedTuple):
    """One packet. ``body`` is plain; ``intact`` says whether the header's SHA-1 is that of the body."""

    proto_id: int
    body_format: int
    serial: int
    body: bytes
    intact: bool = True


Cipher = Callable[[int, bytes], bytes]
"""Takes a proto id and a body, gives the body encrypted or decrypted."""


class FrameParser:
    """Cuts a stream into frames.

    ``limit`` is the longest body allowed, in bytes. ``decrypt``, which may be set between two frames,
    is applied to each body before its SHA-1 is checked.
    """

    def __init__(self, limit: int = REQUEST_LIMIT, decrypt: Cipher | None = None) -> None:
        self.limit = limit
        self.decrypt = decrypt
        self._waiting = bytearray()
        self._header: tuple[int, int, int, int, bytes] | None = None

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that ``data`` completes.

        Raises ProtocolError on a wrong flag or a body over the limit; the frames before it have been
        yielded by then, and the parser must not be fed again.
        """
        waiting = self._waiting
        if waiting:
            waiting += data
            source: bytes | bytearray = waiting
        else:
            source = data
        size = len(source)
        position = 0
        try:
            while True:
                if self._header is None:
                    if size - position < HEADER_SIZE:
                        self._check_flag(source[position : position + 2])
                        break
                    self._header = self._unpack(source, position)
                    position += HEADER_SIZE
                proto_id, body_format, serial, length, digest = self._header
                if size - position < length:
                    break
                body = bytes(source[position : position + length])
                position += length
                self._header = None
                yield self._frame(proto_id, body_format, serial, body, digest)
        finally:
            if source is waiting:
                del waiting[:position]
            else:
                waiting += source[position:]

    def _unpack(self, source: bytes | bytearray, position: int) -> tuple[int, int, int, int, bytes]:
        flag, proto_id, body_format, _version, serial, length, digest = HEADER.unpack_from(source, position)
        self._check_flag(flag)
        if length > self.limit:
            raise ProtocolError(f"a body of {length} bytes is over the limit of {self.limit}")
        return proto_id, body_format, serial, length, digest

    @staticmethod
    def _check_flag(start: bytes | bytearray) -> None:
        if not FLAG.startswith(start):
            raise ProtocolError(f"a packet starts with {bytes(start)!r} instead of {FLAG!r}")

    def _frame(self, proto_id: int, body_format: int, serial: int, body: bytes, digest: bytes) -> Frame:
        if self.decrypt is not None:
            body = self.decrypt(proto_id, body)
        return Frame(
            proto_id, body_format, serial, body, sha1(body, usedforsecurity=False).digest() == digest
        )


def encode_frame(frame: Frame, encrypt: Cipher | None = None) -> bytes:
    """The packet of ``frame``, with its body encrypted by ``encrypt`` if there is one."""
    digest = sha1(frame.body, usedforsecurity=False).digest()
    body = frame.body if encrypt is None else encrypt(frame.proto_id, frame.body)
    head = HEADER.pack(
        FLAG, frame.proto_id, frame.body_format, PROTOCOL_VERSION, frame.serial, len(body), digest
    )
    return head + body
