"""The floor: servers that split their input into requests, and send each the same canned reply.

They look up, check and count nothing: they only read a packet's length and repeat its serial number, without
which no client could use the answer. On WebSocket the same package carries the messages as in the gateway.
Run as ``python -m gateway.floor`` with a pickled dictionary on standard input, from a name to a carrier and a
reply; prints a line with the port of each.
"""

import asyncio
import pickle
import sys
from functools import partial
from struct import Struct
from typing import cast

import uvloop
from websockets.asyncio.server import ServerConnection, serve

LENGTH = Struct("<I").unpack_from
HEADER_SIZE = 44


class Floor(asyncio.Protocol):
    """A connection that gets the canned reply."""

    def __init__(self, reply: bytes) -> None:
        self._lead = reply[:8]
        self._sealed = reply[12:]
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        if self._rest:
            data = self._rest + data
        lead, sealed, length = self._lead, self._sealed, LENGTH
        position, size = 0, len(data)
        replies: list[bytes] = []
        while size - position >= HEADER_SIZE:
            end = position + HEADER_SIZE + length(data, position + 12)[0]
            if end > size:
                break
            replies += (lead, data[position + 8 : position + 12], sealed)
            position = end
        self._rest = data[position:]
        self._transport.write(b"".join(replies))


async def main(floors: dict[str, tuple[str, bytes]]) -> None:
    loop = asyncio.get_running_loop()
    ports = []
    for carrier, reply in floors.values():
        if carrier == "websocket":

            async def answer(connection: ServerConnection, reply: bytes = reply) -> None:
                async for _ in connection:
                    await connection.send(reply)

            websocket = await serve(answer, "127.0.0.1", 0, compression=None)
            ports.append(next(iter(websocket.sockets)).getsockname()[1])
        else:
            server = await loop.create_server(partial(Floor, reply), "127.0.0.1", 0)
            ports.append(server.sockets[0].getsockname()[1])
    print(*ports, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(pickle.load(sys.stdin.buffer)))
