"""Sessions on WebSocket, which the JavaScript client speaks; the ``websockets`` package carries them.

Init takes the place of InitConnect and checks the key. The client sends no signs of life of its own, so the
gateway pings, and drops what does not answer for three keep-alive intervals.
"""

import asyncio
import hmac
import logging
import re
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.protocol import State
from websockets.typing import Origin

from qotgate.gateway.session import UNDER_WAY_MOST, Later, Session
from qotgate.model import InvalidRequest, ProtocolError, Refused
from qotgate.protocol.body import decode, encode
from qotgate.protocol.envelope import INIT, decode_request, encode_answer
from qotgate.protocol.frame import PROTOBUF, Frame, unseal
from qotgate.protocol.messages import InitWebSocketRequest, InitWebSocketResponse, RetType

if TYPE_CHECKING:
    from qotgate.gateway.server import Gateway

INIT_FAILED = 1
"""The error number of a refused Init; the client takes any but 0 for a no."""

log = structlog.get_logger()
# The package would log by the standard library, past the gateway's own log, which has what matters.
_SILENT = logging.Logger("websockets", logging.CRITICAL + 1)


OPEN_SECONDS = 10.0
"""How long the handshakes of TLS and WebSocket may take, each; three keep-alive intervals if that is less."""
ANY_ORIGIN = "*"
OWN_ORIGINS = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?")
"""Pages of this machine. Without a check, a page of any web site could have its visitor's browser ask on
127.0.0.1: a browser tells the site (RFC 6454), and other programs tell none."""
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

    def __init__(self, gateway: "Gateway", connection: ServerConnection) -> None:
        super().__init__(gateway)
        self._connection = connection
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
                if self.gateway.draining:
                    code, reason = CloseCode.GOING_AWAY, "the gateway stops"
                    break
                if isinstance(message, str):
                    code, reason = CloseCode.UNSUPPORTED_DATA, "messages are binary"
                    break
                await self._take_message(message)
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
            log.warning("connection lost", connection=self.connection_id, reason=str(error))
        except ConnectionClosed as closed:
            log.info("connection closed", connection=self.connection_id, reason=str(closed))
        finally:
            if self._tasks and self._connection.state is State.OPEN:
                await asyncio.wait(self._tasks)
            for task in self._tasks:
                task.cancel()
            if reason:
                log.warning("connection closed", connection=self.connection_id, reason=reason)
            await self._connection.close(code, reason)

    def close(self) -> None:
        if self._connection.state is State.CONNECTING:
            self.abort()
            return
        self._start(self._connection.close(CloseCode.GOING_AWAY))

    def abort(self) -> None:
        self._connection.transport.abort()

    def stop_reading(self) -> None:
        """The next message finds the gateway draining; until then the client may close in its own way."""

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
        self._start(self._answer_later(frame, outcome))

    async def _init(self, frame: Frame) -> None:
        response = InitWebSocketResponse(retType=RetType.SUCCEED, retMsg="", errCode=0)
        try:
            self._check_init(frame)
        except Refused as error:
            await self._send(frame, encode(self.refuse(error), PROTOBUF), INIT_FAILED, error.text("en"))
            return
        self.initialised = True
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
        log.info(
            "client connected",
            connection=self.connection_id,
            client=c2s.clientID,
            language=c2s.programmingLanguage,
            encryption="TLS" if options.tls else "NONE",
        )

    async def _answer_later(self, frame: Frame, asked: Later) -> None:
        try:
            await asyncio.wait([asked])
            await self._send(frame, unseal(self.settle(frame, asked)))
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


class _Connection(ServerConnection):
    """A connection that has its place from the start, or is closed: many that never finish their handshake
    would else hold files that nobody counts."""

    gateway: "Gateway"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.session = WebSocketSession(self.gateway, self)
        self.admitted = self.gateway.admit(self.session, transport)
        if self.admitted:
            super().connection_made(transport)
        else:
            cast(asyncio.Transport, transport).abort()

    def data_received(self, data: bytes) -> None:
        if self.admitted:
            super().data_received(data)

    def eof_received(self) -> None:
        if self.admitted:
            super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.admitted:
            super().connection_lost(exc)
        self.gateway.forget(self.session)


async def listen(gateway: "Gateway", options: WebSocketOptions) -> Server:
    """Serve WebSocket connections. Raises OSError."""

    async def handle(connection: ServerConnection) -> None:
        assert isinstance(connection, _Connection)
        await connection.session.run()

    class Connection(_Connection):
        pass

    Connection.gateway = gateway

    interval = gateway.options.keep_alive_interval
    return await serve(
        handle,
        options.host,
        options.port,
        ssl=options.tls,
        create_connection=Connection,
        reuse_port=gateway.options.reuse_port or None,
        # Requests are small; inflating what a stranger sends costs more than it saves.
        compression=None,
        origins=None if ANY_ORIGIN in options.origins else [None, OWN_ORIGINS, *map(Origin, options.origins)],
        max_size=gateway.options.request_limit,
        open_timeout=min(OPEN_SECONDS, 3 * interval),
        ping_interval=interval,
        ping_timeout=2 * interval,
        server_header=None,
        logger=_SILENT,
    )
