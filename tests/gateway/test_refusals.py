"""Refused clients: the sentence, its language, and the entries in log and metrics."""

import asyncio
import json
from collections.abc import Iterator
from hashlib import sha1
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.sync.client import connect

from qotgate.gateway import Gateway, GatewayOptions, WebSocketOptions
from qotgate.gateway.refusals import AGAIN_SECONDS, MAX_TOLD, Refusals
from qotgate.gateway.tcp import TcpSession
from qotgate.model import InvalidPacket, Unserved
from qotgate.protocol.body import decode, encode
from qotgate.protocol.cipher import AesCipher, PacketEncAlgo, RsaKey
from qotgate.protocol.frame import HEADER, PROTOBUF, Frame, FrameParser, Packet, Transform
from qotgate.protocol.messages import REQUESTS, RESPONSES, AnyResponse, ProtoId
from qotgate.protocol.names import language_of
from qotgate.service.questions import Questions
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.support.in_process import InProcess, in_process, run_alone, web_in_process
from tests.support.transport import Transport
from tests.support.websocket import MD5, WebSocket
from tests.support.wire import Wire

ALGORITHMS = [one for one in PacketEncAlgo if one is not PacketEncAlgo.NONE]


@pytest.fixture(scope="module")
def key() -> RsaKey:
    return RsaKey.generate(1024)


@pytest.fixture(scope="module")
def keyed(sample_url: str, key: RsaKey) -> Iterator[InProcess]:
    with in_process(sample_url, rsa_key=key) as gateway:
        yield gateway


@pytest.fixture
def plain(sample_url: str) -> Iterator[InProcess]:
    with in_process(sample_url, websocket=WebSocketOptions(port=0, key_md5=MD5)) as gateway:
        yield gateway


def hashed_as_sent(frame: Frame, encrypt: Transform) -> bytes:
    """A packet in nautilus-futu's form: the SHA-1 in its header is of the encrypted body."""
    body = encrypt(frame.body)
    digest = sha1(body, usedforsecurity=False).digest()
    head = HEADER.pack(b"FT", frame.proto_id, frame.body_format, 0, frame.serial, len(body), digest)
    return head + body


def login(**fields: Any) -> Frame:
    c2s = {"clientVer": 1, "clientID": "test", "programmingLanguage": "Rust", **fields}
    return Frame(ProtoId.InitConnect, PROTOBUF, 1, encode(REQUESTS[ProtoId.InitConnect](c2s=c2s), PROTOBUF))


def raw(wire: Wire) -> Packet:
    while True:
        for packet in wire._parser.feed(wire.socket.recv(1 << 16)):
            return packet


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_digest_may_be_of_the_encrypted_body(
    keyed: InProcess, key: RsaKey, algorithm: PacketEncAlgo
) -> None:
    with Wire(keyed.port, init=False) as wire:
        wire.send(hashed_as_sent(login(packetEncAlgo=algorithm), key.encrypt))
        answer = decode(RESPONSES[ProtoId.InitConnect], raw(wire).open(key.decrypt).body, PROTOBUF)
        assert answer.retType == 0
        s2c = answer.s2c
        cipher = AesCipher(algorithm, s2c.connAESKey.encode(), s2c.aesCBCiv.encode() or bytes(16))
        question = REQUESTS[ProtoId.Qot_GetArkStockDynamic](c2s={"security": {"market": 11, "code": "TSLA"}})
        for serial in (2, 3):
            frame = Frame(ProtoId.Qot_GetArkStockDynamic, PROTOBUF, serial, encode(question, PROTOBUF))
            wire.send(hashed_as_sent(frame, cipher.encrypt))
            dynamic = decode(RESPONSES[frame.proto_id], raw(wire).open(cipher.decrypt).body, PROTOBUF)
            assert (dynamic.retType, dynamic.s2c.netShares) == (0, 76041)


def test_none_is_taken_by_that_digest_alone(keyed: InProcess, key: RsaKey) -> None:
    wrong = RsaKey.generate(1024)
    with Wire(keyed.port, init=False) as wire:
        wire.send(hashed_as_sent(login(packetEncAlgo=-1), wrong.encrypt))
        answer = wire.answer()
        assert (answer.retType, "--rsa-key" in answer.retMsg) == (-500, True)
        # Neither is a packet under the key that is not an InitConnect.
        wire.send(hashed_as_sent(login()._replace(body=bytes(50)), key.encrypt))
        assert wire.answer().retType == -500


