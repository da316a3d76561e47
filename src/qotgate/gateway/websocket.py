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
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, cast

from websockets.asyncio.connection import Connection
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.exceptions import ProtocolError as FrameError
from websockets.frames import CloseCode, Opcode
from websockets.frames import Frame as WebSocketFrame
from websockets.http11 import Request
from websockets.protocol import State as ConnectionState
from websockets.server import ServerProtocol
from websockets.typing import Origin

from qotgate.gateway.addresses import BACKLOG, shown_address
from qotgate.gateway.door import SILENT_INTERVALS, Door, Phase
from qotgate.gateway.engine import Engine
from qotgate.gateway.interfaces import SERVER_VERSION
from qotgate.gateway.options import WebSocketOptions
from qotgate.gateway.pacing import PacedTransport, Pacer
from qotgate.gateway.session import MAX_UNDER_WAY, MAX_UNREAD, Description, Login, Session, State
from qotgate.model import InvalidRequest, ProtocolError, Refused
from qotgate.protocol.body import decode
from qotgate.protocol.envelope import INIT, decode_request, encode_answer
from qotgate.protocol.frame import PROTOBUF, Frame, unseal
from qotgate.protocol.messages import CLASSES, InitWebSocketRequest, InitWebSocketResponse, RetType

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


class WebSocketSession(Session):
    """A session on a WebSocket connection."""

    sends_keep_alive: ClassVar[bool] = False

    def __init__(
        self, carrier: "WebSocketCarrier", connection: "_Connection", moved: Description | None = None
    ) -> None:
        self._engine, self._door = carrier.engine, carrier.door
        super().__init__(self._engine.loop.time(), moved)
        self._engine.restore((moved or {}).get("granted", {}), self)
        self._connection = connection
        self._taking = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(MAX_UNDER_WAY)

    async def run(self) -> None:
        """Serve the connection until it ends."""
        code, reason = CloseCode.NORMAL_CLOSURE, ""
        taken = 0
        try:
            async for message in self._connection:
                self.last_received = self._engine.loop.time()
                self._engine.see_commits()
                if self._door.phase is Phase.CLOSING:
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
                if self.turned_away is not None:
                    code, reason = CloseCode.TRY_AGAIN_LATER, "too many connections"
                    break
        except ProtocolError as error:
            code, reason = CloseCode.PROTOCOL_ERROR, str(error)
        except OSError as error:
            self.because(f"it was lost: {error}")
        except ConnectionClosed as closed:
            self.because(str(closed))
        finally:
            while self.under_way and self._connection.state is ConnectionState.OPEN:
                await asyncio.sleep(0.01)
            if self._tasks and self._connection.state is ConnectionState.OPEN:
                await asyncio.wait(self._tasks)
            for task in self._tasks:
                task.cancel()
            if reason:
                self.because(reason, warns=self._door.phase is Phase.SERVING)
            self._door.leave(self)
            await self._connection.close(code, reason)

    def close(self) -> None:
        if self._connection.state is ConnectionState.CONNECTING:
            self.abort()
            return
        self._start(self._connection.close(CloseCode.GOING_AWAY))

    def abort(self) -> None:
        self._connection.transport.abort()

    def hold(self, held: bool) -> None:
        self._connection.hold(upstream=held)

    def stop_reading(self) -> None:
        """Where the gateway closes, the next message finds that; until then the client may close in its own
        way."""
        transport = self._connection.paced
        if transport.is_closing():
            return
        if self._connection.state is ConnectionState.OPEN and self._door.phase is not Phase.CLOSING:
            transport.stop_reading()
        else:
            # What is about to close takes some words from the client.
            transport.read_again()

    @property
    def looked_at(self) -> bool:
        taken = self._connection.paced.taken
        return taken and not self._taking and not len(self._connection.recv_messages.frames)

    def description(self) -> Description | None:
        protocol, transport = self._connection.protocol, self._connection.transport
        quiet = self.looked_at and not (self.busy or self._tasks or self.upstream or self.turned_away)
        if not quiet or not isinstance(protocol, Restarted) or not protocol.whole:
            return None
        closing = protocol.state is not ConnectionState.OPEN or transport.is_closing()
        if closing or transport.get_write_buffer_size():
            return None
        if transport.get_extra_info("ssl_object") is not None:
            # What the TLS connection has agreed on cannot be taken out of it.
            return None
        return {
            "carrier": "websocket",
            "id": self.connection_id,
            "initialised": self.state is State.OPEN,
            "requests": self.requests,
            "lang": self.lang,
            "unread": protocol.unread.hex(),
            "granted": self._engine.granted(self),
        }

    def file(self) -> int:
        return os.dup(self._connection.transport.get_extra_info("socket").fileno())

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

    def welcome(self, login: Login, s2c: Any) -> Any:  # noqa: ARG002 - it is not encrypted anew
        response = InitWebSocketResponse(retType=RetType.SUCCEED, retMsg="", errCode=0)
        response.s2c.serverTime = int(time.time())
        response.s2c.connID = s2c.connID
        return response

    def broken(self, frame: Frame) -> str:  # noqa: ARG002 - a frame has no SHA-1 here
        return "bad_digest"

    def deliver(self, frame: Frame, sealed: bytes) -> None:
        self._free.release()
        self._start(self._send(frame, unseal(sealed)))

    def push(self, frame: Frame) -> None:
        self._start(self._send(frame, frame.body))

    async def _take_message(self, message: bytes) -> None:
        frame = decode_request(message)
        error, text = 0, ""
        if frame.proto_id == INIT:
            try:
                sealed = self._engine.log_in(frame, self)
            except Refused as refused:
                sealed = self._engine.refuse(frame, self, refused)
                error, text = INIT_FAILED, refused.text("en")
        else:
            sealed = self._engine.answer(frame, self)
        if sealed is None:
            await self._free.acquire()
        else:
            await self._send(frame, unseal(sealed), error, text)

    async def _send(self, request: Frame, body: bytes, error: int = 0, text: str = "") -> None:
        with suppress(ConnectionClosed):
            await self._connection.send(encode_answer(request._replace(body=body), error, text))

    def _start(self, work: Any) -> None:
        task = self._engine.loop.create_task(work)
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
        opened = self.state is not ConnectionState.CONNECTING
        super().receive_data(data)
        if not opened:
            return
        if self._left is not None:
            self.unread = bytes(data[len(data) - self._left :])
        elif len(self.unread) <= MAX_UNREAD:
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
        self.state = ConnectionState.OPEN
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
        self, carrier: "WebSocketCarrier", server: Server, moved: Description | None = None, **given: Any
    ) -> None:
        options = carrier.engine.options
        assert options.websocket is not None
        protocol = Restarted(
            origins=_origins(options.websocket),
            max_size=options.request_limit,
            logger=_SILENT,
        )
        interval = options.keep_alive_interval
        super().__init__(
            protocol, server, **{**given, "ping_interval": interval, "ping_timeout": 2 * interval}
        )
        self._carrier = carrier
        self._moved = moved
        self._unread: asyncio.TimerHandle | None = None
        self._writing_held = self._upstream_held = False
        if moved is not None:
            protocol.go_on()
            # The package would take the first message for a handshake.
            self.request = Request("/", Headers())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.paced = PacedTransport(cast(asyncio.Transport, transport), self._carrier.pacer, self._take)
        self.session = WebSocketSession(self._carrier, self, self._moved)
        self.session.peer = shown_address(transport.get_extra_info("peername"))
        self.admitted = self._carrier.door.admit(self.session, transport)
        if not self.admitted:
            self.paced.abort()
        elif self._moved is None:
            super().connection_made(self.paced)
        else:
            Connection.connection_made(self, self.paced)
            # Before anything else that the client sends.
            self.data_received(bytes.fromhex(self._moved["unread"]))

    def data_received(self, data: bytes) -> None:
        if self.admitted:
            self.paced.receive(data)

    def _take(self, data: bytes) -> None:
        super().data_received(data)

    def pause_writing(self) -> None:
        # The package answers pings whether that is read or not, and its own pings wait for the client.
        super().pause_writing()
        self.hold(writing=True)
        if self.session.upstream is not None:
            self.session.upstream.pause()
        allowed = SILENT_INTERVALS * self._carrier.engine.options.keep_alive_interval
        self._unread = self._carrier.engine.loop.call_later(
            allowed, self._drop, f"it read nothing for {allowed} seconds"
        )

    def resume_writing(self) -> None:
        super().resume_writing()
        self.hold(writing=False)
        if self.session.upstream is not None:
            self.session.upstream.resume()
        self._reads_on()

    def hold(self, *, writing: bool | None = None, upstream: bool | None = None) -> None:
        """Take no more messages while the client does not read, or the way to OpenD is full."""
        self._writing_held = self._writing_held if writing is None else writing
        self._upstream_held = self._upstream_held if upstream is None else upstream
        self.paced.hold(self._writing_held or self._upstream_held)

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
        self._carrier.door.leave(self.session)


