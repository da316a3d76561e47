"""A scripted OpenD: it uses the published package's own messages, plain and encrypted, and behaves as its
tests require: slow answers, wrong digests, loss of the link, restart. Its answers depend only on the
requests, so that two connections get the same.

``python -m tests.support.opend --help`` runs one as a process, for signals and for load.
"""

import argparse
import asyncio
import contextlib
import hashlib
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any, cast

from google.protobuf import json_format

from qotgate.protocol.cipher import AesCipher, PacketEncAlgo, RsaKey
from qotgate.protocol.frame import JSON, PROTOBUF, Frame, FrameParser, Packet
from qotgate.testing.thread import LoopThread
from tests.support.opend_messages import NAMES, message

LOGIN_USER = 7654321
SIMULATED, REAL = 284567890123, 281756455983
"""The ids of the accounts."""
PASSWORD = "918273"
"""The trade password."""
PASSWORD_MD5 = hashlib.md5(PASSWORD.encode()).hexdigest()
SERVER_VERSION = 1009
PAGE = 1000
PUSHES = {1: 3005, 4: 3011, 6: 3007}
"""The proto id of pushes by SubType: quote, ticker, K-line of a day."""
_connection_ids = count(70_000_000_000_000)


class Refusal(Exception):
    """A request is refused, with this sentence."""


