"""Sessions on WebSocket, which the JavaScript client speaks; the ``websockets`` package carries them.

Init takes the place of InitConnect and checks the key. The client sends no signs of life of its own, so the
gateway pings, and drops what does not answer for three keep-alive intervals.
"""

import asyncio
import hmac
import logging
import os
import re
import socket
import ssl
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from websockets.asyncio.connection import Connection
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.exceptions import ProtocolError as FrameError
from websockets.frames import CloseCode, Opcode
from websockets.frames import Frame as WebSocketFrame
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Origin

from qotgate.gateway.handover import UNREAD_MOST, Message
from qotgate.gateway.listening import BACKLOG, shown_address
from qotgate.gateway.pacing import PacedTransport
from qotgate.gateway.session import SILENT_INTERVALS, UNDER_WAY_MOST, Asked, Later, Session
from qotgate.model import InvalidRequest, ProtocolError, Refused
from qotgate.protocol.body import decode, encode
from qotgate.protocol.envelope import INIT, decode_request, encode_answer
from qotgate.protocol.frame import PROTOBUF, Frame, unseal
from qotgate.protocol.messages import InitWebSocketRequest, InitWebSocketResponse, RetType

if TYPE_CHECKING:
    from qotgate.gateway.server import Gateway

INIT_FAILED = 1
"""The error number of a refused Init; the client takes any but 0 for a no."""

# The package would log by the standard library, past the gateway's own log, which has what matters.
_SILENT = logging.Logger("websockets", logging.CRITICAL + 1)


OPEN_SECONDS = 10.0
"""How long the handshakes of TLS and WebSocket may take, each; three keep-alive intervals if that is less."""
ANY_ORIGIN = "*"
OWN_ORIGINS = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?")
"""Pages of this machine. Without a check, a page of any web site could have its visitor's browser ask on
127.0.0.1: a browser tells the site (RFC 6454), and other programs tell none."""
MAX_SPARE_FRAMES = 1000
"""Frames in a second that are no whole message (pings, pongs, fragments): more than any client sends."""
TURN_MESSAGES = 32
"""Messages that are taken from one session in one turn of the loop."""


@dataclass(frozen=True, slots=True)
class WebSocketOptions:
    """How the WebSocket side serves. ``key_md5`` is the hexadecimal MD5 of the key that clients must name,
    None for none; ``tls`` makes it wss. ``origins`` are the web sites whose pages may connect, beside
    those of this machine."""

    host: str = "127.0.0.1"
    port: int = 33333
    key_md5: str | None = None
    tls: ssl.SSLContext | None = None
    origins: tuple[str, ...] = ()