class WebSocketCarrier:
    """Makes sessions of WebSocket connections, and serves the sockets that listen for them."""

    def __init__(self, engine: Engine, door: Door, pacer: Pacer) -> None:
        self.engine = engine
        self.door = door
        self.pacer = pacer
        self._servers: list[Server] = []

    async def serve(self, listening: socket.socket) -> str:
        """Serve the connections of a socket that listens; its address."""
        options = self.engine.options.websocket
        assert options is not None
        address = f"{'wss' if options.tls else 'ws'}://{shown_address(listening.getsockname())}"

        async def handle(connection: ServerConnection) -> None:
            assert isinstance(connection, _Connection)
            await connection.session.run()

        def connect(_protocol_of_theirs: ServerProtocol, server: Server, **given: Any) -> ServerConnection:
            return _Connection(self, server, **given)

        if options.tls is not None:
            # For each handshake the certificate of the day: the options change while the gateway runs.
            options.tls.sni_callback = partial(_certify, self.engine)
        server = await serve(
            handle,
            sock=listening,
            backlog=BACKLOG,
            ssl=options.tls,
            # Requests are small; inflating what a stranger sends costs more than it saves.
            compression=None,
            open_timeout=min(OPEN_SECONDS, 3 * self.engine.options.keep_alive_interval),
            server_header=None,
            logger=_SILENT,
            create_connection=cast(Any, connect),
        )
        # The package refuses a handshake once it takes no more connections; here it may be moved after it.
        server.is_serving = lambda: self.door.phase is not Phase.CLOSING  # type: ignore[method-assign]
        self._servers.append(server)
        return address

    def stop_listening(self) -> None:
        """Take no more connections."""
        for server in self._servers:
            server.close(close_connections=False)

    def opening(self, served: int) -> bool:
        """Whether a connection is not one of the ``served`` sessions yet."""
        return bool(self._servers) and len(self._servers[-1].handler_tasks) > served

    async def adopt(self, moved: Description, connection: socket.socket) -> None:
        """Go on with a connection from another process. Raises OSError."""
        if not self._servers:
            connection.close()
            return
        server = self._servers[-1]
        arrived = _Connection(self, server, moved)
        await self.engine.loop.connect_accepted_socket(lambda: arrived, connection)
        arrived.start_keepalive()
        task = self.engine.loop.create_task(arrived.session.run())
        server.handler_tasks.add(task)
        task.add_done_callback(server.handler_tasks.discard)


def _certify(engine: Engine, connection: ssl.SSLObject, _name: str, _first: ssl.SSLContext) -> None:
    options = engine.options.websocket
    if options is not None and options.tls is not None:
        connection.context = options.tls