class Session(asyncio.Protocol):
    """A connection."""

    def __init__(self, opend: "ScriptedOpenD") -> None:
        self.opend = opend
        self.connection_id = next(_connection_ids)
        self.login: Any = None
        self.subscribed: list[tuple[int, int, str]] = []
        """Pairs of SubType and security, in the order of subscription."""
        self.accounts: set[int] = set()
        self.format = PROTOBUF
        self._parser = FrameParser(1 << 24)
        self._cipher: AesCipher | None = None
        self._pushes = count(1)
        self.free = asyncio.Event()
        self.free.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.opend.sessions.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.opend.sessions.discard(self)
        self.free.set()

    def pause_writing(self) -> None:
        self.free.clear()

    def resume_writing(self) -> None:
        self.free.set()

    def data_received(self, data: bytes) -> None:
        for packet in self._parser.feed(data):
            self._take(packet)

    def push(self, proto_id: int, s2c: Any) -> None:
        """Push a message to the client."""
        self.send(Frame(proto_id, self.format, next(self._pushes), self.encode(proto_id, s2c=s2c)))

    def send(self, frame: Frame, *, rsa: bool = False) -> None:
        key = self.opend.key
        encrypt = self._cipher.encrypt if self._cipher else None
        data = frame.encode(key.encrypt if rsa and key else encrypt)
        if frame.proto_id in self.opend.damaged:
            data = data[:16] + bytes(20) + data[36:]
        self.transport.write(data)

    def _take(self, packet: Packet) -> None:
        if packet.proto_id == 1001:
            self._take_login(packet)
            return
        frame = packet.open(self._cipher.decrypt if self._cipher else None)
        assert frame.intact
        self.take(frame)

    def take(self, frame: Frame) -> None:
        """Answer a request as the test requires."""
        opend = self.opend
        opend.asked[frame.proto_id] += 1
        opend.requests.append((frame.proto_id, frame.serial, frame.body))
        delay = opend.slow.get(frame.proto_id, 0.0)
        if frame.proto_id in opend.unanswered:
            return
        if delay:
            asyncio.get_running_loop().call_later(delay, self._answer, frame)
        else:
            self._answer(frame)

    def _answer(self, frame: Frame) -> None:
        pushes: list[Callable[[], None]] = []
        try:
            answer = getattr(self, f"on_{frame.proto_id}", self._unknown)
            s2c = answer(self._decode(frame), frame, pushes)
            body = self.encode(frame.proto_id, frame.body_format, s2c=s2c)
        except Refusal as error:
            body = self.encode(frame.proto_id, frame.body_format, retType=-1, retMsg=str(error))
        if not self.transport.is_closing():
            self.send(frame._replace(body=body))
            for push in pushes:
                push()

    def _decode(self, frame: Frame) -> Any:
        if frame.proto_id not in NAMES:
            return None
        kind = message(f"{NAMES[frame.proto_id]}.Request")
        read = (
            json_format.Parse(frame.body, kind())
            if frame.body_format == JSON
            else kind.FromString(frame.body)
        )
        return read.c2s

    def _unknown(self, c2s: Any, frame: Frame, pushes: list[Any]) -> Any:
        raise Refusal(f"Unknown protocol ID {frame.proto_id}")

    def encode(self, proto_id: int, body_format: int | None = None, **fields: Any) -> bytes:
        kind = message(f"{NAMES.get(proto_id, 'KeepAlive')}.Response")
        made = kind(**{"retType": 0, "retMsg": "", "errCode": 0} | fields)
        if (self.format if body_format is None else body_format) == JSON:
            return json_format.MessageToJson(made, preserving_proto_field_name=True, indent=None).encode()
        return bytes(made.SerializeToString())

    def _take_login(self, packet: Packet) -> None:
        """Answer InitConnect like OpenD: under the shared key, if it has one."""
        opend = self.opend
        frame = packet.open(opend.key.decrypt if opend.key else None)
        if not frame.intact:
            if opend.hangs_up:
                self.transport.close()
                return
            words = "Decryption failed, check the RSA key"
            self.send(packet.open()._replace(body=self.encode(1001, PROTOBUF, retType=-1, retMsg=words)))
            return
        self.login = message("InitConnect.Request").FromString(frame.body).c2s
        self.format = self.login.pushProtoFmt
        opend.logins.append(self.login)
        if opend.refuses is not None:
            body = self.encode(1001, PROTOBUF, retType=-1, retMsg=opend.refuses)
            self.send(frame._replace(body=body), rsa=self.login.packetEncAlgo != -1)
            return
        algorithm = PacketEncAlgo(self.login.packetEncAlgo) if opend.key else PacketEncAlgo.NONE
        key, iv = secrets.token_hex(8), secrets.token_hex(8)
        s2c = {
            "serverVer": SERVER_VERSION,
            "loginUserID": LOGIN_USER,
            "connID": self.connection_id,
            "connAESKey": key,
            "keepAliveInterval": opend.keep_alive_interval,
            "userAttribution": 1,
        }
        if algorithm is PacketEncAlgo.AES_CBC:
            s2c["aesCBCiv"] = iv
        self.send(
            frame._replace(body=self.encode(1001, PROTOBUF, s2c=s2c)),
            rsa=algorithm is not PacketEncAlgo.NONE,
        )
        if algorithm is not PacketEncAlgo.NONE:
            self._cipher = AesCipher(algorithm, key.encode(), iv.encode())
        if self.login.recvNotify and opend.notifies:
            self.push(1003, {"type": 2, "programStatus": {"programStatus": {"type": 10}}})

    def on_1004(self, c2s: Any, frame: Frame, pushes: list[Any]) -> Any:
        return {"time": c2s.time}

    def on_1002(self, c2s: Any, frame: Frame, pushes: list[Any]) -> Any:
        return {
            **dict.fromkeys(("marketHK", "marketUS", "marketSH", "marketSZ", "marketHKFuture"), 3),
            "qotLogined": True,
            "trdLogined": True,
            "serverVer": SERVER_VERSION,
            "serverBuildNo": 4242,
            "time": 1_767_225_600,
            "localTime": 1_767_225_600.5,
            "connID": self.connection_id,
        }

    def on_3001(self, c2s: Any, frame: Frame, pushes: list[Any]) -> Any:
        for security in c2s.securityList:
            for kind in c2s.subTypeList:
                one = (kind, security.market, security.code)
                if not c2s.isSubOrUnSub:
                    self.subscribed = [other for other in self.subscribed if other != one]
                    continue
                if one not in self.subscribed:
                    self.subscribed.append(one)
                if c2s.isRegOrUnRegPush and c2s.isFirstPush and kind in PUSHES:
                    pushes.append(lambda one=one: self.publish(one, 0))
        if self.opend.burst and c2s.isSubOrUnSub:
            pushes.append(lambda: self.opend.start_burst(self))
        return {}

    def publish(self, one: tuple[int, int, str], number: int) -> None:
        """Push the ``number``-th news of a subscription."""
        kind, market, code = one
        self.push(PUSHES[kind], news(kind, market, code, number))

    def on_3203(self, c2s: Any, frame: Frame, pushes: list[Any]) -> Any:
        return {"snapshotList": [{"basic": snapshot(one.market, one.code)} for one in c2s.securityList]}

    def on_3202(self, c2s: Any, frame: Frame, pushes: list[Any]) -> Any:
        return {
            "staticInfoList": [
                {
                    "basic": {
                        "security": {"market": one.market, "code": one.code},
                        "id": seed(one.code),
                        "lotSize": 1,
                        "secType": 3,
                        "name": f"Name of {one.code}",
                        "listTime": "2010-06-29",
                        "listTimestamp": 1277769600.0,
                    }
                }
                for one in c2s.securityList
            ]
        }

    def on_3103(self, c2s: Any, frame: Frame, pushes: list[Any]) -> Any:
        code = c2s.security.code
        days = weekdays(c2s.beginTime, c2s.endTime)
        first = int(c2s.nextReqKey or b"0")
        most = c2s.maxAckKLNum or PAGE
        shown = days[first : first + most]
        s2c: dict[str, Any] = {
            "security": {"market": c2s.security.market, "code": code},
            "name": f"Name of {code}",
            "klList": [candle(code, day) for day in shown],
        }
        if first + most < len(days):
            s2c["nextReqKey"] = str(first + most).encode()
        return s2c

    def on_3006(self, c2s: Any, frame: Frame, pushes: list[Any]) -> Any:
        if not any(one[2] == c2s.security.code for one in self.subscribed):
            raise Refusal("Subscribe to the K-line first")
        days = weekdays("2025-01-01", "2025-12-31")[-c2s.reqNum :]
        return {
            "security": {"market": c2s.security.market, "code": c2s.security.code},
            "klList": [candle(c2s.security.code, day) for day in days],
        }

    def on_3219(self, c2s: Any, frame: Frame, pushes: list[Any]) -> Any:
        days = weekdays(c2s.beginTime, c2s.endTime)
        return {"tradeDateList": [{"time": str(day), "timestamp": 0.0, "tradeDateType": 0} for day in days]}

    def on_3426(self, c2s: Any, frame: Frame, pushes: list[Any]) -> Any:
        return {"dataList": [], "allCount": 0}

    def on_2001(self, c2s: Any, frame: Frame, pushes: list[Any]) -> Any:
        # JavaScript programs send 0: they cannot know the user's id.
        if c2s.userID not in (0, LOGIN_USER):
            raise Refusal("The user is not the one who has logged in")
        common = {"trdMarketAuthList": [2], "accType": 1, "securityFirm": 1, "accStatus": 0}
        return {
            "accList": [
                {"trdEnv": 0, "accID": SIMULATED, "simAccType": 1, **common},
                {"trdEnv": 1, "accID": REAL, "cardNum": "1001234567890123", **common},
            ]
        }

    def on_2005(self, c2s: Any, frame: Frame, pushes: list[Any]) -> Any:
        if c2s.unlock and c2s.pwdMD5 != PASSWORD_MD5:
            raise Refusal("Wrong password")
        self.opend.unlocked = c2s.unlock
        return {}

    def on_2008(self, c2s: Any, frame: Frame, pushes: list[Any]) -> Any:
        self.accounts.update(c2s.accIDList)
        return {}

    def check_packet_id(self, packet_id: Any, frame: Frame) -> None:
        """Check the PacketID, by which OpenD recognises a repeated order."""
        if (packet_id.connID, packet_id.serialNo) != (self.connection_id, frame.serial):
            raise Refusal("PacketID is not that of this connection and packet")

    def _check_order(self, c2s: Any, frame: Frame) -> None:
        self.check_packet_id(c2s.packetID, frame)
        if c2s.header.trdEnv == 1 and not self.opend.unlocked:
            raise Refusal("Unlock trading first")

    def on_2202(self, c2s: Any, frame: Frame, pushes: list[Any]) -> Any:
        self._check_order(c2s, frame)
        number = 1 + len(self.opend.orders)
        order = {
            "trdSide": c2s.trdSide,
            "orderType": c2s.orderType,
            "orderStatus": 5,
            "orderID": number,
            "orderIDEx": f"FH{number:016}",
            "code": c2s.code,
            "name": f"Name of {c2s.code}",
            "qty": c2s.qty,
            "price": c2s.price,
            "createTime": "2026-01-05 10:00:00",
            "updateTime": "2026-01-05 10:00:00",
            "secMarket": 2,
            "trdMarket": 2,
            "remark": c2s.remark,
        }
        self.opend.orders[order["orderIDEx"]] = order
        pushes.append(lambda: self.opend.tell_order(c2s.header, order))
        return {"header": c2s.header, "orderID": number, "orderIDEx": order["orderIDEx"]}

    def on_2205(self, c2s: Any, frame: Frame, pushes: list[Any]) -> Any:
        self._check_order(c2s, frame)
        order = self.opend.orders.get(c2s.orderIDEx)
        if order is None:
            raise Refusal("Unknown order")
        if c2s.modifyOrderOp == 1:
            order |= {"qty": c2s.qty, "price": c2s.price}
        else:
            order["orderStatus"] = 15
        changed = dict(order)
        pushes.append(lambda: self.opend.tell_order(c2s.header, changed))
        return {"header": c2s.header, "orderID": order["orderID"], "orderIDEx": c2s.orderIDEx}

    def on_2201(self, c2s: Any, frame: Frame, pushes: list[Any]) -> Any:
        ids = list(c2s.filterConditions.orderIDExList)
        found = [order for name, order in self.opend.orders.items() if not ids or name in ids]
        return {"header": c2s.header, "orderList": found}


