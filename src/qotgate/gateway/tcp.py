"""Sessions on TCP: packets in, packets out, encrypted after InitConnect if the client asks for it.

Received bytes are parsed once. Packets with cached answers are answered in one pass; every other packet is
opened by itself. Answers go out in one write.

A session gets a bounded share of each turn of the event loop. The rest of its input waits for the next turn,
and the session reads nothing more until then. The same holds while the client does not read its answers, or
has too many requests pending; input received by then is still answered.
"""

import asyncio
import os
import socket
from collections.abc import Iterable
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, cast

from qotgate.gateway.addresses import shown_address
from qotgate.gateway.carrier import Carrier
from qotgate.gateway.door import Door, Phase
from qotgate.gateway.encryption import Encryption, KeyQueue, fills_blocks, is_for_key
from qotgate.gateway.engine import Engine
from qotgate.gateway.question_handler import REPLY_PARTS
from qotgate.gateway.session import Description, Hold, Login, Session, State
from qotgate.model import InvalidRequest, ProtocolError
from qotgate.protocol.body import FORMATS, decode_request
from qotgate.protocol.frame import (
    HEADER_SIZE,
    PROTOBUF,
    SERIAL,
    Frame,
    FrameParser,
    Packet,
    lead,
    seal,
    seal_again,
)
from qotgate.protocol.messages import RESPONSES, ProtoId, RetType
from qotgate.protocol.names import PacketEncAlgo
from qotgate.relay.upstream import Forwarded, RawClient, Reply

if TYPE_CHECKING:
    from qotgate.protocol.cipher import RsaKey

TURN_BYTES = 16384
"""Bytes of requests, a few hundred of them, that one session gets answered in one turn of the loop."""
TURN_REPLY_BYTES = 1 << 18
"""Bytes of answers that end a session's turn as well."""
STEP_BYTES = 2048
"""Bytes of requests after which the size of the answers is checked."""


class TcpCarrier(Carrier):
    """Makes sessions of TCP connections, and serves the listening sockets."""

    def __init__(self, engine: Engine, door: Door) -> None:
        super().__init__(engine, door)
        self.keys = KeyQueue()
        self.sessions: set[TcpSession] = set()
        """Sessions that can migrate to another process."""

    async def serve(self, listening: socket.socket) -> str:
        await self._listen(listening)
        return shown_address(listening.getsockname())

    async def adopt(self, moved: Description, connection: socket.socket) -> None:
        """Continue a connection from another process. Raises OSError."""
        await self.engine.loop.connect_accepted_socket(lambda: TcpSession(self, moved), connection)

    def _session(self) -> "TcpSession":
        return TcpSession(self)


class Intake(Enum):
    """What a session accepts: all input; only input already read; nothing more, and it closes once its
    requests are answered."""

    OPEN = auto()
    STOPPED = auto()
    ENDED = auto()