def test_a_client_that_hashes_plain_bodies_stays_held_to_it(keyed: InProcess, key: RsaKey) -> None:
    with Wire(keyed.port, init=False) as wire:
        wire.send(login(packetEncAlgo=0).encode(key.encrypt))
        s2c = decode(RESPONSES[ProtoId.InitConnect], raw(wire).open(key.decrypt).body, PROTOBUF).s2c
        cipher = AesCipher(PacketEncAlgo.FTAES_ECB, s2c.connAESKey.encode(), bytes(16))
        wire.send(hashed_as_sent(Frame(ProtoId.KeepAlive, PROTOBUF, 2, b"\x0a\x02\x08\x01"), cipher.encrypt))
        answer = decode(RESPONSES[ProtoId.KeepAlive], raw(wire).open(cipher.decrypt).body, PROTOBUF)
        assert answer.retType == -500


@pytest.mark.parametrize("bits", [1024, 2048])
@pytest.mark.parametrize("as_sent", [False, True])
def test_a_client_that_encrypts_is_told_that_the_gateway_has_no_key(
    plain: InProcess, bits: int, as_sent: bool
) -> None:
    encrypt = RsaKey.generate(bits).encrypt
    with Wire(plain.port, init=False) as wire:
        wire.send(hashed_as_sent(login(), encrypt) if as_sent else login().encode(encrypt))
        answer = wire.answer()
    assert (answer.retType, answer.retMsg) == (-500, InvalidPacket("no_rsa_key").text("en"))


def test_a_plain_login_as_long_as_a_block_is_taken(plain: InProcess) -> None:
    frame = next(one for one in (login(clientID="x" * size) for size in range(130)) if len(one.body) == 128)
    with Wire(plain.port, init=False) as wire:
        wire.send(frame.encode())
        assert wire.answer().retType == 0


def test_refused_logins_are_told_once_and_counted(keyed: InProcess) -> None:
    before = keyed.gateway.engine.counts.reasons["not_encrypted"]
    with capture_logs() as lines:
        for _ in range(4):
            with Wire(keyed.port, init=False) as wire:
                assert wire.ask(ProtoId.InitConnect, clientVer=1, clientID="bot").retType == -1
    (line,) = [line for line in lines if line["event"] == "login refused"]
    assert line["log_level"] == "warning"
    assert line["peer"].startswith("127.0.0.1:")
    assert "RSA key" in line["reason"]
    assert keyed.gateway.engine.counts.reasons["not_encrypted"] == before + 4


def test_a_wrong_websocket_key_is_told_too(plain: InProcess) -> None:
    assert plain.websocket
    with capture_logs() as lines:
        for _ in range(3):
            with connect(plain.websocket, compression=None) as connection:
                assert WebSocket(connection).init("0" * 32)[1] == 1
    assert [line["log_level"] for line in lines if line["event"] == "login refused"] == ["warning"]
    assert plain.gateway.engine.counts.reasons["websocket_key"] == 3


def test_a_wrong_token_is_told_too(sample_url: str) -> None:
    async def ask() -> None:
        async with web_in_process(sample_url, token="t" * 16) as (web, _):
            for _number in range(3):
                wrong = {"Authorization": "Bearer wrong"}
                assert (await web.get("/api/v1/ark/dynamics/US.TSLA", headers=wrong)).status_code == 401
                assert (await web.post("/sign-in", data={"token": "wrong"})).status_code == 401

    with capture_logs() as lines:
        run_alone(ask())
    (line,) = [line for line in lines if line["event"] == "login refused"]
    assert "--http-token" in line["reason"]
    assert "wrong" not in str(line)


def test_the_metric_has_the_reason(sample_url: str) -> None:
    async def ask() -> str:
        async with web_in_process(sample_url) as (web, site):
            site.gateway.engine.counts.refused(3203, Unserved("unserved", proto_id=3203, served=""))
            return (await web.get("/metrics")).text

    assert 'qotgate_refusals_total{reason="unserved"} 1.0' in run_alone(ask())


def test_an_interface_that_is_not_served_is_named_in_the_log(plain: InProcess) -> None:
    with capture_logs() as lines, Wire(plain.port) as wire:
        for proto_id in (3203, 3004, 3203, 3203):
            wire.send(Frame(proto_id, PROTOBUF, 5, b"").encode())
            assert wire.answer().retType == -1
    told = [line for line in lines if line["event"] == "interface not served"]
    assert [line["proto_id"] for line in told] == [3203, 3004]
    assert plain.gateway.engine.counts.reasons["unserved"] == 4


