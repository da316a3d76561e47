"""Recordings for tests, and a client of an upstream."""

import asyncio
import json
from pathlib import Path
from typing import Any

from qotgate.model import Refused
from qotgate.protocol.frame import PROTOBUF, Frame
from qotgate.protocol.messages import REQUESTS, ProtoId
from qotgate.relay.published import known_messages
from qotgate.relay.upstream import Upstream, UpstreamSession

HEADER = {"qotgate_recording": 1, "written_by": "a test", "recorded": "2026-06-20T10:00:00+00:00"}
GREETING = {
    "proto": 1001,
    "name": "InitConnect",
    "n": 0,
    "request": {"c2s": {"clientVer": 1, "clientID": "x"}},
    "response": {
        "retType": 0,
        "s2c": {
            "serverVer": 1009,
            "loginUserID": "970000000000001",
            "connID": "1",
            "connAESKey": "",
            "keepAliveInterval": 7,
        },
    },
}


def sub(codes: list[str], *, on: bool = True, kind: int = 1) -> dict[str, Any]:
    """The C2S of a subscription in the US; ``kind`` 1 means quotes, 6 daily K-lines."""
    securities = [{"market": 11, "code": code} for code in codes]
    return {"securityList": securities, "subTypeList": [kind], "isSubOrUnSub": on, "isRegOrUnRegPush": on}


def exchange(proto: int, n: int, c2s: dict[str, Any], s2c: dict[str, Any] | None = None, **more: Any) -> Any:
    """A line of a recording."""
    return {
        "proto": proto,
        "name": known_messages().name(proto),
        "n": n,
        "request": {"c2s": c2s},
        "response": {"retType": 0, "retMsg": "", "errCode": 0, "s2c": s2c or {}},
        **more,
    }


def quote(code: str, volume: int) -> dict[str, Any]:
    """A line with a push of a quote."""
    fields = {
        "security": {"market": 11, "code": code},
        "isSuspended": False,
        "listTime": "",
        "priceSpread": 0.01,
        "updateTime": "",
        "volume": str(volume),
        **dict.fromkeys(("highPrice", "openPrice", "lowPrice", "curPrice", "lastClosePrice"), 1.5),
        **dict.fromkeys(("turnover", "turnoverRate", "amplitude"), 1.0),
    }
    return {
        "proto": 3005,
        "name": "Qot_UpdateBasicQot",
        "push": {"retType": 0, "s2c": {"basicQotList": [fields]}},
    }


def write_recording(path: Path, *sessions: list[dict[str, Any]]) -> Path:
    """Write a recording of these sessions, one after another, with a second between lines without a time."""
    lines: list[dict[str, Any]] = [HEADER]
    at = 0.0
    for number, session in enumerate(sessions, 1):
        for line in [GREETING, *session]:
            at = line.get("at", at + 1)
            lines.append({"session": number, **line, "at": at})
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


class UpstreamClient:
    """A client's session on an upstream, for use in the loop that opened it."""

    raw = None

    session: UpstreamSession

    def __init__(self, body_format: int = PROTOBUF) -> None:
        self.body_format = body_format
        self.pushes: list[Frame] = []
        self.gone: Refused | None = None
        self.serial = 0

    @classmethod
    async def connected(cls, upstream: Upstream, body_format: int = PROTOBUF) -> "UpstreamClient":
        client = cls(body_format)
        c2s = REQUESTS[ProtoId.InitConnect](c2s={"clientVer": 1011, "clientID": "test"}).c2s
        c2s.pushProtoFmt, c2s.recvNotify = body_format, True
        client.session = await upstream.open(c2s, client, secure=True)
        client.session.resume()
        return client

    async def answer(self, proto_id: int, body: bytes) -> Frame:
        """The answer to a request. Raises Refused."""
        self.serial += 1
        serial = self.serial
        future: asyncio.Future[Frame | Refused] = asyncio.get_running_loop().create_future()
        self.session.ask(Frame(proto_id, self.body_format, serial, body), future.set_result)
        found = await asyncio.wait_for(future, 20)
        if isinstance(found, Refused):
            raise found
        assert (found.proto_id, found.body_format, found.serial) == (proto_id, self.body_format, serial)
        return found

    async def ask(self, proto_id: int, **c2s: Any) -> Any:
        """The answer to a request, parsed. Raises Refused."""
        messages = known_messages()
        body = messages.requests[proto_id](c2s=c2s).SerializePartialToString()
        return messages.responses[proto_id].FromString((await self.answer(proto_id, body)).body)

    async def pushed(self, number: int) -> list[Any]:
        """The parsed pushes, once there are ``number`` of them."""
        async with asyncio.timeout(20):
            while len(self.pushes) < number:
                await asyncio.sleep(0.005)
        kinds = known_messages().responses
        return [kinds[frame.proto_id].FromString(frame.body) for frame in self.pushes]

    def push(self, frame: Frame) -> None:
        self.pushes.append(frame)

    def hold(self, held: bool) -> None:
        pass

    def lost(self, error: Refused) -> None:
        self.gone = error
