"""Frames of the TCP stream, sans I/O.

Each packet is a 44-byte little-endian header and a body. The parser is fed whatever bytes arrived and
yields whole packets; what is left over waits for the next call, is never unpacked or searched again, and
only leftovers are copied twice. A stream that cannot be this protocol raises; a packet whose body does not
fit its SHA-1 is still opened, since the answer to it needs its serial number.

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


Change = Callable[[bytes], bytes]
"""Takes a body, gives it encrypted or decrypted."""


class Frame(NamedTuple):
    """A message on the wire: a plain body and what the header says of it.

    ``intact`` is False where the body that arrived does not fit the header's SHA-1 or cannot be decrypted.
    """

    proto_id: int
    body_format: int
    serial: int
    body: bytes
    intact: bool = True

    def encode(self, encrypt: Change | None = None) -> bytes:
        """The packet, with its body encrypted by ``encrypt`` if there is one."""
        digest = sha1(self.body, usedforsecurity=False).digest()
        body = self.body if encrypt is None else encrypt(self.body)
        return (
            HEADER.pack(
                FLAG, self.proto_id, self.body_format, PROTOCOL_VERSION, self.serial, len(body), digest
            )
            + body
        )


class Packet(NamedTuple):
    """A whole packet as it arrived; ``digest`` is the header's SHA-1 of the plain body."""

    proto_id: int
    body_format: int
    serial: int
    body: bytes
    digest: bytes

    def open(self, decrypt: Change | None = None) -> Frame:
        """The message in the packet, its body decrypted by ``decrypt`` if there is one."""
        body = self.body
        if decrypt is not None:
            try:
                body = decrypt(body)
            except ValueError:
                return Frame(self.proto_id, self.body_format, self.serial, b"", intact=False)
        intact = sha1(body, usedforsecurity=False).digest() == self.digest
        return Frame(self.proto_id, self.body_format, self.serial, body, intact)


class FrameParser:
    """Cuts a stream into packets; ``limit`` is the longest body allowed, in bytes."""

    def __init__(self, limit: int = REQUEST_LIMIT) -> None:
        self.limit = limit
        self._waiting = bytearray()
        self._header: tuple[int, int, int, int, bytes] | None = None

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Yield the packets that ``data`` completes.

        Raises ProtocolError on a wrong flag or a body over the limit; the packets before it have been
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
                yield Packet(proto_id, body_format, serial, body, digest)
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
