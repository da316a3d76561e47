"""One connection: frames in, answers out, in whatever order they are ready.

What needs no data (InitConnect, KeepAlive, refusals) is answered at once; questions go to the gateway's
threads. Reading stops while the client does not read its answers, or has too many under way.
"""

import asyncio
import secrets
from typing import TYPE_CHECKING, Any, cast

import structlog

from qotgate.gateway.interfaces import INTERFACES, SERVER_VERSION
from qotgate.model import InvalidRequest, ProtocolError
from qotgate.protocol.body import FORMATS, decode_request, encode, refusal
from qotgate.protocol.frame import PROTOBUF, Frame, FrameParser, encode_frame
from qotgate.protocol.messages import RESPONSES, ProtoId, RetType

if TYPE_CHECKING:
    from qotgate.gateway.server import Gateway

UNDER_WAY_MOST = 256
"""Questions of one connection under way at once; more of them wait unread."""
LOGIN_USER = 1
"""There is no login; clients want a user id."""

log = structlog.get_logger()


class Connection(asyncio.Protocol):
    """A client's connection. ``over_limit`` connections are told so and closed."""

    def __init__(self, gateway: "Gateway", *, over_limit: bool) -> None:
        self.gateway = gateway
        self.over_limit = over_limit
        # Clients keep connection ids in one map per process, so ids of several gateways must differ.
        self.connection_id = secrets.randbits(53) | 1
        self.initialised = False
        self.under_way = 0
        self.last_received = gateway.loop.time()
        self._parser = FrameParser(gateway.options.request_limit)
        self._transport: asyncio.Transport | None = None
        self._client_reads = True
        self._reading = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.gateway.connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self.gateway.forget(self)

    def data_received(self, data: bytes) -> None:
        self.last_received = self.gateway.loop.time()
        try:
            for frame in self._parser.feed(data):
                self._take(frame)
                if self._transport is None or self._transport.is_closing():
                    return
        except ProtocolError as error:
            log.warning("connection closed", connection=self.connection_id, reason=str(error))
            self.close()

    def pause_writing(self) -> None:
        self._client_reads = False
        self._balance()

    def resume_writing(self) -> None:
        self._client_reads = not self.gateway.draining
        self._balance()

    def close(self) -> None:
        """Close once what was answered has been sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def stop_reading(self) -> None:
        """Read no more, whatever is answered from now on."""
        self._client_reads = False
        self._balance()

    def _balance(self) -> None:
        wanted = self._client_reads and self.under_way < UNDER_WAY_MOST
        if self._transport is None or wanted == self._reading:
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _take(self, frame: Frame) -> None:
        if self.over_limit:
            self._refuse(
                frame, InvalidRequest("too_many_connections", limit=self.gateway.options.max_connections)
            )
            self.close()
            return
        try:
            self._answer(frame)
        except InvalidRequest as error:
            self._refuse(frame, error)

    def _answer(self, frame: Frame) -> None:
        if frame.body_format not in FORMATS:
            raise InvalidRequest("unknown_format", value=frame.body_format)
        if not frame.intact:
            self._refuse(frame, InvalidRequest("bad_digest"), RetType.INVALID)
            return
        if frame.proto_id == ProtoId.InitConnect:
            self._init_connect(frame)
            return
        if not self.initialised:
            raise InvalidRequest("not_initialised", proto_id=frame.proto_id)
        if frame.proto_id == ProtoId.KeepAlive:
            request = decode_request(ProtoId.KeepAlive, frame.body, frame.body_format)
            response = RESPONSES[ProtoId.KeepAlive](retType=RetType.SUCCEED, retMsg="", errCode=0)
            response.s2c.time = request.c2s.time
            self._send(frame, response)
        elif frame.proto_id in INTERFACES:
            self._ask(ProtoId(frame.proto_id), frame)
        else:
            served = ", ".join(str(int(proto_id)) for proto_id in ProtoId)
            raise InvalidRequest("unserved", proto_id=frame.proto_id, served=served)

    def _init_connect(self, frame: Frame) -> None:
        request = decode_request(ProtoId.InitConnect, frame.body, frame.body_format)
        if self.initialised:
            raise InvalidRequest("initialised_twice")
        self.initialised = True
        response = RESPONSES[ProtoId.InitConnect](retType=RetType.SUCCEED, retMsg="", errCode=0)
        s2c = response.s2c
        s2c.serverVer = SERVER_VERSION
        s2c.loginUserID = LOGIN_USER
        s2c.connID = self.connection_id
        s2c.connAESKey = secrets.token_hex(8)
        s2c.aesCBCiv = secrets.token_hex(8)
        s2c.keepAliveInterval = self.gateway.options.keep_alive_interval
        self._send(frame, response)
        log.info(
            "client connected",
            connection=self.connection_id,
            client=request.c2s.clientID,
            version=request.c2s.clientVer,
            language=request.c2s.programmingLanguage,
        )

    def _ask(self, proto_id: ProtoId, frame: Frame) -> None:
        interface = INTERFACES[proto_id]
        c2s = decode_request(proto_id, frame.body, frame.body_format).c2s
        if interface.counts(c2s):
            self.gateway.take_allowance(self, proto_id)
        self.under_way += 1
        self._balance()
        asked = self.gateway.ask(interface.answer, c2s)
        asked.add_done_callback(lambda done: self._answered(frame, done))

    def _answered(self, frame: Frame, done: "asyncio.Future[Any]") -> None:
        self.under_way -= 1
        self._balance()
        error = None if done.cancelled() else done.exception()
        if isinstance(error, InvalidRequest):
            self._refuse(frame, error)
        elif error is not None or done.cancelled():
            log.error(
                "request failed", connection=self.connection_id, proto_id=frame.proto_id, exc_info=error
            )
            self._refuse(frame, InvalidRequest("internal"))
        else:
            self._send(frame, done.result())

    def _refuse(self, frame: Frame, error: InvalidRequest, ret_type: RetType = RetType.FAILED) -> None:
        self._send(frame, refusal(ret_type, error.text(self.gateway.options.lang)))

    def _send(self, request: Frame, response: Any) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        body_format = request.body_format if request.body_format in FORMATS else PROTOBUF
        body = encode(response, body_format)
        self._transport.write(encode_frame(Frame(request.proto_id, body_format, request.serial, body)))
