"""How packets of one TCP session are encrypted, if the client asks for it: InitConnect by the gateway's RSA
key, later packets by the cipher agreed on."""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from qotgate.model import InvalidRequest
from qotgate.protocol.body import decode
from qotgate.protocol.frame import Frame, Packet, Transform
from qotgate.protocol.messages import REQUESTS, ProtoId
from qotgate.protocol.names import RSA_BITS, PacketEncAlgo

if TYPE_CHECKING:
    from qotgate.protocol.cipher import AesCipher, RsaKey

MAX_RSA_BLOCKS = 8
"""Blocks of an encrypted InitConnect; each costs a private-key operation. No client sends as many."""


class KeyQueue:
    """A queue for the private key, used once in a turn of the event loop: an RSA operation is slow, and other
    sessions are served in between."""

    def __init__(self) -> None:
        self._queue: deque[Callable[[], None]] = deque()

    def wait(self, use: Callable[[], None]) -> None:
        """Call ``use`` when its turn comes."""
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._next)
        self._queue.append(use)

    def _next(self) -> None:
        try:
            self._queue[0]()
        finally:
            self._queue.popleft()
            if self._queue:
                asyncio.get_running_loop().call_soon(self._next)


class Agreed(NamedTuple):
    """What InitConnect agrees on. The key and the IV have 16 ASCII characters each."""

    algorithm: PacketEncAlgo
    key: str
    iv: str


class Encryption:
    """A session's encryption; ``described`` is the result of :meth:`describe` in another process."""

    def __init__(self, described: dict[str, Any] | None = None) -> None:
        described = described or {}
        self._key: RsaKey | None = None
        """The private key that opened the client's InitConnect."""
        self._next: Agreed | None = None
        """The cipher agreed on; it applies after the InitConnect response."""
        self._agreed: Agreed | None = None
        self._cipher: AesCipher | None = None
        self.active = False
        """Whether a cipher applies to packets."""
        if described.get("cipher") is not None:
            algorithm, key, iv = described["cipher"]
            self._start(Agreed(PacketEncAlgo(algorithm), key, iv))
        self._digest_as_sent = bool(described.get("digest_as_sent"))
        """Whether the client's headers carry the SHA-1 of the encrypted bodies."""

    def describe(self) -> dict[str, Any]:
        """The state that another process needs to continue."""
        agreed = self._agreed and [int(self._agreed.algorithm), self._agreed.key, self._agreed.iv]
        return {"cipher": agreed, "digest_as_sent": self._digest_as_sent}

    @property
    def opened_by_key(self) -> bool:
        """Whether the client's InitConnect was encrypted."""
        return self._key is not None

    def agree(self, algorithm: int) -> Agreed:
        """New keys for a client that asks for ``algorithm``. An InitConnect that was not encrypted gets no
        encryption. Raises InvalidRequest."""
        chosen = PacketEncAlgo.NONE
        if self.opened_by_key:
            try:
                chosen = PacketEncAlgo(algorithm)
            except ValueError as error:
                raise InvalidRequest("encryption", value=algorithm) from error
        return Agreed(chosen, secrets.token_hex(8), secrets.token_hex(8))

    def begin(self, agreed: Agreed) -> None:
        """Encrypt everything after the InitConnect response as agreed."""
        self._next = None if agreed.algorithm is PacketEncAlgo.NONE else agreed

    def change(self, proto_id: int) -> Transform | None:
        """The cipher for the body of the next packet, of ``proto_id``; None for plain text."""
        if self._next is not None and self._key is not None and proto_id == ProtoId.InitConnect:
            self._start(self._next)
            self._next = None
            return self._key.encrypt
        return None if self._cipher is None else self._cipher.encrypt

    def open(self, packet: Packet) -> Frame:
        """The frame in a packet."""
        if self._cipher is not None:
            return packet.open(self._cipher.decrypt, digest_as_sent=self._digest_as_sent)
        return packet.open()

    def open_login(self, packet: Packet, key: "RsaKey | None") -> Frame:
        """The frame in an InitConnect; opened with the private ``key`` if :func:`is_for_key` says so."""
        self._key = None
        frame = packet.open()
        if _is_plain(frame):
            return frame
        if key is None:
            return frame._replace(intact=False)
        opened = packet.open(key.decrypt)
        self._digest_as_sent = not opened.intact and frame.intact and _is_login(opened)
        if opened.intact or self._digest_as_sent:
            self._key = key
        return opened._replace(intact=self.opened_by_key)

    def _start(self, agreed: Agreed) -> None:
        # Imported late: most gateways have no key.
        from qotgate.protocol.cipher import AesCipher

        self._agreed = agreed
        self._cipher = AesCipher(agreed.algorithm, agreed.key.encode(), agreed.iv.encode())
        self.active = True


def is_for_key(packet: Packet, key: "RsaKey") -> bool:
    """Whether an InitConnect needs the private key."""
    return len(packet.body) <= MAX_RSA_BLOCKS * key.block_size and not _is_plain(packet.open())


def fills_blocks(body: bytes) -> bool:
    """Whether a body is a whole number of RSA blocks."""
    return bool(body) and len(body) % (min(RSA_BITS) // 8) == 0


def _is_plain(frame: Frame) -> bool:
    """Whether an InitConnect was not encrypted. A matching SHA-1 alone does not prove it: some clients
    (nautilus-futu, futuapi4go) hash the encrypted body."""
    return frame.intact and (_is_login(frame) or not fills_blocks(frame.body))


def _is_login(frame: Frame) -> bool:
    """Whether the body parses as an InitConnect."""
    try:
        return bool(decode(REQUESTS[ProtoId.InitConnect], frame.body, frame.body_format).HasField("c2s"))
    except ValueError:
        return False
