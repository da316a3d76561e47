"""An OpenD with hardly any cost: a login, canned answers, and pushes that differ in their serial number.

Run as ``python -m gateway.canned_opend ANSWER_BYTES PUSH_BYTES``; prints its port. The body of a subscription
(3001) is two numbers as text: the number of pushes that follow, and their number a second, 0 for all at once.
"""

import asyncio
import secrets
import sys
import time
from struct import Struct
from typing import Any, cast

import uvloop

from qotgate.protocol.body import encode
from qotgate.protocol.frame import HEADER_SIZE, PROTOBUF, SERIAL, Frame, lead, seal
from qotgate.protocol.messages import RESPONSES, ProtoId, RetType
from qotgate.relay.published import known_messages

START = Struct("<2sIBBII").unpack_from
SNAPSHOT, SUBSCRIBE, PUSH = 3203, 3001, 3011
SECURITY = {"market": 11, "code": "TSLA"}
TICK = {
    "time": "2026-01-05 10:00:00",
    "sequence": 7_500_000_000_123_456_789,
    "dir": 1,
    "price": 452.07,
    "volume": 100,
    "turnover": 45_207.0,
    "recvTime": 1_767_625_200.123,
    "type": 1,
    "typeSign": 84,
}
SNAPSHOT_FIELDS = {
    "security": SECURITY,
    "type": 3,
    "isSuspend": False,
    "listTime": "2010-06-29",
    "lotSize": 1,
    "priceSpread": 0.01,
    "updateTime": "2026-01-05 10:00:00",
    "highPrice": 458.3,
    "openPrice": 455.0,
    "lowPrice": 449.1,
    "lastClosePrice": 450.2,
    "curPrice": 452.07,
    "volume": 51_230_481,
    "turnover": 2.3e10,
    "turnoverRate": 1.6,
}
BATCH = 100
"""Pushes in one write."""


class Session(asyncio.Protocol):
    """A connection; ``answer`` and ``push`` follow the serial number in a packet."""

    def __init__(self, answer: bytes, push: bytes) -> None:
        self._answer, self._push = answer, push
        self._rest = b""
        self._free = asyncio.Event()
        self._free.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - why it ended does not matter
        for task in self._tasks:
            task.cancel()

    def pause_writing(self) -> None:
        self._free.clear()

    def resume_writing(self) -> None:
        self._free.set()

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        position, size = 0, len(data)
        replies: list[bytes] = []
        while size - position >= HEADER_SIZE:
            _, proto_id, _, _, serial, length = START(data, position)
            end = position + HEADER_SIZE + length
            if end > size:
                break
            replies.append(self._reply(proto_id, serial, data[position + HEADER_SIZE : end]))
            position = end
        self._rest = data[position:]
        self._transport.write(b"".join(replies))

    def _reply(self, proto_id: int, serial: int, body: bytes) -> bytes:
        if proto_id == ProtoId.InitConnect:
            response = RESPONSES[ProtoId.InitConnect](retType=RetType.SUCCEED)
            s2c = response.s2c
            s2c.serverVer, s2c.loginUserID, s2c.connID = 1011, 1, secrets.randbits(50)
            s2c.connAESKey, s2c.keepAliveInterval = "0" * 16, 10
            return Frame(proto_id, PROTOBUF, serial, encode(response, PROTOBUF)).encode()
        if proto_id == SUBSCRIBE:
            number, rate = map(int, body.split())
            task = asyncio.create_task(self._pushes(number, rate))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return lead(proto_id, PROTOBUF) + SERIAL.pack(serial) + self._answer

    async def _pushes(self, number: int, rate: int) -> None:
        head, began = lead(PUSH, PROTOBUF), time.perf_counter()
        for first in range(0, number, BATCH):
            await self._free.wait()
            serials = range(first, min(first + BATCH, number))
            self._transport.write(b"".join(head + SERIAL.pack(one) + self._push for one in serials))
            due = began + (first + BATCH) / rate if rate else 0.0
            await asyncio.sleep(max(0.0, due - time.perf_counter()))


def _body(proto_id: int, size: int, fields: dict[str, Any]) -> bytes:
    """An answer or a push of the published package, of ``size`` bytes or slightly more."""
    message = known_messages().responses[proto_id](retType=RetType.SUCCEED, s2c=fields)
    named = message.s2c.snapshotList[0].basic if proto_id == SNAPSHOT else message.s2c
    named.name = "x" * (size - message.ByteSize())
    return bytes(message.SerializeToString())


async def main(answer: int, push: int) -> None:
    loop = asyncio.get_running_loop()
    bodies = [
        seal(_body(SNAPSHOT, answer, {"snapshotList": [{"basic": SNAPSHOT_FIELDS}]})),
        seal(_body(PUSH, push, {"security": SECURITY, "tickerList": [TICK]})),
    ]
    server = await loop.create_server(lambda: Session(*bodies), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
