"""A bare client for tests: one socket, one request at a time, and any bytes that a test sends."""

import socket
from contextlib import closing
from itertools import count
from threading import Thread
from types import TracebackType
from typing import Any, Self

from qotgate.protocol.body import decode, encode
from qotgate.protocol.frame import PROTOBUF, Frame, FrameParser
from qotgate.protocol.messages import REQUESTS, RESPONSES, AnyResponse, ProtoId

SECONDS = 10.0


class Wire:
    """A connection to a gateway at ``port``."""

    def __init__(self, port: int, *, init: bool = True, body_format: int = PROTOBUF) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.body_format = body_format
        self._parser = FrameParser(1 << 24)
        self._serials = count(1)
        self._arrived: list[Frame] = []
        if init:
            answer = self.ask(ProtoId.InitConnect, clientVer=1, clientID="test", packetEncAlgo=-1)
            assert answer.retType == 0, answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def request(self, proto_id: ProtoId, **fields: Any) -> bytes:
        body = encode(REQUESTS[proto_id](c2s=fields), self.body_format)
        return Frame(proto_id, self.body_format, next(self._serials), body).encode()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> Frame:
        """The next frame; EOFError if the gateway closed the connection."""
        while not self._arrived:
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError
            self._arrived += [packet.open() for packet in self._parser.feed(data)]
        return self._arrived.pop(0)

    def answer(self) -> Any:
        """The next answer, decoded."""
        frame = self.receive()
        known = frame.proto_id in set(ProtoId)
        kind = RESPONSES[ProtoId(frame.proto_id)] if known else AnyResponse
        return decode(kind, frame.body, frame.body_format)

    def ask(self, proto_id: ProtoId, **fields: Any) -> Any:
        self.send(self.request(proto_id, **fields))
        return self.answer()

    def dynamic(self, code: str = "TSLA", market: int = 11) -> Any:
        return self.ask(ProtoId.Qot_GetArkStockDynamic, security={"market": market, "code": code})

    def closed(self) -> bool:
        """Whether the gateway closes the connection without sending anything else."""
        try:
            self.receive()
        except (EOFError, ConnectionResetError):
            return True
        return False


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def granted(wires: list[Wire], each: int) -> int:
    """How many of ``each`` questions on each connection, all sent at once, are granted."""
    counts = []

    def ask(wire: Wire) -> None:
        question = wire.request(ProtoId.Qot_GetArkStockDynamic, security={"market": 11, "code": "TSLA"})
        wire.send(question * each)
        counts.append(sum(wire.answer().retType == 0 for _ in range(each)))

    threads = [Thread(target=ask, args=(wire,)) for wire in wires]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(counts) == len(wires)
    return sum(counts)