class WebSocketSession(Session):
    """A session on a WebSocket connection."""

    def __init__(self, gateway: "Gateway", connection: "_Connection", state: Message | None = None) -> None:
        super().__init__(gateway, state)
        self._connection = connection
        self._taking = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(UNDER_WAY_MOST)

    async def run(self) -> None:
        """Serve the connection until it ends."""
        code, reason = CloseCode.NORMAL_CLOSURE, ""
        taken = 0
        try:
            async for message in self._connection:
                self.last_received = now = self.gateway.loop.time()
                if now != self.gateway.answers.checked:
                    self.gateway.answers.check(now)
                if self.gateway.closing:
                    code, reason = CloseCode.GOING_AWAY, "the gateway stops"
                    break
                if isinstance(message, str):
                    code, reason = CloseCode.UNSUPPORTED_DATA, "messages are binary"
                    break
                self._taking = True
                await self._take_message(message)
                self._taking = False
                taken += 1
                if taken % TURN_MESSAGES == 0:
                    # Neither receiving nor sending need suspend, and others want their turn.
                    await asyncio.sleep(0)
                if self.over_limit is not None:
                    code, reason = CloseCode.TRY_AGAIN_LATER, "too many connections"
                    break
        except ProtocolError as error:
            code, reason = CloseCode.PROTOCOL_ERROR, str(error)
        except OSError as error:
            self.because(f"it was lost: {error}")
        except ConnectionClosed as closed:
            self.because(str(closed))
        finally:
            if self._tasks and self._connection.state is State.OPEN:
                await asyncio.wait(self._tasks)
            for task in self._tasks:
                task.cancel()
            if reason:
                self.because(reason, warns=not self.gateway.draining)
            self.gateway.forget(self)
            await self._connection.close(code, reason)

    def close(self) -> None:
        if self._connection.state is State.CONNECTING:
            self.abort()
            return
        self._start(self._connection.close(CloseCode.GOING_AWAY))

    def abort(self) -> None:
        self._connection.transport.abort()

    def stop_reading(self) -> None:
        """Where the gateway closes, the next message finds that; until then the client may close in its own
        way."""
        transport = self._connection.paced
        if transport.is_closing():
            return
        if self._connection.state is State.OPEN and not self.gateway.closing:
            transport.stop_reading()
        else:
            # What is about to close takes some words from the client.
            transport.read_again()

    @property
    def looked_at(self) -> bool:
        taken = self._connection.paced.taken
        return taken and not self._taking and not len(self._connection.recv_messages.frames)

    def state(self) -> Message | None:
        protocol, transport = self._connection.protocol, self._connection.transport
        if not self.looked_at or self._tasks or not isinstance(protocol, Restarted) or not protocol.whole:
            return None
        if protocol.state is not State.OPEN or transport.is_closing() or transport.get_write_buffer_size():
            return None
        if transport.get_extra_info("ssl_object") is not None:
            # What the TLS connection has agreed on cannot be taken out of it.
            return None
        return {
            "carrier": "websocket",
            "id": self.connection_id,
            "initialised": self.initialised,
            "requests": self.requests,
            "lang": self._lang,
            "unread": protocol.unread.hex(),
        }

    def file(self) -> int:
        return os.dup(self._connection.transport.get_extra_info("socket").fileno())

    def initialise(self, frame: Frame) -> Any:  # noqa: ARG002 - no frame of it is taken here
        raise InvalidRequest("websocket_init")

    async def _take_message(self, message: bytes) -> None:
        frame = decode_request(message)
        if frame.proto_id == INIT:
            await self._init(frame)
            return
        outcome = self.take(frame)
        if not isinstance(outcome, asyncio.Future):
            await self._send(frame, unseal(outcome))
            return
        await self._free.acquire()
        self.under_way += 1
        self._start(self._answer_later(self.asked(frame), outcome))

    async def _init(self, frame: Frame) -> None:
        response = InitWebSocketResponse(retType=RetType.SUCCEED, retMsg="", errCode=0)
        try:
            self._check_init(frame)
        except Refused as error:
            self.count_refused(frame, error)
            await self._send(frame, encode(self.refuse(error), PROTOBUF), INIT_FAILED, error.text("en"))
            return
        response.s2c.serverTime = int(time.time())
        response.s2c.connID = self.connection_id
        await self._send(frame, encode(response, PROTOBUF))

    def _check_init(self, frame: Frame) -> None:
        if self.over_limit is not None:
            raise self.over_limit
        if self.initialised:
            raise InvalidRequest("initialised_twice")
        try:
            c2s = decode(InitWebSocketRequest, frame.body, PROTOBUF).c2s
        except ValueError as error:
            raise InvalidRequest(
                "undecodable", proto="InitWebSocket", proto_id=INIT, format="Protobuf"
            ) from error
        options = self.gateway.options.websocket
        assert options is not None
        if options.key_md5 is not None and not hmac.compare_digest(
            c2s.websocketKey.lower().encode(), options.key_md5.lower().encode()
        ):
            raise InvalidRequest("websocket_key")
        self.open(
            c2s.clientID,
            language=c2s.programmingLanguage,
            encryption="TLS" if options.tls else "NONE",
        )

    async def _answer_later(self, asked: Asked, done: Later) -> None:
        try:
            await asyncio.wait([done])
            await self._send(asked.frame, unseal(self.settle(asked, done)))
        except ConnectionClosed:
            pass
        finally:
            self.under_way -= 1
            self._free.release()

    async def _send(self, request: Frame, body: bytes, error: int = 0, text: str = "") -> None:
        await self._connection.send(encode_answer(request._replace(body=body), error, text))

    def _start(self, work: Any) -> None:
        task = self.gateway.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Restarted(ServerProtocol):
    """The package's protocol; it knows which bytes are not part of a whole frame yet, and can go on where
    another process was."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.unread = b""
        """The part of a frame that has arrived; of a long one, no more than shows that it is one."""
        self._left: int | None = None
        self.whole = True
        """Whether no message is half there."""
        self._spare_frames = 0
        self._counts_since = time.monotonic()

    def receive_data(self, data: bytes | bytearray) -> None:
        self._left = None
        opened = self.state is not State.CONNECTING
        super().receive_data(data)
        if not opened:
            return
        if self._left is not None:
            self.unread = bytes(data[len(data) - self._left :])
        elif len(self.unread) <= UNREAD_MOST:
            self.unread += data

    def recv_frame(self, frame: WebSocketFrame) -> None:
        self._left = len(self.reader.buffer)
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self.whole = frame.fin
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY) or not frame.fin:
            self._count_spare()
        super().recv_frame(frame)

    def _count_spare(self) -> None:
        """Count a frame that is no whole message. Raises the package's ProtocolError for too many."""
        self._spare_frames += 1
        if self._spare_frames < MAX_SPARE_FRAMES:
            return
        now = time.monotonic()
        if now < self._counts_since + 1.0:
            raise FrameError(f"more than {MAX_SPARE_FRAMES} control frames or fragments in a second")
        self._spare_frames, self._counts_since = 0, now

    def go_on(self) -> None:
        """Past the handshake."""
        self.state = State.OPEN
        self.parser = self.parse()
        next(self.parser)


