"""The client's side of the protocol, sans I/O: questions to bytes, bytes to answers.

The blocking and the asyncio connection are shells around this. A shell sends the bytes from
:meth:`ClientCore.request`, passes received bytes to :meth:`ClientCore.receive`, and calls
:meth:`ClientCore.tick` about once a second. The receiving thread splits packets, and each caller opens its
own, so that one bad answer fails one question only.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from qotgate.client.errors import ConnectionLost
from qotgate.model import InvalidRequest, Language, ProtocolError
from qotgate.model.sentences import language_of
from qotgate.protocol.body import decode, encode
from qotgate.protocol.frame import PROTOBUF, Frame, FrameParser, Packet, Transform
from qotgate.protocol.messages import REQUESTS, RESPONSES, ProtoId, RetType

if TYPE_CHECKING:
    from qotgate.protocol.cipher import RsaKey

ANSWER_LIMIT = 64 << 20
"""The longest body accepted in an answer, in bytes."""
CLIENT_VERSION = 1011
CLIENT_ID = "qotgate-python"
SERIALS = 0xFFFFFFFF
LONGEST = 86_400
"""The longest timeout of a call, in seconds."""
KEEP_ALIVE_SHARE = 0.8
"""Share of the gateway's keep-alive interval after which a KeepAlive is sent."""
SILENT_SECONDS = 33.0
"""Seconds without a byte after which the gateway counts as lost; three keep-alive intervals if that is
longer."""

Ticket = tuple[int, int]
"""A request's proto id and serial number, which its answer repeats."""


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """The gateway's address, and the options of the connection.

    ``timeout`` and ``connect_timeout`` are the time limits of an answer and of connecting, in seconds.
    ``rsa_key`` is the file of the key that encrypts InitConnect; with ``encrypt``, later packets are
    encrypted too; ``body_format`` is PROTOBUF or JSON of :mod:`qotgate.protocol.frame`.
    """

    host: str = "127.0.0.1"
    port: int = 11111
    timeout: float = 12.0
    connect_timeout: float = 20.0
    rsa_key: Path | None = None
    encrypt: bool = False
    body_format: int = PROTOBUF
    client_id: str = CLIENT_ID
    client_version: int = CLIENT_VERSION
    lang: Language | None = None
    """The language of names and sentences; None for the gateway's own. It goes into the client's id, as the
    protocol has no field for it."""

    def __post_init__(self) -> None:
        if not 0 < self.timeout < LONGEST:
            raise InvalidRequest("seconds", parameter="timeout", most=LONGEST, value=self.timeout)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def named_id(self) -> str:
        """The client id sent at login."""
        return f"{self.client_id} lang={self.lang}" if self.lang else self.client_id


def wanted_language(lang: str | None) -> Language | None:
    """The language of ``lang``, such as en or zh-CN, else the language in the environment (QOTGATE_LANG),
    else None. Raises InvalidRequest."""
    wanted = lang or os.environ.get("QOTGATE_LANG") or ""
    found = language_of(wanted)
    if wanted and found is None:
        raise InvalidRequest("word", parameter="lang", words=", ".join(get_args(Language)), value=wanted)
    return found