class ScriptedOpenD:
    """The OpenD of a test. Attributes set its behaviour. Call its methods in its own loop, or through
    :meth:`do` from outside."""

    def __init__(self, key: RsaKey | None = None, keep_alive_interval: int = 10) -> None:
        self.key = key
        self.keep_alive_interval = keep_alive_interval
        self.sessions: set[Session] = set()
        self.logins: list[Any] = []
        self.asked: Counter[int] = Counter()
        self.requests: list[tuple[int, int, bytes]] = []
        self.slow: dict[int, float] = {}
        self.unanswered: set[int] = set()
        self.damaged: set[int] = set()
        self.refuses: str | None = None
        self.hangs_up = False
        self.notifies = False
        self.burst = 0
        """Pushes after each subscription, as fast as they are read, or ``rate`` a second."""
        self.rate = 0
        self.unlocked = False
        self.orders: dict[str, dict[str, Any]] = {}
        self.port = 0
        self.loop: asyncio.AbstractEventLoop
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen, on the same port as before."""
        self.loop = asyncio.get_running_loop()
        self._server = await self.loop.create_server(lambda: Session(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening, and drop all connections, as if killed."""
        if self._server is not None:
            self._server.close()
        self.drop()
        for task in self._tasks:
            task.cancel()
        self.unlocked = False

    def drop(self) -> None:
        """Drop all connections."""
        for session in list(self.sessions):
            session.transport.abort()

    def publish(self, numbers: range) -> None:
        """Push news, one after another, about all subscriptions."""
        for number in numbers:
            for session in self.sessions:
                for one in session.subscribed:
                    if one[0] in PUSHES:
                        session.publish(one, number)

    def tell_order(self, header: Any, order: dict[str, Any]) -> None:
        for session in self.sessions:
            if header.accID in session.accounts:
                session.push(2208, {"header": header, "order": order})

    def start_burst(self, session: Session) -> None:
        task = self.loop.create_task(self._burst(session))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _burst(self, session: Session) -> None:
        one = session.subscribed[-1]
        began = time.monotonic()
        for number in range(self.burst):
            await session.free.wait()
            if session.transport.is_closing():
                return
            session.publish(one, number)
            if number % 50 == 49:
                due = began + number / self.rate if self.rate else 0.0
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    def do(self, call: Callable[[], Any]) -> Any:
        """Call a function in its loop, from another thread."""

        async def run() -> Any:
            done = call()
            return await done if asyncio.iscoroutine(done) else done

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(10)


