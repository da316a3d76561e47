"""Sessions on TCP: packets in, packets out, encrypted from InitConnect on where the client asks for it.

Reading stops while the client does not read its answers, or has too many questions under way; what had
arrived by then is still answered.
"""

import asyncio
import secrets
from typing import TYPE_CHECKING, Any, cast

import structlog

from qotgate.gateway.interfaces import SERVER_VERSION
from qotgate.gateway.session import UNDER_WAY_MOST, Session
from qotgate.model import InvalidRequest, ProtocolError
from qotgate.protocol.body import FORMATS, decode_request, encode
from qotgate.protocol.cipher import AesCipher, PacketEncAlgo
from qotgate.protocol.frame import PROTOBUF, Change, Frame, FrameParser, Packet
from qotgate.protocol.messages import RESPONSES, ProtoId, RetType

if TYPE_CHECKING:
    from qotgate.gateway.server import Gateway

RSA_BODY_MOST = 4096
LOGIN_USER = 1
"""There is no login; clients want a user id."""

log = structlog.get_logger()


class TcpSession(Session, asyncio.Protocol):
    """A session on a TCP connection."""

    def __init__(self, gateway: "Gateway", *, over_limit: bool) -> None:
        super().__init__(gateway, over_limit=over_limit)
        self._parser = FrameParser(gateway.options.request_limit)
        self._transport: asyncio.Transport | None = None
        self._client_reads = True
        self._reading = True
        self._cipher: AesCipher | None = None
        self._rsa_opened = False
        self._ending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.gateway.sessions.add(self)
        if self.gateway.draining:
            self.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self.gateway.forget(self)

    def eof_received(self) -> bool:
        self._end()
        return True

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        self.last_received = self.gateway.loop.time()
        try:
            for packet in self._parser.feed(data):
                self._take_packet(packet)
                if self._transport is None or self._transport.is_closing():
                    return
        except ProtocolError as error:
            log.warning("connection closed", connection=self.connection_id, reason=str(error))
            self._end()

    def pause_writing(self) -> None:
        self._client_reads = False
        self._balance()

    def resume_writing(self) -> None:
        self._client_reads = not self.gateway.draining
        self._balance()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def stop_reading(self) -> None:
        self._client_reads = False
        self._balance()

    def _end(self) -> None:
        """Take no more, and close once what was asked is answered."""
        self._ending = True
        if not self.under_way:
            self.close()

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
        self.initialised = True
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
            self._cipher = AesCipher(algorithm, key.encode(), iv.encode())
        log.info(
            "client connected",
            connection=self.connection_id,
            client=request.clientID,
            version=request.clientVer,
            language=request.programmingLanguage,
            encryption=algorithm.name,
        )
        return response

    def _take_packet(self, packet: Packet) -> None:
        # The answer to InitConnect is not under the cipher that it agrees on.
        encrypt = self._cipher.encrypt if self._cipher else None
        frame = self._open(packet)
        outcome = self.take(frame)
        if isinstance(outcome, asyncio.Future):
            self.under_way += 1
            self._balance()
            outcome.add_done_callback(lambda done: self._answered(frame, done))
            return
        if frame.proto_id == ProtoId.InitConnect and self._cipher and not encrypt:
            assert self.gateway.options.rsa_key is not None
            encrypt = self.gateway.options.rsa_key.encrypt
        self._send(frame, outcome, encrypt)
        if self.over_limit:
            self.close()

    def _open(self, packet: Packet) -> Frame:
        if self._cipher is not None:
            return packet.open(self._cipher.decrypt)
        self._rsa_opened = False
        frame = packet.open()
        rsa_key = self.gateway.options.rsa_key
        if (
            frame.intact
            or rsa_key is None
            or self.initialised
            or packet.proto_id != ProtoId.InitConnect
            # Each block is a private-key operation in the event loop: enough for any InitConnect, no more.
            or len(packet.body) > RSA_BODY_MOST
        ):
            return frame
        frame = packet.open(rsa_key.decrypt)
        self._rsa_opened = frame.intact
        return frame

    def _answered(self, frame: Frame, done: "asyncio.Future[Any]") -> None:
        self.under_way -= 1
        self._balance()
        self._send(frame, self.settle(frame, done), self._cipher.encrypt if self._cipher else None)
        if self._ending:
            self._end()

    def _send(self, request: Frame, response: Any, encrypt: Change | None) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        body_format = request.body_format if request.body_format in FORMATS else PROTOBUF
        answer = Frame(request.proto_id, body_format, request.serial, encode(response, body_format))
        self._transport.write(answer.encode(encrypt))

    def _balance(self) -> None:
        wanted = self._client_reads and self.under_way < UNDER_WAY_MOST
        if self._transport is None or wanted == self._reading:
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()
