"""The scripted OpenD on a WebSocket, like OpenD's own WebSocket side: for the answers that JavaScript
programs get directly from OpenD.

It fills in the PacketID of orders; docs/relay.md describes the known cases.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from qotgate.protocol.envelope import INIT, decode_request, encode_answer
from qotgate.protocol.frame import PROTOBUF, Frame
from qotgate.protocol.messages import InitWebSocketRequest, InitWebSocketResponse
from qotgate.testing.thread import LoopThread
from tests.support.opend import ScriptedOpenD, Session


class WebSocketSession(Session):
    """A connection on a WebSocket."""

    def __init__(self, opend: ScriptedOpenD, connection: ServerConnection) -> None:
        super().__init__(opend)
        self.transport = connection.transport
        self._connection = connection
        self._outgoing: asyncio.Queue[Frame] = asyncio.Queue()

    async def run(self) -> None:
        """Serve the connection to its end."""
        self.opend.sessions.add(self)
        async with asyncio.TaskGroup() as tasks:
            sender = tasks.create_task(self._send_all())
            # The script ends without a closing handshake.
            with suppress(ConnectionClosed):
                async for message in self._connection:
                    assert isinstance(message, bytes)
                    frame = decode_request(message)
                    if frame.proto_id == INIT:
                        self._init(frame)
                    else:
                        self.take(frame)
            sender.cancel()
        self.connection_lost(None)

    def send(self, frame: Frame, *, rsa: bool = False) -> None:
        self._outgoing.put_nowait(frame)

    def check_packet_id(self, packet_id: Any, frame: Frame) -> None:
        pass

    def _init(self, frame: Frame) -> None:
        self.login = InitWebSocketRequest.FromString(frame.body).c2s
        self.opend.logins.append(self.login)
        answer = InitWebSocketResponse(retType=0, s2c={"connID": self.connection_id})
        self.send(Frame(INIT, PROTOBUF, frame.serial, answer.SerializeToString()))

    async def _send_all(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                await self._connection.send(encode_answer(await self._outgoing.get()))


@contextmanager
def opend_on_websocket(tls: tuple[Path, Path] | None = None, **attributes: Any) -> Iterator[int]:
    """A scripted OpenD in a thread that listens only on a WebSocket. Yields its port. ``tls`` is a
    certificate and its key."""
    context = None
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)

    @asynccontextmanager
    async def run() -> AsyncIterator[int]:
        opend = ScriptedOpenD()
        vars(opend).update(attributes)
        opend.loop = asyncio.get_running_loop()

        async def connected(connection: ServerConnection) -> None:
            await WebSocketSession(opend, connection).run()

        async with serve(connected, "127.0.0.1", 0, ssl=context, compression=None) as server:
            yield next(iter(server.sockets)).getsockname()[1]
            await opend.stop()

    thread = LoopThread(run())
    try:
        yield thread.started
    finally:
        thread.stop()