class ClientCore:
    """One connection's requests and answers. Raises QotGateError if the key cannot be read."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._serials = count(1)
        self._parser = FrameParser(ANSWER_LIMIT)
        self._rsa = _load_key(options.rsa_key)
        self._encrypt: Transform | None = None
        self._decrypt: Transform | None = None
        self._keep_alive: float | None = None
        self._silence = SILENT_SECONDS
        self._heard = self._signed = time.monotonic()

    def request(self, proto_id: ProtoId, request: Any) -> tuple[Ticket, bytes]:
        """A Request as bytes to send; thread-safe."""
        return self._packet(proto_id, request, self._encrypt)

    def init_connect(self) -> tuple[Ticket, bytes]:
        """The first request of every connection; :meth:`start` takes its answer."""
        fields = {
            "clientVer": self._options.client_version,
            "clientID": self._options.named_id,
            "recvNotify": False,
            "packetEncAlgo": _CBC if self._options.encrypt else _NO_ENCRYPTION,
            "pushProtoFmt": self._options.body_format,
            "programmingLanguage": "Python",
        }
        request = REQUESTS[ProtoId.InitConnect](c2s=fields)
        return self._packet(ProtoId.InitConnect, request, self._rsa.encrypt if self._rsa else None)

    def start(self, packet: Packet) -> None:
        """Take the answer to InitConnect. Raises ProtocolError, and ConnectionLost if the gateway refuses the
        client."""
        frame = packet.open()
        if not frame.intact and self._rsa is not None:
            frame = packet.open(self._rsa.decrypt)
        response = _response(frame, checked=True)
        if response.retType != RetType.SUCCEED:
            raise ConnectionLost(
                response.retMsg or f"The gateway at {self._options.address} gives no reason."
            )
        s2c = response.s2c
        if self._options.encrypt:
            from qotgate.protocol.cipher import AesCipher, PacketEncAlgo

            # A gateway without CBC sends no IV.
            algorithm = PacketEncAlgo.AES_CBC if s2c.aesCBCiv else PacketEncAlgo.FTAES_ECB
            try:
                cipher = AesCipher(algorithm, s2c.connAESKey.encode(), s2c.aesCBCiv.encode())
            except ValueError as error:
                raise ProtocolError(f"the key that it gives is none: {error}") from error
            self._encrypt, self._decrypt = cipher.encrypt, cipher.decrypt
        self._keep_alive = s2c.keepAliveInterval * KEEP_ALIVE_SHARE
        self._silence = max(SILENT_SECONDS, 3 * s2c.keepAliveInterval)

    def receive(self, data: bytes) -> Iterator[tuple[Ticket, Packet]]:
        """The packets that ``data`` completes. Raises ProtocolError; the connection is then unusable."""
        self._heard = time.monotonic()
        for packet in self._parser.feed(data):
            yield (packet.proto_id, packet.serial), packet

    def open(self, packet: Packet) -> Any:
        """The Response in a packet; thread-safe. Raises ProtocolError. Its text is checked when it is
        read."""
        return _response(packet.open(self._decrypt))

    def tick(self) -> bytes | None:
        """A KeepAlive to send, if one is due. Raises ConnectionLost if the gateway has been silent for too
        long."""
        now = time.monotonic()
        if now - self._heard >= self._silence:
            raise ConnectionLost(f"The gateway at {self._options.address} has fallen silent.")
        if self._keep_alive is None or now - self._signed < self._keep_alive:
            return None
        self._signed = now
        request = REQUESTS[ProtoId.KeepAlive](c2s={"time": int(time.time())})
        return self.request(ProtoId.KeepAlive, request)[1]

    def _packet(self, proto_id: ProtoId, request: Any, encrypt: Transform | None) -> tuple[Ticket, bytes]:
        serial = next(self._serials) & SERIALS
        body_format = self._options.body_format
        frame = Frame(proto_id, body_format, serial, encode(request, body_format))
        return (int(proto_id), serial), frame.encode(encrypt)


_NO_ENCRYPTION, _CBC = -1, 2


def _load_key(path: Path | None) -> "RsaKey | None":
    if path is None:
        return None
    # Imported here: most clients do not encrypt, and the ciphers are slow to import.
    from qotgate.protocol.cipher import RsaKey

    return RsaKey.load(path)


def _response(frame: Frame, *, checked: bool = False) -> Any:
    """Raises ProtocolError. The frame answers one of our requests, so its proto id is known."""
    proto_id = cast(ProtoId, frame.proto_id)
    if frame.intact:
        try:
            return decode(RESPONSES[proto_id], frame.body, frame.body_format, checked=checked)
        except (KeyError, ValueError) as error:
            reason = f"cannot be decoded: {error}"
    else:
        reason = "does not fit its SHA-1, or cannot be decrypted"
    raise ProtocolError(f"an answer to {ProtoId(proto_id).name} {reason}")
