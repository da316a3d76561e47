"""The gateway in front of a scripted OpenD, on the bare wire."""

import socket
import time
from collections import deque
from pathlib import Path
from typing import Any

import httpx
import pytest

from qotgate import QuoteClient
from qotgate.protocol.body import decode
from qotgate.protocol.frame import JSON, PROTOBUF, Frame
from qotgate.protocol.interface import LIST_QUESTIONS, OWN_QUESTIONS
from qotgate.protocol.messages import AnyResponse, ProtoId
from qotgate.relay.link import LOGIN_SECONDS
from qotgate.relay.opend import CONNECTION, STATE
from tests.support.opend import PASSWORD_MD5, SIMULATED, ScriptedOpenD, scripted_opend
from tests.support.opend_messages import request, response
from tests.support.serving import serving, until
from tests.support.websocket import KEY, websocket
from tests.support.wire import Wire, free_port

SECURITY = {"market": 11, "code": "TSLA"}
SNAPSHOT = request(3203, securityList=[SECURITY])
TICKS = request(
    3001,
    securityList=[SECURITY],
    subTypeList=[4],
    isSubOrUnSub=True,
    isRegOrUnRegPush=True,
    isFirstPush=False,
)


class Client(Wire):
    """A client that knows OpenD's messages."""

    def __init__(self, port: int, *, host: str = "127.0.0.1", **login: Any) -> None:
        super().__init__(port, init=False)
        if host != "127.0.0.1":
            self.socket.close()
            self.socket = socket.create_connection((host, port), 10)
        self.login = self.ask(
            ProtoId.InitConnect, **{"clientVer": 1010, "clientID": "test", "packetEncAlgo": -1} | login
        )

    def put(self, proto_id: int, body: bytes, serial: int = 1, body_format: int = PROTOBUF) -> None:
        self.send(Frame(proto_id, body_format, serial, body).encode())

    def get(self, proto_id: int, body: bytes, serial: int = 1) -> Any:
        self.put(proto_id, body, serial)
        frame = self.receive()
        assert (frame.proto_id, frame.serial) == (proto_id, serial)
        return decode(AnyResponse, frame.body, frame.body_format)

    def snapshot(self) -> Any:
        return self.get(3203, SNAPSHOT)


def through(url: str, opend: ScriptedOpenD | int, *options: str) -> Any:
    port = opend if isinstance(opend, int) else opend.port
    return serving(url, "--upstream", f"127.0.0.1:{port}", "--lang", "en", "--rate-limit", "off", *options)


def test_the_client_is_told_what_opend_says(sample_url: str) -> None:
    with scripted_opend() as opend, through(sample_url, opend) as gateway, Client(gateway.port) as client:
        (session,) = [one for one in opend.sessions if one.login.clientID == "test"]
        s2c = client.login.s2c
        assert s2c.connID == session.connection_id
        assert (s2c.loginUserID, s2c.keepAliveInterval, s2c.serverVer) == (7654321, 10, 1009)
        assert s2c.userAttribution == 1
        assert not s2c.HasField("aesCBCiv")


def test_each_client_has_a_connection_of_its_own(sample_url: str) -> None:
    with scripted_opend() as opend, through(sample_url, opend) as gateway:
        clients = [Client(gateway.port, clientID=f"client {number}") for number in range(3)]
        assert len({client.login.s2c.connID for client in clients}) == 3
        assert sorted(one.login.clientID for one in opend.sessions) == ["client 0", "client 1", "client 2"]
        for client in clients:
            client.socket.close()
        until(lambda: not opend.sessions)


def test_json_passes_as_it_is(sample_url: str) -> None:
    with scripted_opend() as opend, through(sample_url, opend) as gateway, Client(gateway.port) as client:
        client.put(3203, b'{"c2s":{"securityList":[{"market":11,"code":"TSLA"}]}}', 4, JSON)
        frame = client.receive()
        assert (frame.body_format, frame.serial) == (JSON, 4)
        assert b'"name":"Name of TSLA"' in frame.body.replace(b'": ', b'":')


def test_a_push_comes_after_the_answer_to_the_login(sample_url: str) -> None:
    with (
        scripted_opend(notifies=True) as opend,
        through(sample_url, opend) as gateway,
        Client(gateway.port, recvNotify=True) as client,
    ):
        assert client.login.retType == 0
        frame = client.receive()
        assert frame.proto_id == 1003
        assert response(1003, frame.body).s2c.type == 2


def test_answers_may_overtake_one_another(sample_url: str) -> None:
    with (
        scripted_opend(slow={3203: 2.0}) as opend,
        through(sample_url, opend) as gateway,
        Client(gateway.port) as client,
    ):
        client.put(3203, SNAPSHOT, 1)
        client.put(3202, request(3202, securityList=[SECURITY]), 2)
        client.send(client.request(ProtoId.Qot_GetArkStockDynamic, security=SECURITY))
        assert [client.receive().proto_id for _ in range(3)] in ([3424, 3202, 3203], [3202, 3424, 3203])