@pytest.mark.parametrize(
    ("client_id", "sentence"),
    [
        ("PyNormal", "本网关不支持协议 ID 3203；支持的协议 ID："),
        ("bot lang=en", "This gateway does not serve proto id 3203; it serves "),
        ("my moomoo bot", "This gateway does not serve proto id 3203; it serves "),
    ],
)
def test_the_interfaces_are_named_in_order_in_the_clients_language(
    sample_url: str, client_id: str, sentence: str
) -> None:
    with in_process(sample_url, lang="zh") as gateway, Wire(gateway.port, init=False) as wire:
        assert wire.ask(ProtoId.InitConnect, clientVer=1, clientID=client_id).retType == 0
        wire.send(Frame(3203, PROTOBUF, 5, b"").encode())
        told = wire.answer()
        assert isinstance(told, AnyResponse)
        assert told.retMsg.startswith(sentence)
        named = [f"{proto_id.name} ({proto_id:d})" for proto_id in sorted(ProtoId)]
        assert told.retMsg.removeprefix(sentence).rstrip(".。") == ", ".join(named)


LANGUAGES = {
    "": None,
    "PyNormal": None,
    "x;LANG=EN": "en",
    "moomoo, lang=zh": "zh",
    "MooMoo": "en",
    "slang=en": None,
    "lang=enx": None,
}


@pytest.mark.parametrize(("client_id", "lang"), LANGUAGES.items())
def test_a_client_can_say_its_language(client_id: str, lang: str | None) -> None:
    assert language_of(client_id) == lang


def test_the_same_refusal_is_told_once_a_minute() -> None:
    now = 0.0
    refusals = Refusals(lambda: now)
    with capture_logs() as lines:
        for second in range(130):
            now = float(second)
            refusals.tell("refused", 1, "a reason")
        refusals.tell("refused", 2, "a reason")
        refusals.tell("refused", 1, "another")
    assert [line["times"] for line in lines] == [1, 60, 60, 1, 1]


def test_what_is_remembered_is_bounded() -> None:
    now = 0.0
    refusals = Refusals(lambda: now)
    with capture_logs() as lines:
        for address in range(3 * MAX_TOLD):
            refusals.tell("refused", address, "a reason")
        assert len(lines) == len(refusals._told) == MAX_TOLD
        now = AGAIN_SECONDS
        refusals.tell("refused", -1, "a reason")
    assert len(lines) == MAX_TOLD + 1
    assert len(refusals._told) == 1


class Buffered(Transport):
    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.close()

    def take(self) -> Packet:
        """The last written packet."""
        (packet,) = FrameParser().feed(bytes(self.written))
        self.written.clear()
        return packet


def test_what_a_client_said_of_itself_moves_with_its_connection(
    tmp_path: Path, reference: Reference, key: RsaKey
) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'empty.db'}")

    async def move() -> None:
        gateway = Gateway(Questions(store, reference), GatewayOptions(rsa_key=key, lang="en"))
        before, transport = TcpSession(gateway.tcp), Buffered()
        before.connection_made(transport)
        before.data_received(
            hashed_as_sent(login(clientID="bot lang=zh", packetEncAlgo=PacketEncAlgo.AES_ECB), key.encrypt)
        )
        await asyncio.sleep(0.1)
        opened = transport.take().open(key.decrypt)
        s2c = decode(RESPONSES[ProtoId.InitConnect], opened.body, PROTOBUF).s2c
        cipher = AesCipher(PacketEncAlgo.AES_ECB, s2c.connAESKey.encode(), bytes(16))
        state = before.description()
        assert state is not None
        after, transport = TcpSession(gateway.tcp, json.loads(json.dumps(state))), Buffered()
        after.connection_made(transport)
        assert after.lang == "zh"
        after.data_received(hashed_as_sent(Frame(3203, PROTOBUF, 2, b""), cipher.encrypt))
        answer = decode(AnyResponse, transport.take().open(cipher.decrypt).body, PROTOBUF)
        assert answer.retMsg.startswith("本网关不支持协议 ID 3203")
        await gateway.stop()

    run_alone(move())
    store.close()
