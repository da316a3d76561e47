"""Requests that an OpenD behind the gateway answers: their routing, and the order of answers and pushes."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from qotgate.gateway import Gateway, GatewayOptions
from qotgate.gateway.tcp import TcpSession
from qotgate.model import Refused, Unavailable
from qotgate.protocol.body import decode, encode
from qotgate.protocol.cipher import AesCipher, PacketEncAlgo, RsaKey
from qotgate.protocol.frame import PROTOBUF, Frame, FrameParser, Packet
from qotgate.protocol.messages import CLASSES, REQUESTS, RESPONSES, AnyResponse, ProtoId
from qotgate.relay.fast_path import FastPath
from qotgate.relay.upstream import Client, Reply
from qotgate.service.questions import Questions
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.support.transport import Transport

BASIC_QUOTE, SUBSCRIBE, QUOTE_PUSH = 3004, 3001, 3005


class OpenD:
    """An upstream with one session."""

    def __init__(self) -> None:
        self.s2c = CLASSES["InitConnect.S2C"](
            serverVer=1010, loginUserID=77, connID=4711, connAESKey="x" * 16, keepAliveInterval=15
        )
        self.away = False
        self.session = OpenDSession(self)
        self.asked = self.session.asked
        self.said: list[str] = []

    def accepts(self, proto_id: int) -> bool:
        return proto_id in (BASIC_QUOTE, SUBSCRIBE, ProtoId.Qot_GetRatingChange)

    async def open(self, c2s: Any, client: Client, *, secure: bool) -> "OpenDSession":
        self.session.s2c = None if self.away else self.s2c
        self.said.append(f"open {c2s.clientID} {secure}")
        self.client = client
        await asyncio.sleep(0)
        return self.session

    async def start(self) -> None:
        self.said.append("start")

    async def close(self) -> None:
        self.said.append("stop")


class OpenDSession:
    """A session that answers on the test's command."""

    raw: FastPath | None = None

    def __init__(self, opend: OpenD) -> None:
        self.s2c: Any = opend.s2c
        self.asked: list[tuple[Frame, Reply]] = []
        self._opend = opend

    def ask(self, frame: Frame, reply: Reply) -> None:
        if self.s2c is None:
            reply(Unavailable("store"))
        else:
            self.asked.append((frame, reply))

    def pause(self) -> None:
        self._opend.said.append("pause")

    def resume(self) -> None:
        self._opend.said.append("resume")

    def close(self) -> None:
        self._opend.said.append("close")


@pytest.fixture
def questions(sample_url: str, reference: Reference) -> Iterator[Questions]:
    store = Store.open(sample_url)
    yield Questions(store, reference)
    store.close()


def request(proto_id: int, serial: int, body: bytes = b"") -> bytes:
    return Frame(proto_id, PROTOBUF, serial, body).encode()


def login(algorithm: int = -1) -> Frame:
    c2s = {"clientVer": 1, "clientID": "bot", "packetEncAlgo": algorithm}
    return Frame(1001, PROTOBUF, 1, encode(REQUESTS[ProtoId.InitConnect](c2s=c2s), PROTOBUF))


def packets(transport: Transport) -> list[Packet]:
    found = list(FrameParser().feed(bytes(transport.written)))
    transport.written.clear()
    return found


def connect(gateway: Gateway) -> tuple[TcpSession, Transport]:
    session, transport = TcpSession(gateway.tcp), Transport()
    transport.session = session
    session.connection_made(transport)
    return session, transport


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_what_opend_says_of_itself_is_said_to_the_client(questions: Questions) -> None:
    async def scenario() -> None:
        opend = OpenD()
        gateway = Gateway(questions, GatewayOptions(), upstream=opend)
        session, transport = connect(gateway)
        # Sent directly after the login: it waits until the client is admitted.
        session.data_received(login().encode() + request(BASIC_QUOTE, 2, b"q"))
        assert (packets(transport), transport.reading) == ([], False)
        await turns()
        (answer,) = packets(transport)
        s2c = decode(RESPONSES[ProtoId.InitConnect], answer.body, PROTOBUF).s2c
        assert (s2c.connID, s2c.loginUserID, s2c.serverVer, s2c.keepAliveInterval) == (4711, 77, 1010, 15)
        assert s2c.connAESKey != opend.s2c.connAESKey
        ((frame, reply),) = opend.asked
        assert frame == Frame(BASIC_QUOTE, PROTOBUF, 2, b"q")
        # A push does not overtake the answer before it.
        reply(frame._replace(body=b"a"))
        opend.client.push(Frame(QUOTE_PUSH, PROTOBUF, 900, b"p"))
        await turns()
        sent = [(packet.proto_id, packet.serial, packet.body) for packet in packets(transport)]
        assert sent == [(BASIC_QUOTE, 2, b"a"), (QUOTE_PUSH, 900, b"p")]
        transport.close()
        assert opend.said == ["open bot False", "resume", "close"]
        await gateway.stop()

    run(scenario())


