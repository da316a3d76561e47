"""Sessions on WebSocket, which the JavaScript client speaks; the sans-I/O side of ``websockets`` reads and
writes its frames.

Init takes the place of InitConnect and checks the key. The client sends no keep-alives, so the gateway pings,
and the door drops a client that stays silent. A session does not migrate to another process: at a handover it
closes with 1012 (Service Restart) once its pending requests are answered.
"""

import asyncio
import hmac
import logging
import re
import socket
import ssl
import time
from collections import deque
from functools import partial
from typing import Any, cast

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode, Opcode
from websockets.frames import Frame as WebSocketFrame
from websockets.http11 import Request
from websockets.protocol import State as ConnectionState
from websockets.server import ServerProtocol
from websockets.typing import Origin

from qotgate.gateway.addresses import shown_address
from qotgate.gateway.carrier import Carrier
from qotgate.gateway.door import SILENT_INTERVALS, Door, Phase
from qotgate.gateway.engine import Engine
from qotgate.gateway.interfaces import SERVER_VERSION
from qotgate.gateway.options import WebSocketOptions
from qotgate.gateway.pacing import PacedTransport, Pacer
from qotgate.gateway.session import MAX_UNDER_WAY, Hold, Login, Session, State
from qotgate.model import InvalidRequest, ProtocolError, Refused
from qotgate.protocol.body import decode
from qotgate.protocol.envelope import INIT, decode_request, encode_answer
from qotgate.protocol.frame import PROTOBUF, Frame, unseal
from qotgate.protocol.messages import CLASSES, InitWebSocketRequest, InitWebSocketResponse, RetType
from qotgate.relay.trading import fill_packet_id

INIT_FAILED = 1
"""The error number of a refused Init; the client takes any number but 0 for a refusal."""
OPEN_SECONDS = 10.0
"""Time for each of the TLS and WebSocket handshakes, in seconds; three keep-alive intervals if that is
less."""
CLOSE_SECONDS = 10.0
"""Time for the client to close its side, in seconds."""
ANY_ORIGIN = "*"
OWN_ORIGINS = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?")
"""Origins of this machine's own pages. Without the check, a page of any web site could have its visitor's
browser connect to 127.0.0.1. Browsers send the site as Origin (RFC 6454); other programs send none."""
MAX_SPARE_FRAMES = 1000
"""Frames in a second that complete no message (pings, pongs, fragments); no client sends as many."""

# The package logs to the standard library, past the gateway's own log, which has what matters.
_SILENT = logging.Logger("websockets", logging.CRITICAL + 1)


class WebSocketCarrier(Carrier):
    """Makes sessions of WebSocket connections, and serves the listening sockets."""

    def __init__(self, engine: Engine, door: Door, pacer: Pacer) -> None:
        super().__init__(engine, door)
        self.pacer = pacer

    @property
    def open_seconds(self) -> float:
        """Time for a handshake, in seconds."""
        return min(OPEN_SECONDS, SILENT_INTERVALS * self.engine.options.keep_alive_interval)

    async def serve(self, listening: socket.socket) -> str:
        options = self.engine.options.websocket
        assert options is not None
        address = f"{'wss' if options.tls else 'ws'}://{shown_address(listening.getsockname())}"
        if options.tls is not None:
            # Each handshake gets the current certificate: the options can change while the gateway runs.
            options.tls.sni_callback = partial(_certify, self.engine)
        limit = self.open_seconds if options.tls else None
        await self._listen(listening, ssl=options.tls, ssl_handshake_timeout=limit)
        return address

    def _session(self) -> "WebSocketSession":
        return WebSocketSession(self)