def seed(code: str) -> int:
    """A number derived from a code."""
    return int.from_bytes(hashlib.sha256(code.encode()).digest()[:4], "big")


def weekdays(begin: str, end: str) -> list[date]:
    first, last = date.fromisoformat(begin[:10]), date.fromisoformat(end[:10])
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [day for day in days if day.weekday() < 5]


def candle(code: str, day: date) -> dict[str, Any]:
    price = 50 + (seed(code) + day.toordinal() * 7) % 500 / 4
    return {
        "time": f"{day} 00:00:00",
        "isBlank": False,
        "highPrice": price + 2,
        "openPrice": price,
        "lowPrice": price - 2,
        "closePrice": price + 1,
        "lastClosePrice": price - 1,
        "volume": seed(code) % 100_000 + day.toordinal(),
        "turnover": price * 1000,
        "turnoverRate": 0.01,
        "pe": 30.5,
        "changeRate": 1.5,
        "timestamp": 0.0,
    }


def snapshot(market: int, code: str) -> dict[str, Any]:
    price = 50 + seed(code) % 500 / 4
    return {
        "security": {"market": market, "code": code},
        "name": f"Name of {code}",
        "type": 3,
        "isSuspend": False,
        "listTime": "2010-06-29",
        "lotSize": 1,
        "priceSpread": 0.01,
        "updateTime": "2026-01-05 16:00:00",
        "highPrice": price + 2,
        "openPrice": price,
        "lowPrice": price - 2,
        "lastClosePrice": price - 1,
        "curPrice": price + 1,
        "volume": seed(code),
        "turnover": price * 1000,
        "turnoverRate": 0.01,
    }