def test_what_opend_answers_too(sample_url: str) -> None:
    with (
        scripted_opend() as opend,
        through(sample_url, opend, "--upstream-for", "3426") as gateway,
        Client(gateway.port) as client,
    ):
        assert client.get(3426, request(3426, market=11)).retType == 0
        assert opend.asked[3426] == 1
        assert client.dynamic().s2c.ByteSize() > 0
        assert opend.asked[3424] == 0


def test_every_proto_id_has_one_side_that_answers_it() -> None:
    assert sorted([*OWN_QUESTIONS, *STATE, *CONNECTION]) == sorted(ProtoId)


def test_opend_is_not_asked_a_list_question(sample_url: str) -> None:
    with (
        scripted_opend() as opend,
        through(sample_url, opend) as gateway,
        Client(gateway.port) as client,
    ):
        for question in LIST_QUESTIONS:
            market = {"market": 11} if any(choice.name == "market" for choice in question.choices) else {}
            assert client.ask(question.proto_id, **market).retType == 0
            assert opend.asked[question.proto_id] == 0


class TestAway:
    def test_own_questions_go_on_being_answered(self, sample_url: str) -> None:
        with through(sample_url, free_port()) as gateway, Client(gateway.port) as client:
            assert client.login.retType == 0
            assert client.dynamic().retType == 0
            answer = client.snapshot()
            assert (answer.retType, answer.unavailable) == (-1, True)
            assert answer.retMsg == "OpenD cannot be reached (Connection refused): ask again later."
            assert client.dynamic().retType == 0

    def test_who_asked_for_it_is_closed_once_when_it_is_there(self, sample_url: str) -> None:
        port = free_port()
        with through(sample_url, port) as gateway:
            asker, quiet = Client(gateway.port), Client(gateway.port)
            asker.snapshot()
            with scripted_opend(port=port):
                assert asker.closed()
                assert quiet.dynamic().retType == 0
                with Client(gateway.port) as again:
                    assert again.snapshot().retType == 0
            quiet.socket.close()

    def test_lost_and_back(self, sample_url: str) -> None:
        with scripted_opend(unanswered={3202}) as opend, through(sample_url, opend) as gateway:
            with Client(gateway.port) as client:
                client.put(3202, request(3202, securityList=[SECURITY]), 5)
                until(lambda: opend.asked[3202] == 1)
                opend.do(opend.stop)
                frame = client.receive()
                answer = decode(AnyResponse, frame.body, PROTOBUF)
                assert (frame.serial, answer.retType, answer.unavailable) == (5, -1, True)
                assert answer.retMsg == "The connection to OpenD was lost before it answered: ask again."
                assert client.closed()
            with Client(gateway.port) as client:
                assert client.snapshot().retType == -1
                opend.do(opend.start)
                assert client.closed()
            with Client(gateway.port) as client:
                assert client.snapshot().retType == 0

    def test_one_that_hangs(self, sample_url: str) -> None:
        """It accepts connections and sends nothing: logins wait a while for the first, then not at all."""
        with (
            socket.create_server(("127.0.0.1", 0)) as hung,
            through(sample_url, hung.getsockname()[1]) as gateway,
            Client(gateway.port) as client,
        ):
            assert client.dynamic().retType == 0
            began = time.monotonic()
            with Client(gateway.port) as other:
                assert "did not answer the login" in other.snapshot().retMsg
            assert time.monotonic() < began + LOGIN_SECONDS


class TestLoad:
    COUNT = 8_000

    def test_pushes_keep_their_order(self, sample_url: str) -> None:
        with (
            scripted_opend(burst=5000) as opend,
            through(sample_url, opend) as gateway,
            Client(gateway.port) as client,
        ):
            assert client.get(3001, TICKS).retType == 0
            numbers = [response(3011, client.receive().body).s2c.tickerList[0].sequence for _ in range(5000)]
            assert numbers == list(range(5000))

    def test_a_slow_reader_hurts_only_itself(self, sample_url: str) -> None:
        """OpenD keeps the data that the client does not read, stops sending, and delivers all of it later in
        order."""
        with scripted_opend(burst=self.COUNT) as opend, through(sample_url, opend) as gateway:
            slow = Client(gateway.port, clientID="slow")
            # Pushes of 4 KiB: together more than the system's buffers.
            long = {"market": 11, "code": "T" * 2000}
            ticks = request(
                3001, securityList=[long], subTypeList=[4], isSubOrUnSub=True, isRegOrUnRegPush=True
            )
            slow.put(3001, ticks, 1)
            (session,) = [one for one in opend.sessions if one.login.clientID == "slow"]
            # While the system's buffers fill, OpenD pauses for moments only.
            looks: deque[bool] = deque([True] * 25, maxlen=25)

            def waits() -> bool:
                looks.append(session.free.is_set())
                return not any(looks)

            until(waits)
            opend.burst = 0
            with Client(gateway.port) as client:
                for _ in range(20):
                    assert client.snapshot().retType == 0
            assert not session.free.is_set()
            assert slow.receive().proto_id == 3001
            for number in range(self.COUNT):
                frame = slow.receive()
                if number % 1000 == 0:
                    assert response(3011, frame.body).s2c.tickerList[0].sequence == number
            slow.socket.close()

    def test_nothing_stays_behind(self, sample_url: str) -> None:
        with scripted_opend() as opend, through(sample_url, opend) as gateway:
            for number in range(100):
                client = Client(gateway.port)
                client.put(3001, TICKS)
                if number % 2:
                    client.receive()
                client.socket.close()
            until(lambda: not opend.sessions)
            with Client(gateway.port) as client:
                assert client.snapshot().retType == 0