def _origins(options: WebSocketOptions) -> list[Origin | re.Pattern[str] | None] | None:
    """The origins that are taken, None among them for no Origin; None instead of a list for any."""
    if ANY_ORIGIN in options.origins:
        return None
    return [None, OWN_ORIGINS, *map(Origin, options.origins)]


class _Connection(ServerConnection):
    """A connection that has its place from the start, or is closed: many that never finish their handshake
    would else hold files that nobody counts. With a ``state`` another process has made the handshake."""

    def __init__(
        self, gateway: "Gateway", server: Server, state: Message | None = None, **given: Any
    ) -> None:
        options = gateway.options.websocket
        assert options is not None
        protocol = Restarted(
            origins=_origins(options),
            max_size=gateway.options.request_limit,
            logger=_SILENT,
        )
        interval = gateway.options.keep_alive_interval
        super().__init__(
            protocol, server, **{**given, "ping_interval": interval, "ping_timeout": 2 * interval}
        )
        self.gateway = gateway
        self._state = state
        self._unread: asyncio.TimerHandle | None = None
        if state is not None:
            protocol.go_on()
            # The package would take the first message for a handshake.
            self.request = Request("/", Headers())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.paced = PacedTransport(cast(asyncio.Transport, transport), self.gateway.pacer, self._take)
        self.session = WebSocketSession(self.gateway, self, self._state)
        self.session.peer = shown_address(transport.get_extra_info("peername"))
        self.admitted = self.gateway.admit(self.session, transport)
        if not self.admitted:
            self.paced.abort()
        elif self._state is None:
            super().connection_made(self.paced)
        else:
            Connection.connection_made(self, self.paced)
            # Before anything else that the client sends.
            self.data_received(bytes.fromhex(self._state["unread"]))

    def data_received(self, data: bytes) -> None:
        if self.admitted:
            self.paced.receive(data)

    def _take(self, data: bytes) -> None:
        super().data_received(data)

    def pause_writing(self) -> None:
        # The package answers pings whether that is read or not, and its own pings wait for the client.
        super().pause_writing()
        self.paced.hold(True)
        allowed = SILENT_INTERVALS * self.gateway.options.keep_alive_interval
        self._unread = self.gateway.loop.call_later(
            allowed, self._drop, f"it read nothing for {allowed} seconds"
        )

    def resume_writing(self) -> None:
        super().resume_writing()
        self.paced.hold(False)
        self._reads_on()

    def _reads_on(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _drop(self, reason: str) -> None:
        self.session.because(reason, warns=True)
        self.paced.abort()

    def eof_received(self) -> None:
        if self.admitted:
            self.paced.drop()
            super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._reads_on()
        if self.admitted:
            super().connection_lost(exc)
        if exc is not None:
            self.session.because(f"it was lost: {exc}")
        self.gateway.forget(self.session)


async def serve_websocket(gateway: "Gateway", options: WebSocketOptions, listening: socket.socket) -> Server:
    """Serve WebSocket connections on ``listening``."""

    async def handle(connection: ServerConnection) -> None:
        assert isinstance(connection, _Connection)
        await connection.session.run()

    def connect(_protocol_of_theirs: ServerProtocol, server: Server, **given: Any) -> ServerConnection:
        return _Connection(gateway, server, **given)

    if options.tls is not None:
        # For each handshake the certificate of the day: the options change while the gateway runs.
        options.tls.sni_callback = partial(_certify, gateway)
    server = await serve(
        handle,
        sock=listening,
        backlog=BACKLOG,
        ssl=options.tls,
        # Requests are small; inflating what a stranger sends costs more than it saves.
        compression=None,
        open_timeout=min(OPEN_SECONDS, 3 * gateway.options.keep_alive_interval),
        server_header=None,
        logger=_SILENT,
        create_connection=cast(Any, connect),
    )
    # The package refuses a handshake once it takes no more connections; here it may be moved after it.
    server.is_serving = lambda: not gateway.closing  # type: ignore[method-assign]
    return server


async def adopt_websocket(gateway: "Gateway", state: Message, connection: socket.socket) -> None:
    """Go on with a connection from another process. Raises OSError."""
    server = gateway.websocket
    if server is None:
        connection.close()
        return
    arrived = _Connection(gateway, server, state)
    await gateway.loop.connect_accepted_socket(lambda: arrived, connection)
    arrived.start_keepalive()
    task = gateway.loop.create_task(arrived.session.run())
    server.handler_tasks.add(task)
    task.add_done_callback(server.handler_tasks.discard)


def _certify(gateway: "Gateway", connection: ssl.SSLObject, _name: str, _first: ssl.SSLContext) -> None:
    options = gateway.options.websocket
    if options is not None and options.tls is not None:
        connection.context = options.tls
