"""Sessions on TCP: packets in, packets out, encrypted from InitConnect on where the client asks for it.

What arrived is walked through once. Packets whose answers are kept are answered in one pass; each other one
is opened, and looked at by itself. Answers go out in one write.

A session gets a bounded share of each turn of the event loop; the rest of what it sent waits for the next
turn, and nothing more is read until then. The same holds while the client does not read its answers, or has
too many questions under way; what had arrived by then is still answered.
"""

import asyncio
import os
import secrets
from typing import TYPE_CHECKING, Any, cast

from qotgate.gateway.handover import Message
from qotgate.gateway.interfaces import SERVER_VERSION
from qotgate.gateway.listening import shown_address
from qotgate.gateway.session import UNDER_WAY_MOST, Asked, Later, Session
from qotgate.model import InvalidRequest, ProtocolError
from qotgate.protocol.body import FORMATS, decode, decode_request
from qotgate.protocol.cipher import RSA_BITS, AesCipher, PacketEncAlgo
from qotgate.protocol.frame import (
    HEADER_SIZE,
    PROTOBUF,
    SERIAL,
    Change,
    Frame,
    FrameParser,
    Packet,
    lead,
    seal_again,
)
from qotgate.protocol.messages import REQUESTS, RESPONSES, ProtoId, RetType

if TYPE_CHECKING:
    from qotgate.gateway.server import Gateway

REPLY_PARTS = 3
"""Parts of an answer on its way: what comes before the serial number, the number, and the rest."""
RSA_BLOCKS_MOST = 8
"""Blocks of an encrypted InitConnect, each of them a private-key operation: more than any has."""
TURN_BYTES = 16384
"""Bytes of requests, a few hundred of them, that are answered to one session in one turn of the loop."""
TURN_REPLY_BYTES = 1 << 18
"""Bytes of answers after which its turn ends as well."""
STEP_BYTES = 2048
"""Bytes of requests after which the answers are added up."""
LOGIN_USER = 1
"""There is no login; clients want a user id."""


