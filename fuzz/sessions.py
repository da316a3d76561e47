"""Whole sessions of a gateway on the sample: for any input, each packet has one answer, and no answer reports
a failure of the gateway."""

import asyncio
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Opcode
from websockets.frames import Frame as WebSocketFrame
from websockets.protocol import State
from websockets.uri import parse_uri

from fuzz.pieces import parts, sliced
from qotgate.gateway import Gateway, GatewayOptions, WebSocketOptions
from qotgate.gateway.session import State as SessionState
from qotgate.gateway.tcp import TcpSession
from qotgate.gateway.websocket import WebSocketSession
from qotgate.model import ProtocolError
from qotgate.protocol.body import FORMATS, decode
from qotgate.protocol.cipher import RsaKey
from qotgate.protocol.envelope import decode_answer
from qotgate.protocol.frame import HEADER_SIZE, PROTOBUF, Frame, FrameParser
from qotgate.protocol.messages import AnyResponse, RetType
from qotgate.service.loading import find_files, load
from qotgate.service.questions import Questions
from qotgate.service.reference import load_reference
from qotgate.store import Store

LIMIT = 1 << 14
PAUSE, TURNS_MOST = 0.0002, 50_000
WEBSOCKET, ENCRYPTED, RAW = 1, 2, 4
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PIECES = (1, 7, 44, 1 << 16)
RET_TYPES = {int(ret_type) for ret_type in RetType} - {int(RetType.UNKNOWN)}


@cache
def sample_questions() -> Questions:
    """Questions to a database of the sample, in its own folder."""
    folder = Path(tempfile.mkdtemp())
    store = Store.open(f"sqlite:///{folder / 'sample.db'}")
    reference = load_reference()
    load(store, reference, find_files([Path(str(files("qotgate") / "sample"))]))
    return Questions(store, reference, lang="en")


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, context: _FAILURES.append(context))
    return loop


_FAILURES: list[dict[str, Any]] = []


@cache
def _gateway(encrypted: bool) -> Gateway:
    async def make() -> Gateway:
        options = GatewayOptions(
            max_connections=4,
            request_limit=LIMIT,
            rate_limit=None,
            lang="en",
            rsa_key=RsaKey.generate(1024) if encrypted else None,
            allow_plaintext=True,
            websocket=WebSocketOptions(key_md5="5f4dcc3b5aa765d61d8327deb882cf99"),
        )
        return Gateway(sample_questions(), options)

    return _loop().run_until_complete(make())


def take_session(data: bytes) -> None:
    """The first byte chooses the carrier, whether the gateway has a key, whether the rest is raw bytes or
    parts, and the length of the pieces in which it arrives. The kind of a part gives its proto id and
    format."""
    if not data:
        return
    flags, rest = data[0], data[1:]
    gateway = _gateway(bool(flags & ENCRYPTED))
    if flags & WEBSOCKET:
        work = _websocket(gateway, [body for _, body in parts(rest)])
    else:
        stream = rest if flags & RAW else b"".join(_packet(kind, body) for kind, body in parts(rest))
        work = _tcp(gateway, stream, PIECES[flags >> 3 & 3])
    _loop().run_until_complete(work)
    failures, _FAILURES[:] = list(_FAILURES), []
    assert not failures, failures


_IDS = (1001, 1002, 1004, 3423, 3424, 3425, 3426, 9)


def _packet(kind: int, body: bytes) -> bytes:
    return Frame(_IDS[kind & 7], kind >> 3 & 1, kind, body).encode()


class _Transport(asyncio.Transport):
    """Stores the bytes that a session writes."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.closed = False
        self.reading = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.sent += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


async def _tcp(gateway: Gateway, stream: bytes, step: int) -> None:
    session, transport = TcpSession(gateway.tcp), _Transport()
    session.connection_made(transport)
    for piece in sliced(stream, step):
        if transport.closed:
            break
        await _until(lambda: transport.reading or transport.closed)
        session.data_received(piece)
    if not transport.closed:
        session.eof_received()
    await _until(lambda: not session.busy)
    assert transport.closed
    sent = bytes(transport.sent)
    session.connection_lost(None)
    assert session not in gateway.door.sessions
    asked = _count(stream)
    parser = FrameParser(1 << 24)
    answers = list(parser.feed(sent))
    assert sum(HEADER_SIZE + len(answer.body) for answer in answers) == len(sent)
    assert len(answers) == asked, (len(answers), asked)
    if not session._encryption.active:
        for answer in answers:
            frame = answer.open()
            assert frame.intact
            _check_answer(frame.body, frame.body_format)


def _count(stream: bytes) -> int:
    """The number of whole packets at the start of a stream."""
    found = 0
    try:
        for _ in FrameParser(LIMIT).feed(stream):
            found += 1
    except ProtocolError:
        pass
    return found


def _check_answer(body: bytes, body_format: int) -> None:
    assert body_format in FORMATS
    response = decode(AnyResponse, body, body_format)
    assert response.retType in RET_TYPES, response
    assert response.retType == RetType.SUCCEED or response.retMsg


async def _until(done: Any) -> None:
    for _ in range(TURNS_MOST):
        if done():
            return
        await asyncio.sleep(PAUSE)
    raise AssertionError("the session never came to an end")


async def _websocket(gateway: Gateway, messages: list[bytes]) -> None:
    assert gateway.websocket is not None
    session, transport = WebSocketSession(gateway.websocket), _Transport()
    session.connection_made(transport)
    session.data_received(UPGRADE)
    head, _, sent = bytes(transport.sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert not sent
    transport.sent.clear()
    client = ClientProtocol(parse_uri("ws://127.0.0.1"), state=State.OPEN, max_size=None)
    taken = 0
    for message in messages:
        await _until(lambda: not session.busy)
        if session.state is SessionState.ENDED or transport.closed or client.state is not State.OPEN:
            break
        taken += 1
        client.send_binary(message)
        session.data_received(b"".join(client.data_to_send()))
        await _until(lambda: session.looked_at and not session.busy)
        client.receive_data(bytes(transport.sent))
        transport.sent.clear()
    answers = [event for event in client.events_received() if isinstance(event, WebSocketFrame)]
    bodies = [bytes(frame.data) for frame in answers if frame.opcode is Opcode.BINARY]
    broken = client.close_rcvd is not None and client.close_rcvd.code == CloseCode.PROTOCOL_ERROR
    assert len(bodies) == taken - broken
    for body in bodies:
        frame, error, _ = decode_answer(body)
        _check_answer(frame.body, PROTOBUF)
        assert error in (0, 1)
    session.connection_lost(None)
    assert session not in gateway.door.sessions