def machine_address() -> str:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])


class TestTrading:
    UNLOCK = request(2005, unlock=True, pwdMD5=PASSWORD_MD5)

    def test_takes_the_option(self, sample_url: str) -> None:
        with scripted_opend() as opend, through(sample_url, opend) as gateway, Client(gateway.port) as client:
            for proto_id in (1006, 2001, 2005, 2202):
                answer = client.get(proto_id, self.UNLOCK)
                assert answer.retType == -1
                assert not answer.unavailable
                assert f"(proto id {proto_id}): it takes `qotgate serve --upstream-trade`." in answer.retMsg
            assert not set(opend.asked) - {1004}

    def test_from_another_machine_it_takes_encryption(self, sample_url: str) -> None:
        address = machine_address()
        with (
            scripted_opend() as opend,
            through(sample_url, opend, "--upstream-trade", "--host", "0.0.0.0") as gateway,
        ):
            with Client(gateway.port) as client:
                assert client.get(2005, self.UNLOCK).retType == 0
            with Client(gateway.port, host=address) as client:
                answer = client.get(2005, self.UNLOCK)
                assert answer.retType == -1
                assert "only over an encrypted connection" in answer.retMsg
            assert opend.asked[2005] == 1

    def test_the_packet_id_of_a_websocket_client_is_filled_in(self, sample_url: str) -> None:
        """The program knows no serial number; that of the WebSocket has 64 bits, that of TCP 32."""
        order = {
            "packetID": {"connID": 0, "serialNo": 0},
            "header": {"trdEnv": 0, "accID": SIMULATED, "trdMarket": 2},
            "trdSide": 1,
            "orderType": 1,
            "code": "TSLA",
            "qty": 1,
            "price": 10,
        }
        options = ("--upstream-trade", "--websocket-port", "0", "--websocket-key", KEY)
        with (
            scripted_opend() as opend,
            through(sample_url, opend, *options) as gateway,
            websocket(gateway) as client,
        ):
            assert client.init()[1] == 0
            for section in (5, (1 << 32) + 7):
                client.section = section
                frame, error, _ = client.ask(2202, request(2202, **order))
                assert (error, response(2202, frame.body).retType) == (0, 0)
            assert [serial for proto_id, serial, _ in opend.requests if proto_id == 2202] == [6, 8]
            assert len(opend.orders) == 2


def test_a_cached_answer_costs_opend_nothing(sample_url: str, tmp_path: Path) -> None:
    body = request(3202, securityList=[SECURITY])
    with scripted_opend() as opend:
        for _ in range(2):
            with through(sample_url, opend, "--upstream-cache", str(tmp_path)) as gateway:
                for _ in range(2):
                    with Client(gateway.port) as client:
                        assert client.get(3202, body).retType == 0
        assert opend.asked[3202] == 1


def test_metrics(sample_url: str) -> None:
    def value(name: str, pages: str) -> float:
        text = httpx.get(f"{pages}/metrics", timeout=10).text
        (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        return float(line.split()[-1])

    with (
        scripted_opend(burst=7) as opend,
        through(sample_url, opend, "--http-port", "0") as gateway,
        Client(gateway.port) as client,
    ):
        assert gateway.pages
        pages = gateway.pages.rstrip("/;")
        client.get(3001, TICKS)
        for _ in range(7):
            client.receive()
        assert value("qotgate_upstream_up", pages) == 1
        assert value("qotgate_upstream_connections", pages) == 1
        assert value('qotgate_upstream_events_total{event="pushes"}', pages) == 7
        opend.do(opend.stop)
        assert client.closed()
        assert value("qotgate_upstream_up", pages) == 0
        assert value("qotgate_upstream_connections", pages) == 0


def test_research_tables_are_answered_here_and_not_passed_on(sample_url: str) -> None:
    with (
        scripted_opend() as opend,
        through(sample_url, opend) as gateway,
        QuoteClient(port=gateway.port) as client,
    ):
        assert sum(row.shares or 0 for row in client.ark_trades("2026-06-18", codes="US.TSLA")) == 76041
        assert len(client.ark_dynamics("US.TSLA", start="2026-06-15")) == 5
        assert opend.asked[ProtoId.Qotgate_GetResearch] == 0