class WebSocketSession(Session, asyncio.Protocol):
    """A session on a WebSocket connection."""

    def __init__(self, carrier: WebSocketCarrier) -> None:
        self._engine, self._door, self._carrier = carrier.engine, carrier.door, carrier
        super().__init__(carrier.engine.loop)
        options = self._engine.options
        assert options.websocket is not None
        # No extensions: requests are small, and inflating untrusted input costs more than it saves.
        self._protocol = ServerProtocol(
            origins=_origins(options.websocket), max_size=options.request_limit, logger=_SILENT
        )
        self._transport: PacedTransport | None = None
        self._messages: deque[bytes] = deque()
        """Received messages that are not answered yet."""
        self._fragments = bytearray()
        self._spare_frames, self._spare_since = 0, time.monotonic()
        self._closing: tuple[int, str] | None = None
        """Code and reason of the close frame that follows the last pending answer."""
        self._timer: asyncio.TimerHandle | None = None
        """Ends the handshake, or sends the next ping."""
        self._linger: asyncio.TimerHandle | None = None
        """Ends the wait for the client to close its side."""
        self._unread: asyncio.TimerHandle | None = None
        """Drops a client that reads nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        given = cast(asyncio.Transport, transport)
        self._transport = PacedTransport(given, self._carrier.pacer, self._take_bytes)
        self.peer = shown_address(transport.get_extra_info("peername"))
        if not self._door.admit(self, transport) or self._door.phase is Phase.CLOSING:
            self.abort()
            return
        self._call_later(self._carrier.open_seconds, self.abort)

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.receive(data)

    def eof_received(self) -> None:
        if self._transport is not None:
            self._transport.drop()
        self._protocol.receive_eof()
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        for timer in (self._timer, self._unread, self._linger):
            if timer is not None:
                timer.cancel()
        opened = self._protocol.state is not ConnectionState.CONNECTING
        self._protocol.receive_eof()
        if error is not None:
            self.because(f"it was lost: {error}")
        elif opened and self._protocol.state is ConnectionState.CLOSED:
            closed: ConnectionClosed = self._protocol.close_exc
            self.because(str(closed))
        self._transport = None
        self._messages.clear()
        self._door.leave(self)

    def pause_writing(self) -> None:
        # Pings are answered even while the client reads nothing; the gateway's own pings wait.
        super().pause_writing()
        allowed = SILENT_INTERVALS * self._engine.options.keep_alive_interval
        self._unread = self._loop.call_later(allowed, self._drop, f"it read nothing for {allowed} seconds")

    def resume_writing(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    @property
    def busy(self) -> bool:
        return self.under_way > 0 or bool(self._messages)

    @property
    def looked_at(self) -> bool:
        return not self._messages and (self._transport is None or self._transport.taken)

    def silent_since(self, moment: float) -> bool:
        # A client that reads nothing is dropped for that reason.
        return Hold.WRITING not in self._holds and super().silent_since(moment)

    def close(self) -> None:
        if self._protocol.state is ConnectionState.CONNECTING:
            self.abort()
        else:
            self._end(CloseCode.GOING_AWAY)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def stop_reading(self) -> None:
        opened = self._protocol.state is ConnectionState.OPEN
        if self._transport is not None and opened and self._closing is None:
            self._transport.stop_reading()

    def hand_over(self) -> None:
        if self._protocol.state is ConnectionState.OPEN:
            self._end(CloseCode.SERVICE_RESTART, "another gateway took over")

    def read_login(self, frame: Frame) -> Login:
        if frame.proto_id != INIT:
            raise InvalidRequest("websocket_init")
        try:
            c2s = decode(InitWebSocketRequest, frame.body, PROTOBUF).c2s
        except ValueError as error:
            raise InvalidRequest(
                "undecodable", proto="InitWebSocket", proto_id=INIT, format="Protobuf"
            ) from error
        options = self._engine.options.websocket
        assert options is not None
        if options.key_md5 is not None and not hmac.compare_digest(
            c2s.websocketKey.lower().encode(), options.key_md5.lower().encode()
        ):
            raise InvalidRequest("websocket_key")
        said = CLASSES["InitConnect.C2S"](
            clientVer=SERVER_VERSION,
            clientID=c2s.clientID,
            recvNotify=True,
            programmingLanguage=c2s.programmingLanguage,
        )
        encrypted = options.tls is not None
        fields = {"language": c2s.programmingLanguage, "encryption": "TLS" if encrypted else "NONE"}
        return Login(said, encrypted, fields)

    def welcome(self, login: Login, s2c: Any) -> Any:  # noqa: ARG002 - not encrypted a second time
        response = InitWebSocketResponse(retType=RetType.SUCCEED, retMsg="", errCode=0)
        response.s2c.serverTime = int(time.time())
        response.s2c.connID = s2c.connID
        return response

    def broken(self, frame: Frame) -> str:  # noqa: ARG002 - a frame has no SHA-1 here
        return "bad_digest"

    def deliver(self, frame: Frame, sealed: bytes) -> None:
        self._send(frame, unseal(sealed))
        self._hold(Hold.LOGIN, held=False)
        self._flush()

    def push(self, frame: Frame) -> None:
        self._send(frame, frame.body)
        self._flush()

    def _take_bytes(self, data: bytes) -> None:
        """Parse a share of the received bytes."""
        self.last_received = self._loop.time()
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                if self._protocol.eof_sent:
                    # The end of output is already queued, so no answer to the upgrade can follow.
                    self._drop("broken frames came with the upgrade")
                    return
                self._protocol.send_response(self._protocol.accept(event))
                self._opened()
            elif isinstance(event, WebSocketFrame):
                self._take_frame(event)
        self._take_messages()
        self._flush()

    def _opened(self) -> None:
        if self._protocol.state is not ConnectionState.OPEN:
            return
        self._call_later(self._engine.options.keep_alive_interval, self._ping)
        if self._door.draining:
            self.hand_over()

    def _ping(self) -> None:
        if self._protocol.state is ConnectionState.OPEN:
            if Hold.WRITING not in self._holds:
                self._protocol.send_ping(b"")
                self._flush()
            self._call_later(self._engine.options.keep_alive_interval, self._ping)

    def _take_frame(self, frame: WebSocketFrame) -> None:
        if self._closing is not None:
            return
        whole = frame.opcode in (Opcode.TEXT, Opcode.BINARY) and frame.fin
        if not whole and self._too_many_spare_frames():
            self._fail(
                CloseCode.PROTOCOL_ERROR,
                f"more than {MAX_SPARE_FRAMES} control frames or fragments in a second",
            )
        elif frame.opcode is Opcode.TEXT:
            self._take_messages()
            self._end(CloseCode.UNSUPPORTED_DATA, "messages are binary", warns=True)
        elif frame.opcode in (Opcode.BINARY, Opcode.CONT):
            self._fragments += frame.data
            if frame.fin:
                self._messages.append(bytes(self._fragments))
                self._fragments.clear()

    def _too_many_spare_frames(self) -> bool:
        self._spare_frames += 1
        if self._spare_frames < MAX_SPARE_FRAMES:
            return False
        now = time.monotonic()
        if now < self._spare_since + 1.0:
            return True
        self._spare_frames, self._spare_since = 0, now
        return False

    def _take_messages(self) -> None:
        """Answer the received messages, up to the limit of pending requests."""
        self._engine.see_commits(self._loop.time())
        while self._messages and self._may_answer:
            try:
                self._take_message(self._messages.popleft())
            except ProtocolError as error:
                self._end(CloseCode.PROTOCOL_ERROR, str(error), warns=True)
            if self.turned_away is not None:
                self._end(CloseCode.TRY_AGAIN_LATER, "too many connections", warns=True)
        self._balance()

    def _take_message(self, message: bytes) -> None:
        """Raises ProtocolError."""
        frame = decode_request(message)
        error, text = 0, ""
        if frame.proto_id == INIT:
            try:
                sealed = self._engine.log_in(frame, self)
            except Refused as refused:
                sealed = self._engine.refuse(frame, self, refused)
                error, text = INIT_FAILED, refused.text("en")
        else:
            sealed = self._engine.answer(fill_packet_id(frame, self.connection_id), self)
        if sealed is not None:
            self._send(frame, unseal(sealed), error, text)
        elif self.state is State.LOGGING_IN:
            self._holds |= Hold.LOGIN

    @property
    def _may_answer(self) -> bool:
        return super()._may_answer and self._closing is None

    def _balance(self) -> None:
        if self._closing is not None:
            self._messages.clear()
            if not self.under_way:
                self._send_close(*self._closing)
        elif self._messages and self._may_answer:
            self._loop.call_soon(self._go_on)
        if self._transport is not None and self._protocol.state is ConnectionState.OPEN:
            self._transport.hold(bool(self._holds or self._messages) or self.under_way >= MAX_UNDER_WAY)

    def _go_on(self) -> None:
        if self._transport is not None and self._may_answer:
            self._take_messages()
            self._flush()

    def _send(self, request: Frame, body: bytes, error: int = 0, text: str = "") -> None:
        if self._protocol.state is ConnectionState.OPEN:
            self._protocol.send_binary(encode_answer(request._replace(body=body), error, text))

    def _end(self, code: int, reason: str = "", *, warns: bool = False) -> None:
        """Accept no more requests, and close once the pending ones are answered."""
        if self._closing is None:
            self._closing = code, reason
            if reason:
                self.because(reason, warns=warns and not self._door.draining)
        self._balance()
        self._flush()

    def _send_close(self, code: int, reason: str) -> None:
        if self._protocol.state is ConnectionState.OPEN:
            # A reason is at most 123 bytes (RFC 6455, 5.5.1).
            self._protocol.send_close(code, reason.encode()[:123].decode(errors="ignore"))

    def _fail(self, code: int, reason: str) -> None:
        """Close without waiting for pending answers."""
        self._closing = self._closing or (code, reason)
        self.because(reason, warns=True)
        self._protocol.fail(code, reason)

    def _flush(self) -> None:
        """Send the pending output, and handle the end of the connection."""
        transport, protocol = self._transport, self._protocol
        if transport is None or transport.is_closing():
            return
        for data in protocol.data_to_send():
            if data:
                transport.write(data)
            elif transport.can_write_eof():
                transport.write_eof()
            else:
                transport.close()
        if not protocol.close_expected():
            return
        if protocol.state is ConnectionState.CONNECTING:
            transport.close()
        elif self._linger is None:
            # Leave the client time for its closing handshake.
            self._linger = self._loop.call_later(CLOSE_SECONDS, self.abort)
            transport.read_again()

    def _drop(self, reason: str) -> None:
        self.because(reason, warns=True)
        self.abort()

    def _call_later(self, seconds: float, call: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, call)


def _origins(options: WebSocketOptions) -> list[Origin | re.Pattern[str] | None] | None:
    """The accepted origins, with None for a missing Origin header; None instead of a list to accept any."""
    if ANY_ORIGIN in options.origins:
        return None
    return [None, OWN_ORIGINS, *map(Origin, options.origins)]


def _certify(engine: Engine, connection: ssl.SSLObject, _name: str, _first: ssl.SSLContext) -> None:
    options = engine.options.websocket
    if options is not None and options.tls is not None:
        connection.context = options.tls
