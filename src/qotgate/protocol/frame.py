"""Frames of the TCP stream, sans I/O.

Each packet is a 44-byte little-endian header and a body. The parser takes received bytes and yields whole
packets. A partial packet waits for the next call and is not parsed before it is complete; only partial
packets are copied. A stream that cannot be this protocol raises. A packet whose body does not match its SHA-1
is still opened, since the answer to it needs its serial number.

Source of the layout: the published clients' packet header, as listed in the project's protocol notes.
"""

from collections.abc import Callable, Iterator
from hashlib import sha1
from struct import Struct
from typing import NamedTuple

from qotgate.model import ProtocolError

HEADER = Struct("<2sIBBII20s8x")
HEADER_SIZE = HEADER.size
LEAD = Struct("<2sIBB")
"""The bytes before the serial number, the same in a request and in its answer."""
SERIAL = Struct("<I")
_REST = Struct("<I20s8x")
FLAG = b"FT"
PROTOCOL_VERSION = 0
REQUEST_LIMIT = 1 << 20
"""The longest body that a gateway accepts by default, in bytes."""

MAX_SERIAL = 1 << 32
"""Serial numbers are lower. On the WebSocket side they have 64 bits."""

PROTOBUF = 0
JSON = 1


Transform = Callable[[bytes], bytes]
"""Encrypts or decrypts a body."""


def lead(proto_id: int, body_format: int) -> bytes:
    """The bytes of a packet before its serial number."""
    return LEAD.pack(FLAG, proto_id, body_format, PROTOCOL_VERSION)


def seal(body: bytes) -> bytes:
    """The bytes after the serial number in the packet of a plain body: its length, its SHA-1, the body."""
    return _REST.pack(len(body), sha1(body, usedforsecurity=False).digest()) + body


def unseal(sealed: bytes) -> bytes:
    """The body in the result of :func:`seal`."""
    return sealed[_REST.size :]


def seal_again(sealed: bytes, encrypt: Transform) -> bytes:
    """``sealed`` with its body encrypted by ``encrypt``; the SHA-1 stays that of the plain body."""
    body = encrypt(sealed[_REST.size :])
    return _REST.pack(len(body), sealed[4:24]) + body


class Frame(NamedTuple):
    """A message on the wire: a plain body and the fields of its header.

    ``intact`` is False if the received body does not match the header's SHA-1 or cannot be decrypted.
    """

    proto_id: int
    body_format: int
    serial: int
    body: bytes
    intact: bool = True

    def encode(self, encrypt: Transform | None = None) -> bytes:
        """The packet, with its body encrypted by ``encrypt``, if given."""
        sealed = seal(self.body)
        if encrypt is not None:
            sealed = seal_again(sealed, encrypt)
        return lead(self.proto_id, self.body_format) + SERIAL.pack(self.serial) + sealed


class Packet(NamedTuple):
    """A whole packet as received; ``digest`` is the header's SHA-1, which most clients compute from the plain
    body."""

    proto_id: int
    body_format: int
    serial: int
    body: bytes
    digest: bytes

    def open(self, decrypt: Transform | None = None, *, digest_as_sent: bool = False) -> Frame:
        """The message in the packet, its body decrypted by ``decrypt``, if given.

        With ``digest_as_sent``, the header has the SHA-1 of the encrypted body.
        """
        body = self.body
        if decrypt is not None:
            try:
                body = decrypt(body)
            except ValueError:
                return Frame(self.proto_id, self.body_format, self.serial, b"", intact=False)
        hashed = self.body if digest_as_sent else body
        intact = sha1(hashed, usedforsecurity=False).digest() == self.digest
        return Frame(self.proto_id, self.body_format, self.serial, body, intact)


class FrameParser:
    """Cuts a stream into packets; ``limit`` is the longest body allowed, in bytes.

    :meth:`feed` is enough for most readers. A reader that recognises some packets without opening them goes
    through the received bytes with :meth:`join`, :meth:`cut` and :meth:`keep`.
    """

    def __init__(self, limit: int = REQUEST_LIMIT) -> None:
        self.limit = limit
        self._waiting = bytearray()
        self._wanted = 0

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Yield the packets that ``data`` completes.

        Raises ProtocolError on a wrong flag or a body over the limit, after yielding the packets before it;
        the parser must not be used again.
        """
        arrived = self.join(data)
        if not arrived:
            return
        position = 0
        try:
            while (packet := self.cut(arrived, position)) is not None:
                position += HEADER_SIZE + len(packet.body)
                yield packet
        finally:
            self.keep(arrived, position)

    def join(self, data: bytes) -> bytes:
        """The kept bytes followed by ``data``; empty as long as they do not complete a packet."""
        waiting = self._waiting
        if not waiting:
            return data
        waiting += data
        if len(waiting) < self._wanted:
            return b""
        arrived = bytes(waiting)
        waiting.clear()
        return arrived

    def cut(self, arrived: bytes, position: int) -> Packet | None:
        """The packet that starts at ``position``; None if it is incomplete.

        Raises ProtocolError on a wrong flag or a body over the limit.
        """
        left = len(arrived) - position
        if left < HEADER_SIZE:
            self._check_flag(arrived[position : position + len(FLAG)])
            self._wanted = HEADER_SIZE if left >= len(FLAG) else len(FLAG)
            return None
        flag, proto_id, body_format, _version, serial, length, digest = HEADER.unpack_from(arrived, position)
        self._check_flag(flag)
        if length > self.limit:
            raise ProtocolError(f"a body of {length} bytes is over the limit of {self.limit}")
        if left < HEADER_SIZE + length:
            self._wanted = HEADER_SIZE + length
            return None
        start = position + HEADER_SIZE
        return Packet(proto_id, body_format, serial, arrived[start : start + length], digest)

    def keep(self, arrived: bytes, position: int) -> None:
        """Keep the bytes from ``position`` on, a partial packet, until more arrives."""
        self._waiting += arrived[position:]

    def kept(self) -> bytes:
        """The kept bytes, a partial packet."""
        return bytes(self._waiting)

    @staticmethod
    def _check_flag(start: bytes) -> None:
        if not FLAG.startswith(start):
            raise ProtocolError(f"a packet starts with {start!r} instead of {FLAG!r}")
