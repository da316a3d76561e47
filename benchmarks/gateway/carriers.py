"""How the load generator opens a connection and frames a request, for each carrier that it measures.

Opening is blocking and not measured. ``greet`` False is for the floor, which knows no InitConnect: it gets
frames of the same size and nothing before them.
"""

import base64
import socket
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

from qotgate.protocol.body import decode, encode
from qotgate.protocol.cipher import AesCipher, PacketEncAlgo, RsaKey
from qotgate.protocol.envelope import encode_request
from qotgate.protocol.frame import JSON, PROTOBUF, Frame, FrameParser
from qotgate.protocol.messages import REQUESTS, RESPONSES, InitWebSocketRequest, ProtoId

Carrier = Literal["tcp", "json", "aes", "websocket", "http"]
SECONDS = 10.0


@dataclass(frozen=True)
class Question:
    """A question: its fields on the wire, or its ``path`` over HTTP."""

    proto_id: ProtoId = ProtoId.KeepAlive
    fields: dict[str, Any] | None = None
    path: str = ""

    def body(self, body_format: int) -> bytes:
        return encode(REQUESTS[self.proto_id](c2s=self.fields), body_format)


@dataclass(frozen=True)
class Opened:
    """A connection, its framing of a question, and a function from the start of a reply to its end, 0 if
    incomplete."""

    socket: socket.socket
    frame: Callable[[Question], bytes]
    cut: Callable[[bytes, int], int]


def open_connection(carrier: Carrier, port: int, key: RsaKey | None, *, greet: bool) -> Opened:
    connection = socket.create_connection(("127.0.0.1", port), SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if carrier == "websocket":
        return _open_websocket(connection, greet=greet)
    if carrier == "http":
        return Opened(connection, lambda question: _http(port, question.path), _cut_http)
    body_format = JSON if carrier == "json" else PROTOBUF
    encrypt = _init_connect(connection, key if carrier == "aes" else None) if greet else None
    if carrier == "aes" and not greet:
        # As long as the body under a cipher.
        encrypt = AesCipher(PacketEncAlgo.AES_CBC, bytes(16), bytes(16)).encrypt
    serials = count(2)

    def frame(question: Question) -> bytes:
        body = question.body(body_format)
        return Frame(question.proto_id, body_format, next(serials), body).encode(encrypt)

    return Opened(connection, frame, _cut_packet)


def _init_connect(connection: socket.socket, key: RsaKey | None) -> Callable[[bytes], bytes] | None:
    algorithm = PacketEncAlgo.AES_CBC if key else PacketEncAlgo.NONE
    fields = {"clientVer": 1, "clientID": "benchmark", "packetEncAlgo": algorithm}
    request = encode(REQUESTS[ProtoId.InitConnect](c2s=fields), PROTOBUF)
    connection.sendall(Frame(ProtoId.InitConnect, PROTOBUF, 1, request).encode(key.encrypt if key else None))
    parser = FrameParser()
    while True:
        for packet in parser.feed(connection.recv(1 << 16)):
            body = packet.open(key.decrypt if key else None).body
            s2c = decode(RESPONSES[ProtoId.InitConnect], body, PROTOBUF).s2c
            if key is None:
                return None
            return AesCipher(algorithm, s2c.connAESKey.encode(), s2c.aesCBCiv.encode()).encrypt


def _cut_packet(data: bytes, position: int) -> int:
    if len(data) < position + 44:
        return 0
    end = position + 44 + int.from_bytes(data[position + 12 : position + 16], "little")
    return end if end <= len(data) else 0


def _open_websocket(connection: socket.socket, *, greet: bool) -> Opened:
    key = base64.b64encode(bytes(16)).decode()
    connection.sendall(
        f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    _read_until(connection, lambda data: data.endswith(b"\r\n\r\n"))
    sections = count(1)

    def envelop(command: int, body: bytes) -> bytes:
        message = encode_request(Frame(command, PROTOBUF, next(sections), body))
        # A mask of zeros is valid, and needs no masking.
        length = len(message)
        size = bytes([0x80 | length]) if length < 126 else bytes([0xFE]) + length.to_bytes(2, "big")
        return b"\x82" + size + bytes(4) + message

    if greet:
        connection.sendall(envelop(1, encode(InitWebSocketRequest(c2s={}), PROTOBUF)))
        _read_until(connection, lambda data: _cut_websocket(data, 0) == len(data))
    return Opened(
        connection, lambda question: envelop(question.proto_id, question.body(PROTOBUF)), _cut_websocket
    )


def _cut_websocket(data: bytes, position: int) -> int:
    head = data[position : position + 4]
    if len(head) < 2:
        return 0
    length, start = head[1], position + 2
    if length == 126:
        length, start = int.from_bytes(head[2:4], "big"), position + 4
    end = start + length
    return end if len(head) == 4 and end <= len(data) else 0


def _http(port: int, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n\r\n".encode()


def _cut_http(data: bytes, position: int) -> int:
    head_end = data.find(b"\r\n\r\n", position)
    if head_end < 0:
        return 0
    head = data[position:head_end].lower()
    if not head.startswith(b"http/1.1 200"):
        raise SystemExit(f"the HTTP service answered {head!r}")
    start = head.index(b"content-length: ") + 16
    end = head_end + 4 + int(head[start:].split(b"\r\n")[0])
    return end if end <= len(data) else 0


def _read_until(connection: socket.socket, complete: Callable[[bytes], bool]) -> None:
    data = b""
    while not data or not complete(data):
        more = connection.recv(1 << 16)
        if not more:
            raise SystemExit("the server closed the connection")
        data += more