def test_each_side_has_its_own_cipher(questions: Questions) -> None:
    async def scenario() -> None:
        opend, key = OpenD(), RsaKey.generate(1024)
        gateway = Gateway(questions, GatewayOptions(rsa_key=key), upstream=opend)
        session, transport = connect(gateway)
        session.data_received(login(PacketEncAlgo.AES_CBC).encode(key.encrypt))
        await turns()
        opened = packets(transport)[0].open(key.decrypt)
        s2c = decode(RESPONSES[ProtoId.InitConnect], opened.body, PROTOBUF).s2c
        cipher = AesCipher(PacketEncAlgo.AES_CBC, s2c.connAESKey.encode(), s2c.aesCBCiv.encode())
        opend.client.push(Frame(QUOTE_PUSH, PROTOBUF, 1, b"push"))
        await turns()
        assert packets(transport)[0].open(cipher.decrypt).body == b"push"
        assert opend.said == ["open bot True", "resume"]
        await gateway.stop()

    run(scenario())


def test_where_opend_is_away_the_own_questions_are_answered(questions: Questions) -> None:
    async def scenario() -> None:
        opend = OpenD()
        opend.away = True
        gateway = Gateway(questions, GatewayOptions(), upstream=opend)
        session, transport = connect(gateway)
        c2s = {"security": {"market": 11, "code": "TSLA"}}
        own = encode(REQUESTS[ProtoId.Qot_GetArkStockDynamic](c2s=c2s), PROTOBUF)
        session.data_received(login().encode() + request(3424, 2, own) + request(BASIC_QUOTE, 3))
        while transport.answers() < 3:
            await asyncio.sleep(0.01)
        answers = {p.serial: decode(AnyResponse, p.body, PROTOBUF) for p in packets(transport)}
        assert {serial: answer.retType for serial, answer in answers.items()} == {1: 0, 2: 0, 3: -1}
        assert answers[3].unavailable
        await gateway.stop()

    run(scenario())


def test_a_lost_opend_is_told_once_and_closes(questions: Questions) -> None:
    async def scenario() -> None:
        opend = OpenD()
        gateway = Gateway(questions, GatewayOptions(), upstream=opend)
        session, transport = connect(gateway)
        session.data_received(login().encode())
        await turns()
        packets(transport)
        session.data_received(request(SUBSCRIBE, 2))
        opend.client.hold(True)
        assert not transport.reading
        session.pause_writing()
        session.resume_writing()
        opend.client.hold(False)
        assert (transport.reading, opend.said[1:]) == (True, ["resume", "pause", "resume"])
        opend.asked[0][1](Refused("internal"))
        await turns()
        assert decode(AnyResponse, packets(transport)[0].body, PROTOBUF).retType == -1
        opend.client.lost(Refused("internal"))
        assert session not in gateway.door.sessions
        await gateway.stop()

    run(scenario())


def test_plain_packets_pass_wherever_the_stream_is_cut(questions: Questions) -> None:
    async def scenario() -> None:
        opend, sent = OpenD(), bytearray()
        gateway = Gateway(questions, GatewayOptions(), upstream=opend)
        session, transport = connect(gateway)
        session.data_received(login().encode())
        await turns()
        packets(transport)
        path = FastPath(session, sent.extend, {}, {SUBSCRIBE}, Counter())
        opend.session.raw = path
        quotes = [request(BASIC_QUOTE, serial, bytes(serial)) for serial in range(4)]
        data = b"".join([*quotes[:2], request(SUBSCRIBE, 9, b"s"), *quotes[2:]])
        for cut in range(len(data) + 1):
            session.data_received(data[:cut])
            session.data_received(data[cut:])
            await turns()
            assert sent == b"".join(quotes)
            ((subscription, reply),) = opend.asked
            assert subscription.body == b"s"
            # The answers, and a push after the first two.
            told = quotes[0] + quotes[1] + request(QUOTE_PUSH, 7) + quotes[2] + quotes[3]
            assert path.forward_back(told, 0) == len(told)
            reply(subscription)
            await turns()
            assert transport.written == told + subscription.encode()
            assert session.under_way == 0
            sent.clear()
            opend.asked.clear()
            transport.written.clear()
        await gateway.stop()

    run(scenario())