class TcpSession(Session, asyncio.Protocol):
    """A session on a TCP connection."""

    def __init__(self, carrier: TcpCarrier, moved: Description | None = None) -> None:
        self._carrier = carrier
        self._engine, self._door, self._keys = carrier.engine, carrier.door, carrier.keys
        super().__init__(carrier.engine.loop, moved)
        moved = moved or {}
        self._engine.allowance.restore(moved.get("granted", {}), self)
        self._encryption = Encryption(moved)
        self._parser = FrameParser(self._engine.options.request_limit)
        self._transport: asyncio.Transport | None = None
        self._rest: tuple[bytes, int] | None = None
        """Received bytes not parsed yet, and the position where they start."""
        self._outgoing: list[bytes] = []
        """Output of this turn of the loop."""
        self._unread = bytes.fromhex(moved.get("unread", ""))
        self._next_turn: asyncio.Handle | None = None
        self._intake = Intake.OPEN
        self._reading = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.peer = shown_address(transport.get_extra_info("peername"))
        if not self._door.admit(self, transport):
            self.close()
        elif self._door.phase is Phase.CLOSING:
            self.abort()
        else:
            self._carrier.sessions.add(self)
            if self._door.phase is Phase.DRAINING:
                self.stop_reading()
            if self._unread:
                # Its input comes before anything else that the client sends.
                self.data_received(self._unread)

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self.because(f"it was lost: {error}")
        self._transport = None
        self._rest = None
        self._carrier.sessions.discard(self)
        self._door.leave(self)

    def eof_received(self) -> bool:
        self._end()
        return True

    def data_received(self, data: bytes) -> None:
        if self._intake is Intake.ENDED:
            return
        engine = self._engine
        self.last_received = now = self._loop.time()
        arrived = self._parser.join(data)
        if not arrived:
            return
        engine.see_commits(now)
        replies: list[bytes] = []
        position = 0
        if not self._encryption.active:
            position = engine.answer_kept(arrived, 0, STEP_BYTES, replies, self)
        if position < len(arrived):
            self._walk(arrived, position, TURN_BYTES, replies)
        else:
            # Most turns end here: cached answers change nothing else of the session.
            self._outgoing += replies
            self._flush()

    @property
    def busy(self) -> bool:
        return self.under_way > 0 or self._rest is not None

    def close(self) -> None:
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def stop_reading(self) -> None:
        if self._intake is Intake.OPEN:
            self._intake = Intake.STOPPED
        self._balance()

    def hand_over(self) -> None:
        """Do nothing: the session migrates."""

    @property
    def looked_at(self) -> bool:
        return self._rest is None

    def description(self) -> Description | None:
        """The state that another process needs to continue the session; None if it cannot migrate, or not
        yet."""
        transport = self._transport
        quiet = not (self.busy or self._outgoing or self._holds or self.upstream or self.turned_away)
        if not quiet or self._intake is Intake.ENDED:
            return None
        if transport is None or transport.is_closing() or transport.get_write_buffer_size():
            return None
        return {
            "carrier": "tcp",
            "id": self.connection_id,
            "initialised": self.state is State.OPEN,
            "requests": self.requests,
            "lang": self.lang,
            **self._encryption.describe(),
            "unread": self._parser.kept().hex(),
            "granted": self._engine.allowance.granted(self),
        }

    def file(self) -> int:
        """A duplicate of the connection's file descriptor, which stays open when the session closes its
        own."""
        assert self._transport is not None
        return os.dup(self._transport.get_extra_info("socket").fileno())

    def read_login(self, frame: Frame) -> Login:
        c2s = decode_request(ProtoId.InitConnect, frame.body, frame.body_format).c2s
        options, encryption = self._engine.options, self._encryption
        if options.rsa_key is not None and not encryption.opened_by_key and not options.allow_plaintext:
            raise InvalidRequest("not_encrypted")
        agreed = encryption.agree(c2s.packetEncAlgo)
        fields = {
            "version": c2s.clientVer,
            "language": c2s.programmingLanguage,
            "encryption": agreed.algorithm.name,
        }
        return Login(c2s, agreed.algorithm is not PacketEncAlgo.NONE, fields, agreed)

    def welcome(self, login: Login, s2c: Any) -> Any:
        agreed = login.agreed
        response = RESPONSES[ProtoId.InitConnect](retType=RetType.SUCCEED, retMsg="", errCode=0, s2c=s2c)
        response.s2c.connAESKey = agreed.key
        response.s2c.ClearField("aesCBCiv")
        if agreed.algorithm is PacketEncAlgo.AES_CBC:
            # The presence of this field alone tells the published Python client which cipher to use.
            response.s2c.aesCBCiv = agreed.iv
        self._encryption.begin(agreed)
        return response

    def broken(self, frame: Frame) -> str:
        if frame.proto_id != ProtoId.InitConnect or self.state is not State.NEW:
            return "bad_digest"
        if self._engine.options.rsa_key is not None:
            return "cannot_decrypt"
        return "no_rsa_key" if fills_blocks(frame.body) else "bad_digest"

    def deliver(self, frame: Frame, sealed: bytes) -> None:
        self._deliver(self._packet(frame, sealed))

    @property
    def raw(self) -> RawClient | None:
        return None if self._encryption.active else self

    def forward(self, packets: bytes, answered: list[Forwarded]) -> None:
        self._engine.forwarded(answered, self)
        self._deliver((packets,))

    def reply_to(self, request: Forwarded) -> Reply:
        return self._engine.reply_to(request, self)

    def _deliver(self, parts: Iterable[bytes]) -> None:
        """Send a pending answer, and continue with the requests that waited for it."""
        if self._transport is None or self._transport.is_closing():
            return
        self._write(parts)
        if not self._reading and Hold.WRITING not in self._holds:
            # The client may have sent keep-alives that the gateway did not read while its requests were
            # pending.
            self.last_received = self._loop.time()
        if self._holds:
            self._hold(Hold.LOGIN, held=False)
        else:
            # Flag operations are slow, and most answers find none set.
            self._balance()
        if self._intake is Intake.ENDED:
            self._end()

    def push(self, frame: Frame) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._write(self._packet(frame, seal(frame.body)))

    def _write(self, parts: Iterable[bytes]) -> None:
        """Send ``parts`` with the other output of this turn of the loop."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing += parts

    def _flush(self) -> None:
        if self._outgoing and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def _end(self) -> None:
        """Accept no more requests, and close once the pending ones are answered."""
        self._intake = Intake.ENDED
        if not self.busy:
            self.close()

    def _walk(
        self, arrived: bytes, position: int, end: int, replies: list[bytes], key: "RsaKey | None" = None
    ) -> None:
        """Answer the packets in ``arrived`` that start between ``position`` and ``end``, within this turn's
        share, after the ``replies`` to those before; with the private ``key`` if it is the session's turn to
        use it."""
        # An answer from upstream may be delivered before this returns, and must not end the session yet.
        self._rest = (arrived, position)
        try:
            position, done = self._take_packets(arrived, position, end, replies, key)
        except ProtocolError as error:
            self.because(str(error), warns=True)
            self._intake, done = Intake.ENDED, True
        if replies:
            self._outgoing += replies
            self._flush()
        self._rest = None if done else (arrived, position)
        if self.turned_away is not None:
            self._rest = None
            self.close()
        elif done and self._intake is Intake.ENDED:
            self._end()
        elif not done or self.under_way or not self._reading:
            self._balance()

    def _take_packets(
        self, arrived: bytes, position: int, end: int, replies: list[bytes], key: "RsaKey | None"
    ) -> tuple[int, bool]:
        """The position after the last answered packet, and whether no more can be answered for now.

        Raises ProtocolError.
        """
        engine, parser = self._engine, self._parser
        size = sum(map(len, replies[REPLY_PARTS - 1 :: REPLY_PARTS]))
        while position < len(arrived):
            if position >= end or size >= TURN_REPLY_BYTES or not self._may_answer:
                return position, False
            if not self._encryption.active:
                start, before = position, len(replies)
                step = min(position + STEP_BYTES, end)
                position = engine.answer_kept(arrived, position, step, replies, self)
                position = engine.forward(arrived, position, step, parser.limit, self)
                size += sum(map(len, replies[before + REPLY_PARTS - 1 :: REPLY_PARTS]))
                if position > start:
                    continue
            packet = parser.cut(arrived, position)
            if packet is None:
                parser.keep(arrived, position)
                return position, True
            takes_key = self._takes_key(packet)
            if takes_key and key is None:
                self._holds |= Hold.KEY
                self._keys.wait(self._use_key)
                return position, False
            position += HEADER_SIZE + len(packet.body)
            if packet.proto_id == ProtoId.InitConnect and self.state is State.NEW:
                frame = self._encryption.open_login(packet, key if takes_key else None)
                key = None
            else:
                frame = self._encryption.open(packet)
            sealed = engine.answer(frame, self)
            if sealed is not None:
                replies += self._packet(frame, sealed)
            elif self.state is State.LOGGING_IN:
                self._holds |= Hold.LOGIN
            if self.turned_away is not None:
                break
        return position, True

    def _takes_key(self, packet: Packet) -> bool:
        """Whether the packet needs the private key."""
        rsa_key = self._engine.options.rsa_key
        return (
            rsa_key is not None
            and self.state is State.NEW
            and packet.proto_id == ProtoId.InitConnect
            and is_for_key(packet, rsa_key)
        )

    def _use_key(self) -> None:
        """Use the private key: it is the session's turn."""
        self._holds &= ~Hold.KEY
        self._go_on(self._engine.options.rsa_key)

    def _go_on(self, key: "RsaKey | None" = None) -> None:
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None
        if self._transport is None or self._transport.is_closing():
            return
        if self._rest is not None and self._may_answer:
            arrived, position = self._rest
            self.last_received = now = self._loop.time()
            self._engine.see_commits(now)
            self._walk(arrived, position, position + TURN_BYTES, [], key)

    def _packet(self, request: Frame, sealed: bytes) -> tuple[bytes, ...]:
        """The packet of an answer, in parts."""
        body_format = request.body_format if request.body_format in FORMATS else PROTOBUF
        encrypt = self._encryption.change(request.proto_id)
        if encrypt is not None:
            sealed = seal_again(sealed, encrypt)
        return lead(request.proto_id, body_format), SERIAL.pack(request.serial), sealed

    def _balance(self) -> None:
        if self._transport is None:
            return
        may = self._may_answer
        if may and self._rest is not None and self._next_turn is None:
            self._next_turn = self._loop.call_soon(self._go_on)
        wanted = may and self._rest is None and self._intake is not Intake.STOPPED
        if wanted == self._reading:
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()