def news(kind: int, market: int, code: str, number: int) -> dict[str, Any]:
    """The ``number``-th news of a subscription; its volume, or sequence, is that number."""
    security = {"market": market, "code": code}
    if kind == 1:
        fields = snapshot(market, code)
        kept = ("highPrice", "openPrice", "lowPrice", "lastClosePrice", "curPrice", "updateTime")
        quote = {name: fields[name] for name in (*kept, "priceSpread", "listTime", "turnover")}
        more = {"security": security, "isSuspended": False, "turnoverRate": 0.01, "amplitude": 1.0}
        return {"basicQotList": [{**quote, **more, "volume": number}]}
    if kind == 4:
        tick = {
            "time": "2026-01-05 10:00:00",
            "sequence": number,
            "dir": 1,
            "price": 50 + seed(code) % 500 / 4,
            "volume": number,
            "turnover": 1000.0,
            "type": 1,
        }
        return {"security": security, "name": f"Name of {code}", "tickerList": [tick]}
    made = candle(code, date(2026, 1, 5)) | {"volume": number}
    return {"rehabType": 1, "klType": 2, "security": security, "name": f"Name of {code}", "klList": [made]}


@contextmanager
def scripted_opend(key: RsaKey | None = None, **attributes: Any) -> Iterator[ScriptedOpenD]:
    """A scripted OpenD in a thread."""

    @asynccontextmanager
    async def run() -> AsyncIterator[ScriptedOpenD]:
        opend = ScriptedOpenD(key)
        for name, value in attributes.items():
            assert hasattr(opend, name)
            setattr(opend, name, value)
        await opend.start()
        try:
            yield opend
        finally:
            await opend.stop()

    thread = LoopThread(run())
    try:
        yield thread.started
    finally:
        thread.stop()


async def _serve(arguments: argparse.Namespace) -> None:
    opend = ScriptedOpenD(RsaKey.load(arguments.key) if arguments.key else None, arguments.keep_alive)
    opend.port, opend.burst, opend.rate = arguments.port, arguments.burst, arguments.rate
    await opend.start()
    print(opend.port, flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", type=Path)
    parser.add_argument("--keep-alive", type=int, default=10, help="seconds")
    parser.add_argument("--burst", type=int, default=0, help="pushes after each subscription")
    parser.add_argument("--rate", type=int, default=0, help="of them a second")
    arguments = parser.parse_args()
    loop_factory = None
    with contextlib.suppress(ImportError):
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve(arguments))


if __name__ == "__main__":
    main()
