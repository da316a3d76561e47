"""A bare WebSocket client for tests."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from qotgate.protocol.body import decode, encode
from qotgate.protocol.envelope import decode_answer, encode_request
from qotgate.protocol.frame import Frame
from qotgate.protocol.messages import (
    REQUESTS,
    RESPONSES,
    InitWebSocketRequest,
    InitWebSocketResponse,
    ProtoId,
)
from tests.support.serving import Serving

KEY = "a key"


MD5 = hashlib.md5(KEY.encode(), usedforsecurity=False).hexdigest()


class WebSocket:
    """A bare client."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.section = 0

    def ask(self, command: int, body: bytes) -> tuple[Frame, int, str]:
        self.section += 1
        self.connection.send(encode_request(Frame(command, 0, self.section, body)))
        answer = self.connection.recv(timeout=10)
        assert isinstance(answer, bytes)
        frame, error, text = decode_answer(answer)
        assert (frame.proto_id, frame.serial) == (command, self.section)
        return frame, error, text

    def init(self, key_md5: str = MD5) -> tuple[Any, int, str]:
        request = InitWebSocketRequest(c2s={"websocketKey": key_md5, "clientID": "test"})
        frame, error, text = self.ask(1, encode(request, 0))
        return decode(InitWebSocketResponse, frame.body, 0), error, text

    def question(self, proto_id: ProtoId, **fields: Any) -> Any:
        frame, error, _ = self.ask(proto_id, encode(REQUESTS[proto_id](c2s=fields), 0))
        assert error == 0
        return decode(RESPONSES[proto_id], frame.body, 0)

    def dynamic(self) -> Any:
        return self.question(ProtoId.Qot_GetArkStockDynamic, security={"market": 11, "code": "TSLA"})

    def close_code(self) -> int | None:
        """The code with which the gateway closes the connection without sending anything else."""
        with pytest.raises(ConnectionClosed) as closed:
            self.connection.recv(timeout=10)
        return closed.value.rcvd.code if closed.value.rcvd else None


@contextmanager
def websocket(gateway: Serving, **options: Any) -> Iterator[WebSocket]:
    assert gateway.websocket
    with connect(gateway.websocket, compression=None, **options) as connection:
        yield WebSocket(connection)