class TcpSession(Session, asyncio.Protocol):
    """A session on a TCP connection."""

    def __init__(self, gateway: "Gateway", state: Message | None = None) -> None:
        super().__init__(gateway, state)
        self._parser = FrameParser(gateway.options.request_limit)
        self._transport: asyncio.Transport | None = None
        self._rest: tuple[bytes, int] | None = None
        """What arrived and was not looked at yet, and where that starts."""
        self._unread = bytes.fromhex(state["unread"]) if state else b""
        self._called = False
        self._client_reads = True
        self._stopped = False
        self._reading = True
        self._cipher: AesCipher | None = None
        self._cipher_state: list[Any] | None = state["cipher"] if state else None
        if self._cipher_state is not None:
            self._cipher = _cipher(*self._cipher_state)
        self._digest_as_sent: bool = bool(state and state.get("digest_as_sent"))
        """Whether the client's headers have the SHA-1 of encrypted bodies."""
        self._rsa_opened = False
        self._awaits_key = False
        self._has_key = False
        self._ending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.peer = shown_address(transport.get_extra_info("peername"))
        if not self.gateway.admit(self, transport):
            self.close()
        elif self.gateway.closing:
            self.abort()
        else:
            if self.gateway.draining:
                self.stop_reading()
            if self._unread:
                # Before anything else that the client sends.
                self.data_received(self._unread)

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self.because(f"it was lost: {error}")
        self._transport = None
        self._rest = None
        self.gateway.forget(self)

    def eof_received(self) -> bool:
        self._end()
        return True

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        self.last_received = self.gateway.loop.time()
        arrived = self._parser.join(data)
        if arrived:
            self._walk(arrived, 0)

    def pause_writing(self) -> None:
        self._client_reads = False
        self._balance()

    def resume_writing(self) -> None:
        # Nothing was read from it meanwhile, so its signs of life are not known: that it reads is one.
        self.last_received = self.gateway.loop.time()
        self._client_reads = True
        self._balance()

    @property
    def busy(self) -> bool:
        return self.under_way > 0 or self._rest is not None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def stop_reading(self) -> None:
        self._stopped = True
        self._balance()

    @property
    def looked_at(self) -> bool:
        return self._rest is None

    def state(self) -> Message | None:
        transport = self._transport
        quiet = not self.busy and not self._ending and self._client_reads
        if transport is None or transport.is_closing() or not quiet or transport.get_write_buffer_size():
            return None
        return {
            "carrier": "tcp",
            "id": self.connection_id,
            "initialised": self.initialised,
            "requests": self.requests,
            "cipher": self._cipher_state,
            "digest_as_sent": self._digest_as_sent,
            "lang": self._lang,
            "unread": self._parser.kept().hex(),
        }

    def file(self) -> int:
        assert self._transport is not None
        return os.dup(self._transport.get_extra_info("socket").fileno())

    def _end(self) -> None:
        """Take no more, and close once what was asked is answered."""
        self._ending = True
        if not self.busy:
            self.close()

    def _walk(self, arrived: bytes, position: int) -> None:
        """Answer the packets in what arrived, from ``position`` on, as far as this turn's share goes."""
        gateway = self.gateway
        now = gateway.loop.time()
        if now != gateway.answers.checked:
            gateway.answers.check(now)
        replies: list[bytes] = []
        try:
            position, done = self._take_packets(arrived, position, replies)
        except ProtocolError as error:
            self.because(str(error), warns=True)
            done = self._ending = True
        if replies and self._transport is not None:
            self._transport.write(b"".join(replies))
        if self.over_limit is not None:
            self.close()
        elif not done:
            self._rest = (arrived, position)
            self._balance()
        elif self._ending:
            self._end()

    def _take_packets(self, arrived: bytes, position: int, replies: list[bytes]) -> tuple[int, bool]:
        """The position up to which packets were taken, and whether that is all that can be taken for now.

        Raises ProtocolError.
        """
        answers, parser = self.gateway.answers, self._parser
        refuses = self.gateway.left_to_store or (self.refuses if self.gateway.limited else None)
        end = position + TURN_BYTES
        size = 0
        while True:
            step = position + STEP_BYTES
            if self._cipher is None and self.initialised and not self.gateway.options.log_requests:
                before = len(replies)
                position = answers.reply(arrived, position, min(step, end), replies, refuses)
                self.gateway.counts.kept(replies[before::REPLY_PARTS])
                size += sum(map(len, replies[before + REPLY_PARTS - 1 :: REPLY_PARTS]))
            if position == len(arrived):
                return position, True
            if position >= end or size >= TURN_REPLY_BYTES or self.under_way >= UNDER_WAY_MOST:
                return position, False
            if position >= step:
                continue
            packet = parser.cut(arrived, position)
            if packet is None:
                parser.keep(arrived, position)
                return position, True
            if not self._has_key and self._takes_key(packet):
                self._awaits_key = True
                self.gateway.key_turns.wait(self._use_key)
                return position, False
            position += HEADER_SIZE + len(packet.body)
            replies += self._take_packet(packet)
            if self.over_limit is not None:
                return position, True

    def _go_on(self) -> None:
        self._called = False
        if self._transport is None or self._transport.is_closing():
            return
        if self._rest is not None and self._may_answer:
            arrived, position = self._rest
            self._rest = None
            self.last_received = self.gateway.loop.time()
            self._walk(arrived, position)
            self._balance()

    def initialise(self, frame: Frame) -> Any:
        request = decode_request(ProtoId.InitConnect, frame.body, frame.body_format).c2s
        options = self.gateway.options
        if options.rsa_key is not None and not self._rsa_opened and not options.allow_plaintext:
            raise InvalidRequest("not_encrypted")
        algorithm = PacketEncAlgo.NONE
        if self._rsa_opened:
            try:
                algorithm = PacketEncAlgo(request.packetEncAlgo)
            except ValueError as error:
                raise InvalidRequest("encryption", value=request.packetEncAlgo) from error
        key, iv = secrets.token_hex(8), secrets.token_hex(8)
        response = RESPONSES[ProtoId.InitConnect](retType=RetType.SUCCEED, retMsg="", errCode=0)
        s2c = response.s2c
        s2c.serverVer = SERVER_VERSION
        s2c.loginUserID = LOGIN_USER
        s2c.connID = self.connection_id
        s2c.connAESKey = key
        s2c.keepAliveInterval = options.keep_alive_interval
        if algorithm is PacketEncAlgo.AES_CBC:
            # Its presence alone tells the published Python client which cipher to use.
            s2c.aesCBCiv = iv
        if algorithm is not PacketEncAlgo.NONE:
            self._cipher_state = [int(algorithm), key, iv]
            self._cipher = _cipher(*self._cipher_state)
        self.open(
            request.clientID,
            version=request.clientVer,
            language=request.programmingLanguage,
            encryption=algorithm.name,
        )
        return response

    def _take_packet(self, packet: Packet) -> tuple[bytes, ...]:
        """The answer's packet in parts; nothing where it comes later."""
        # The answer to InitConnect is not under the cipher that it agrees on.
        encrypt = self._cipher.encrypt if self._cipher else None
        frame = self._open(packet)
        outcome = self.take(frame)
        if isinstance(outcome, asyncio.Future):
            self.under_way += 1
            self._balance()
            asked = self.asked(frame)
            outcome.add_done_callback(lambda done: self._answered(asked, done))
            return ()
        if frame.proto_id == ProtoId.InitConnect and self._cipher and not encrypt:
            assert self.gateway.options.rsa_key is not None
            encrypt = self.gateway.options.rsa_key.encrypt
        return self._packet(frame, outcome, encrypt)

    def _takes_key(self, packet: Packet) -> bool:
        """Whether it takes the private key to open a packet."""
        rsa_key = self.gateway.options.rsa_key
        return (
            rsa_key is not None
            and not self.initialised
            and packet.proto_id == ProtoId.InitConnect
            and len(packet.body) <= RSA_BLOCKS_MOST * rsa_key.block_size
            and not _is_plain(packet)
        )

    def _use_key(self) -> None:
        """The session's turn with the private key has come."""
        self._awaits_key = False
        self._has_key = True
        self._go_on()
        self._has_key = False

    def _open(self, packet: Packet) -> Frame:
        if self._cipher is not None:
            return packet.open(self._cipher.decrypt, digest_as_sent=self._digest_as_sent)
        self._rsa_opened = False
        if packet.proto_id != ProtoId.InitConnect or self.initialised or _is_plain(packet):
            return packet.open()
        if not self._has_key or not self._takes_key(packet):
            return packet.open()._replace(intact=False)
        self._has_key = False
        assert self.gateway.options.rsa_key is not None
        frame = packet.open(self.gateway.options.rsa_key.decrypt)
        self._digest_as_sent = not frame.intact and packet.open().intact and _is_login(frame)
        self._rsa_opened = frame.intact or self._digest_as_sent
        return frame._replace(intact=self._rsa_opened)

    def broken(self, frame: Frame) -> str:
        if frame.proto_id != ProtoId.InitConnect or self.initialised:
            return "bad_digest"
        if self.gateway.options.rsa_key is not None:
            return "cannot_decrypt"
        return "no_rsa_key" if _fills_blocks(frame.body) else "bad_digest"

    def _answered(self, asked: Asked, done: Later) -> None:
        self.under_way -= 1
        sealed = self.settle(asked, done)
        if self._transport is None or self._transport.is_closing():
            return
        encrypt = self._cipher.encrypt if self._cipher else None
        self._transport.write(b"".join(self._packet(asked.frame, sealed, encrypt)))
        if self._client_reads and not self._reading:
            # It may send signs of life that are not read while its questions are under way.
            self.last_received = self.gateway.loop.time()
        self._balance()
        if self._ending:
            self._end()

    @staticmethod
    def _packet(request: Frame, sealed: bytes, encrypt: Change | None) -> tuple[bytes, ...]:
        body_format = request.body_format if request.body_format in FORMATS else PROTOBUF
        if encrypt is not None:
            sealed = seal_again(sealed, encrypt)
        return lead(request.proto_id, body_format), SERIAL.pack(request.serial), sealed

    @property
    def _may_answer(self) -> bool:
        return self._client_reads and self.under_way < UNDER_WAY_MOST and not self._awaits_key

    def _balance(self) -> None:
        """Go on with what waits, and read, where that may be."""
        if self._transport is None:
            return
        may = self._may_answer
        if may and self._rest is not None and not self._called:
            self._called = True
            self.gateway.loop.call_soon(self._go_on)
        wanted = may and self._rest is None and not self._stopped
        if wanted == self._reading:
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()


def _is_plain(packet: Packet) -> bool:
    """Whether an InitConnect that arrived is not encrypted. One that fits its SHA-1 may be: some clients
    (nautilus-futu, futuapi4go) hash the encrypted body."""
    frame = packet.open()
    return frame.intact and (_is_login(frame) or not _fills_blocks(frame.body))


def _is_login(frame: Frame) -> bool:
    """Whether the body can be read as an InitConnect."""
    try:
        return bool(decode(REQUESTS[ProtoId.InitConnect], frame.body, frame.body_format).HasField("c2s"))
    except ValueError:
        return False


def _fills_blocks(body: bytes) -> bool:
    """Whether a body is as long as one that some RSA key has encrypted."""
    return bool(body) and len(body) % (min(RSA_BITS) // 8) == 0


def _cipher(algorithm: int, key: str, iv: str) -> AesCipher:
    return AesCipher(PacketEncAlgo(algorithm), key.encode(), iv.encode())
