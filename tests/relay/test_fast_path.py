"""The fast path of plain packets: a client sees no difference."""

import json
from collections.abc import Iterator
from itertools import pairwise

import pytest
import structlog

from qotgate.gateway.session import MAX_UNDER_WAY
from qotgate.protocol.frame import HEADER_SIZE, JSON, PROTOBUF, Frame, FrameParser
from qotgate.protocol.messages import AnyResponse
from tests.relay.test_relay import SECURITY, SNAPSHOT, TICKS, Client, through
from tests.support.opend import ScriptedOpenD, scripted_opend
from tests.support.opend_messages import request, response
from tests.support.serving import until

STATIC = request(3202, securityList=[SECURITY])
OWN = request(3426, market=11)


def raw(client: Client, number: int) -> list[bytes]:
    """The next packets to a client, as they arrived."""
    parser, found, kept = FrameParser(), 0, b""
    while found < number:
        data = client.socket.recv(1 << 16)
        assert data, "the connection was closed"
        kept += data
        found += sum(1 for _ in parser.feed(data))
    packets = list(FrameParser().feed(kept))
    ends = [0]
    for packet in packets:
        ends.append(ends[-1] + HEADER_SIZE + len(packet.body))
    return [kept[start:end] for start, end in pairwise(ends)]


def test_packets_pass_as_they_are(sample_url: str) -> None:
    """More than the limit of pending ones, some of which take the slow path."""
    asked = [Frame(3203 if serial % 7 else 3202, PROTOBUF, serial, SNAPSHOT) for serial in range(1, 600)]
    asked += [Frame(3001, PROTOBUF, 600, TICKS), Frame(2001, PROTOBUF, 601, request(2001, userID=7654321))]
    data = b"".join(frame.encode() for frame in asked)
    told = []
    with scripted_opend(burst=200) as opend, through(sample_url, opend, "--upstream-trade") as gateway:
        for port in (opend.port, gateway.port):
            with Client(port) as client:
                client.send(data)
                told.append(raw(client, len(asked) + 200))
    direct, relayed = told
    assert relayed == direct


def test_own_questions_and_damaged_requests_stay_here(sample_url: str) -> None:
    broken = bytearray(Frame(3203, PROTOBUF, 4, SNAPSHOT).encode())
    broken[-1] ^= 1
    with scripted_opend() as opend, through(sample_url, opend) as gateway, Client(gateway.port) as client:
        client.get(3203, SNAPSHOT)
        good = [Frame(3203, PROTOBUF, serial, SNAPSHOT).encode() for serial in (2, 3, 5, 7)]
        own = Frame(3426, PROTOBUF, 6, OWN).encode()
        client.send(good[0] + good[1] + bytes(broken) + good[2] + own + good[3])
        answers = {}
        for _ in range(6):
            frame = client.receive()
            answers[frame.serial] = AnyResponse.FromString(frame.body).retType
        assert answers == {2: 0, 3: 0, 4: -500, 5: 0, 6: 0, 7: 0}
        assert opend.asked[3203] == 5
        assert opend.asked[3426] == 0


class TestRequestsUnderWay:
    @pytest.fixture
    def opend(self) -> Iterator[ScriptedOpenD]:
        with scripted_opend(unanswered={3203}) as opend:
            yield opend

    def test_are_bounded_and_refused_where_the_link_is_lost(
        self, sample_url: str, opend: ScriptedOpenD
    ) -> None:
        number = MAX_UNDER_WAY + 50
        with through(sample_url, opend) as gateway, Client(gateway.port) as client:
            client.send(b"".join(Frame(3203, PROTOBUF, one, SNAPSHOT).encode() for one in range(number)))
            until(lambda: opend.asked[3203] >= MAX_UNDER_WAY)
            opend.do(opend.stop)
            refused = [client.receive() for _ in range(MAX_UNDER_WAY)]
            assert client.closed()
        assert [frame.serial for frame in refused] == list(range(MAX_UNDER_WAY))
        assert all(AnyResponse.FromString(frame.body).unavailable for frame in refused)
        assert opend.asked[3203] == MAX_UNDER_WAY

    def test_are_refused_in_their_own_format(self, sample_url: str, opend: ScriptedOpenD) -> None:
        asked = json.dumps({"c2s": {"securityList": [SECURITY]}}).encode()
        with through(sample_url, opend) as gateway, Client(gateway.port) as client:
            client.put(3203, asked, 9, JSON)
            until(lambda: opend.asked[3203] == 1)
            opend.do(opend.stop)
            frame = client.receive()
        assert (frame.proto_id, frame.body_format, frame.serial) == (3203, JSON, 9)
        assert "connection to OpenD was lost" in json.loads(frame.body)["retMsg"]


def test_a_damaged_answer_is_refused(sample_url: str) -> None:
    with (
        scripted_opend(damaged={3202}) as opend,
        through(sample_url, opend) as gateway,
        Client(gateway.port) as client,
    ):
        for serial, proto_id in enumerate((3203, 3202, 3203)):
            client.put(proto_id, STATIC, serial)
        answers = [client.receive() for _ in range(3)]
        assert [frame.serial for frame in answers] == [0, 1, 2]
        assert all(frame.intact for frame in answers)
        assert [AnyResponse.FromString(frame.body).retType for frame in answers] == [0, -1, 0]


def test_the_same_number_twice_is_answered_twice(sample_url: str) -> None:
    with scripted_opend() as opend, through(sample_url, opend) as gateway, Client(gateway.port) as client:
        client.send(Frame(3203, PROTOBUF, 5, SNAPSHOT).encode() * 3)
        assert [client.receive().serial for _ in range(3)] == [5, 5, 5]
        assert client.get(3203, SNAPSHOT, 6).retType == 0


def test_what_is_kept_is_looked_at(sample_url: str, tmp_path: object) -> None:
    with (
        scripted_opend() as opend,
        through(sample_url, opend, "--upstream-cache", str(tmp_path)) as gateway,
        Client(gateway.port) as client,
    ):
        for serial in range(4):
            client.get(3202, STATIC, serial)
            client.get(3203, SNAPSHOT, serial)
        assert (opend.asked[3202], opend.asked[3203]) == (1, 4)


def test_a_slow_answer_is_logged(sample_url: str) -> None:
    with (
        structlog.testing.capture_logs() as lines,
        scripted_opend(slow={3202: 0.1}) as opend,
        through(sample_url, opend, "--slow-seconds", "0.1") as gateway,
        Client(gateway.port) as client,
    ):
        client.get(3203, SNAPSHOT, 7)
        client.get(3202, STATIC, 8)
    (slow,) = [line for line in lines if line["event"] == "slow request" and line["serial"] == 8]
    assert slow["outcome"] == "relayed"
    assert slow["request"].endswith("-3")


def test_pushes_pass_beside_answers_in_their_order(sample_url: str) -> None:
    with (
        scripted_opend(burst=1000) as opend,
        through(sample_url, opend) as gateway,
        Client(gateway.port) as client,
    ):
        client.send(Frame(3001, PROTOBUF, 1, TICKS).encode())
        client.send(b"".join(Frame(3203, PROTOBUF, one, SNAPSHOT).encode() for one in range(2, 202)))
        frames = [client.receive() for _ in range(1201)]
    pushed = [response(3011, one.body).s2c.tickerList[0].sequence for one in frames if one.proto_id == 3011]
    assert pushed == list(range(1000))
    assert [one.serial for one in frames if one.proto_id == 3203] == list(range(2, 202))
