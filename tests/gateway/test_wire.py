"""The gateway on the wire: the documented consequence of each action of a client."""

import json
import os
import socket
import struct
import time
from collections.abc import Iterator
from threading import Thread

import pytest

from qotgate.protocol.body import decode
from qotgate.protocol.frame import JSON, Frame
from qotgate.protocol.messages import AnyResponse, ProtoId
from tests.support.serving import Serving, serving, serving_process
from tests.support.wire import Wire


@pytest.fixture
def bystander(sample_gateway: Serving) -> Iterator[Wire]:
    """Another client, which must notice nothing; it asks before and after."""
    with Wire(sample_gateway.port) as wire:
        assert wire.dynamic().s2c.netShares == 76041
        yield wire
        assert wire.dynamic().s2c.netShares == 76041


@pytest.mark.usefixtures("bystander")
class TestMisbehaviour:
    def test_random_bytes_are_closed(self, sample_gateway: Serving) -> None:
        with Wire(sample_gateway.port, init=False) as wire:
            wire.send(os.urandom(4096).replace(b"F", b"G"))
            assert wire.closed()

    def test_a_body_of_4_gib_is_closed_by_its_header(self, sample_gateway: Serving) -> None:
        with Wire(sample_gateway.port) as wire:
            wire.send(struct.pack("<2sIBBII20s8x", b"FT", 3424, 0, 0, 1, 2**32 - 1, bytes(20)))
            assert wire.closed()

    def test_a_wrong_digest_is_answered_for_its_serial(self, sample_gateway: Serving) -> None:
        with Wire(sample_gateway.port) as wire:
            packet = bytearray(
                wire.request(ProtoId.Qot_GetArkStockDynamic, security={"market": 11, "code": "A"})
            )
            packet[8:12] = (4711).to_bytes(4, "little")
            packet[20] ^= 1
            wire.send(bytes(packet))
            frame = wire.receive()
            assert (frame.proto_id, frame.serial) == (3424, 4711)
            assert b"SHA-1" in frame.body
            assert wire.dynamic().retType == 0

    def test_a_wrong_digest_gets_minus_500(self, sample_gateway: Serving) -> None:
        with Wire(sample_gateway.port) as wire:
            packet = bytearray(wire.request(ProtoId.KeepAlive, time=1))
            packet[-1] ^= 1
            wire.send(bytes(packet))
            assert wire.answer().retType == -500

    def test_half_a_packet_and_silence_is_dropped(self, sample_url: str) -> None:
        with (
            serving(sample_url, "--keep-alive-interval", "1") as gateway,
            Wire(gateway.port) as silent,
            Wire(gateway.port) as alive,
        ):
            silent.send(silent.request(ProtoId.KeepAlive, time=1)[:46])
            for _ in range(50):
                assert alive.ask(ProtoId.KeepAlive, time=5).s2c.time == 5
                time.sleep(0.1)
                silent.socket.setblocking(False)
                try:
                    if silent.socket.recv(1) == b"":
                        break
                except BlockingIOError:
                    continue
                except ConnectionResetError:
                    break
            else:
                pytest.fail("the silent connection was kept")
            assert alive.dynamic().retType == 0

    def test_a_request_before_init_connect_is_refused(self, sample_gateway: Serving) -> None:
        with Wire(sample_gateway.port, init=False) as wire:
            answer = wire.dynamic()
            assert answer.retType == -1
            assert "InitConnect" in answer.retMsg
            assert wire.ask(ProtoId.InitConnect, clientVer=1, clientID="late").retType == 0
            assert wire.dynamic().retType == 0
            assert wire.ask(ProtoId.InitConnect, clientVer=1, clientID="again").retType == -1

    @pytest.mark.parametrize("proto_id", [0, 1003, 3001, 3427, 2**32 - 1])
    def test_another_proto_id_is_refused_by_its_number(self, sample_gateway: Serving, proto_id: int) -> None:
        with Wire(sample_gateway.port) as wire:
            wire.send(Frame(proto_id, 0, 77, b"\x0a\x00").encode())
            frame = wire.receive()
            assert (frame.proto_id, frame.serial) == (proto_id, 77)
            answer = decode(AnyResponse, frame.body, 0)
            assert answer.retType == -1
            assert f" {proto_id}；" in answer.retMsg

    @pytest.mark.parametrize("body_format", [2, 255])
    def test_another_body_format_is_refused(self, sample_gateway: Serving, body_format: int) -> None:
        with Wire(sample_gateway.port) as wire:
            wire.send(Frame(3424, body_format, 5, b"").encode())
            answer = wire.answer()
            assert answer.retType == -1
            assert str(body_format) in answer.retMsg

    def test_json_is_answered_in_json(self, sample_gateway: Serving) -> None:
        with Wire(sample_gateway.port, body_format=JSON) as wire:
            body = json.dumps({"c2s": {"security": {"market": 11, "code": "TSLA"}}}).encode()
            wire.send(Frame(3424, JSON, 9, body).encode())
            frame = wire.receive()
            assert (frame.body_format, frame.serial) == (JSON, 9)
            hole = {"firstDay": "2026-04-21", "lastDay": "2026-06-12", "why": "hole"}
            assert json.loads(frame.body)["s2c"] == {
                "dynamicType": 1,
                "transactionCount": 2,
                "netShares": "76041",
                "lastTransactionTime": "2026-06-22",
                "untold": [{"fund": fund, **hole} for fund in ("ARKK", "ARKW")],
            }
            wire.send(Frame(3424, JSON, 10, b"{").encode())
            assert json.loads(wire.receive().body)["retType"] == -1


@pytest.mark.parametrize(
    ("proto_id", "fields", "names"),
    [
        (ProtoId.Qot_GetArkStockDynamic, {"security": {"market": 5, "code": "TSLA"}}, "security.market"),
        (ProtoId.Qot_GetArkStockDynamic, {"security": {"market": 11, "code": ""}}, "security.code"),
        (ProtoId.Qot_GetRatingChange, {"market": 1}, "market"),
        (ProtoId.Qot_GetRatingChange, {"market": 12}, "market"),
        (ProtoId.Qot_GetRatingChange, {"market": 11, "changeType": 4}, "changeType"),
        (ProtoId.Qot_GetRatingChange, {"market": 11, "changeType": 0}, "changeType"),
        (ProtoId.Qot_GetRatingChange, {"market": 11, "count": 0}, "count"),
        (ProtoId.Qot_GetRatingChange, {"market": 11, "count": 21}, "count"),
        (ProtoId.Qot_GetRatingChange, {"market": 11, "page": "forged"}, "page"),
        *(
            (proto_id, {field: value}, field)
            for proto_id, wrong in {
                ProtoId.Qot_GetArkFundHolding: {"holdingType": 5, "sortField": 5},
                ProtoId.Qot_GetArkActiveTransaction: {"holdingType": 4, "sortField": 3},
            }.items()
            for field, value in {
                "cycleType": 5,
                "sortDir": 2,
                "count": 201,
                "page": "forged",
                **wrong,
            }.items()
        ),
        (ProtoId.Qot_GetArkFundHolding, {"holdingType": -1}, "holdingType"),
        (ProtoId.Qot_GetArkFundHolding, {"count": 0}, "count"),
        (ProtoId.Qot_GetArkFundHolding, {"asOf": "yesterday"}, "asOf"),
    ],
)
def test_a_bad_argument_is_named(
    sample_gateway: Serving, proto_id: ProtoId, fields: dict[str, object], names: str
) -> None:
    with Wire(sample_gateway.port) as wire:
        answer = wire.ask(proto_id, **fields)
        assert answer.retType == -1
        assert answer.retMsg.startswith(f"{names} ")


def test_as_of_an_earlier_day(sample_gateway: Serving) -> None:
    with Wire(sample_gateway.port) as wire:
        security = {"market": 11, "code": "TSLA"}
        answer = wire.ask(ProtoId.Qot_GetArkStockDynamic, security=security, asOf="2026-06-17").s2c
        assert (answer.netShares, answer.lastTransactionTime, answer.asOf) == (
            -20000,
            "2026-06-17",
            "2026-06-17",
        )
        assert not wire.dynamic().s2c.HasField("asOf")
        first = wire.ask(ProtoId.Qot_GetRatingChange, market=11, count=1, asOf="2026-06-22").s2c
        assert (first.allCount, first.asOf) == (3, "2026-06-22")
        question = {"market": 11, "count": 20, "page": first.nextPage}
        rest = wire.ask(ProtoId.Qot_GetRatingChange, asOf="2026-06-22", **question).s2c
        assert len(rest.dataList) == 2
        assert wire.ask(ProtoId.Qot_GetRatingChange, **question).retType == -1
        later = wire.ask(ProtoId.Qot_GetArkStockDynamic, security=security, asOf="2099-01-01").s2c
        assert (later.netShares, later.asOf) == (76041, "2026-06-22")
        for wrong in ("yesterday", "2026-6-1x", "2026-04-16", "0000-00-00"):
            answer = wire.ask(ProtoId.Qot_GetArkStockDynamic, security=security, asOf=wrong)
            assert (answer.retType, wrong in answer.retMsg) == (-1, True)


def test_holdings_and_transactions_page_by_page_as_of_a_day(sample_gateway: Serving) -> None:
    with Wire(sample_gateway.port) as wire:
        first = wire.ask(ProtoId.Qot_GetArkFundHolding, count=2, asOf="2026-06-18").s2c
        assert (first.allCount, first.asOf, len(first.dataList)) == (5, "2026-06-18", 2)
        question = {"count": 200, "page": first.nextPage}
        rest = wire.ask(ProtoId.Qot_GetArkFundHolding, asOf="2026-06-18", **question).s2c
        assert not rest.HasField("nextPage")
        shares = [row.shares for row in (*first.dataList, *rest.dataList)]
        assert len(shares) == 5
        assert shares == sorted(shares, reverse=True)
        assert wire.ask(ProtoId.Qot_GetArkFundHolding, **question).retType == -1
        traded = wire.ask(ProtoId.Qot_GetArkActiveTransaction, asOf="2026-06-18").s2c
        assert [(row.security.code, row.changeShares) for row in traded.dataList] == [("TSLA", 36041)]
        assert traded.dataList[0].changeAmount == 36041 * 310
        assert (traded.asOf, traded.allCount) == ("2026-06-18", 1)
        assert not wire.ask(ProtoId.Qot_GetArkActiveTransaction).s2c.HasField("asOf")


def test_the_gateways_language(sample_url: str) -> None:
    with serving(sample_url, "--lang", "en") as gateway, Wire(gateway.port) as wire:
        answer = wire.ask(ProtoId.Qot_GetRatingChange, market=11, count=0)
        assert answer.retMsg == "count takes a whole number from 1 to 20, not 0."
        row = wire.ask(ProtoId.Qot_GetRatingChange, market=11, count=1).s2c.dataList[0]
        assert (row.name, row.institutionName) == ("Micron Technology", "BofA Securities")


def test_the_longest_request_is_an_option(sample_url: str) -> None:
    with serving(sample_url, "--request-limit", "2000") as gateway:
        with Wire(gateway.port) as wire:
            wire.send(Frame(3426, 0, 1, bytes(2001)).encode())
            assert wire.closed()
        with Wire(gateway.port) as wire:
            wire.send(Frame(3426, 0, 1, bytes(2000)).encode())
            assert wire.answer().retType == -1


def test_connections_over_the_limit_are_told_so(sample_url: str) -> None:
    with serving(sample_url, "--max-connections", "2", "--lang", "en") as gateway:
        with Wire(gateway.port) as one, Wire(gateway.port) as two:
            with Wire(gateway.port, init=False) as three:
                answer = three.ask(ProtoId.InitConnect, clientVer=1, clientID="third")
                assert answer.retType == -1
                assert "already serves 2 connections" in answer.retMsg
                assert three.closed()
            assert one.dynamic().retType == two.dynamic().retType == 0
        for _ in range(100):
            with Wire(gateway.port, init=False) as again:
                if again.ask(ProtoId.InitConnect, clientVer=1, clientID="again").retType == 0:
                    break
            time.sleep(0.05)
        else:
            pytest.fail("the places of closed connections were not given again")


def test_answers_are_matched_by_serial_however_they_are_sliced(sample_gateway: Serving) -> None:
    with Wire(sample_gateway.port) as wire:
        codes = ["TSLA", "ROKU", "ZM", "COIN", "XXXX"] * 100
        stream = b"".join(
            wire.request(ProtoId.Qot_GetArkStockDynamic, security={"market": 11, "code": code})
            for code in codes
        )
        for start in range(0, len(stream), 777):
            wire.send(stream[start : start + 777])
        kinds: dict[str, set[bytes]] = {}
        for _ in codes:
            frame = wire.receive()
            # InitConnect had serial 1.
            kinds.setdefault(codes[frame.serial - 2], set()).add(frame.body)
        assert sorted(kinds) == sorted(set(codes))
        assert all(len(bodies) == 1 for bodies in kinds.values())


def test_a_client_that_does_not_read_is_held_back_and_then_served(sample_gateway: Serving) -> None:
    with Wire(sample_gateway.port) as wire:
        request = wire.request(ProtoId.Qot_GetRatingChange, market=11, count=20)
        wanted = 20_000  # 9 MB of answers, more than the system buffers for a reader
        sender = Thread(target=wire.send, args=(request * wanted,))
        sender.start()
        time.sleep(1)
        assert all(wire.answer().retType == 0 for _ in range(wanted))
        sender.join()


def test_sigterm_drains_and_exits_0(sample_url: str) -> None:
    with serving_process(sample_url, "--rate-limit", "off") as gateway, Wire(gateway.port) as wire:
        requests = b"".join(
            wire.request(ProtoId.Qot_GetArkStockDynamic, security={"market": 11, "code": "TSLA"})
            for _ in range(100)
        )
        wire.send(requests)
        assert wire.answer().retType == 0
        assert gateway.stop() == 0
        answers = 1
        while not wire.closed():
            answers += 1
        assert answers == 100
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", gateway.port), 1)


def test_a_client_that_has_said_all_still_gets_its_answers(sample_gateway: Serving) -> None:
    with Wire(sample_gateway.port) as wire:
        question = wire.request(ProtoId.Qot_GetArkStockDynamic, security={"market": 11, "code": "TSLA"})
        wire.send(question * 300)
        wire.socket.shutdown(socket.SHUT_WR)
        assert all(wire.answer().s2c.netShares == 76041 for _ in range(300))
        assert wire.closed()


def test_questions_before_garbage_are_answered_first(sample_gateway: Serving) -> None:
    with Wire(sample_gateway.port) as wire:
        question = wire.request(ProtoId.Qot_GetArkStockDynamic, security={"market": 11, "code": "TSLA"})
        wire.send(question * 5 + b"garbage")
        assert all(wire.answer().s2c.netShares == 76041 for _ in range(5))
        assert wire.closed()


def test_text_that_is_not_utf_8_is_refused(sample_gateway: Serving) -> None:
    with Wire(sample_gateway.port) as wire:
        body = bytes([0x0A, 8, 0x0A, 6, 0x08, 11, 0x12, 2, 0xFF, 0xFE])
        wire.send(Frame(3424, 0, 5, body).encode())
        answer = wire.answer()
        assert (answer.retType, "Protobuf" in answer.retMsg) == (-1, True)


@pytest.mark.parametrize("stderr", ["/dev/full", "closed pipe"])
def test_a_log_that_cannot_be_written_stops_nobody(sample_url: str, stderr: str) -> None:
    if stderr == "closed pipe":
        reader, writer = os.pipe()
        os.close(reader)
    else:
        writer = os.open(stderr, os.O_WRONLY)
    with serving_process(sample_url, "--keep-alive-interval", "1", stderr=writer) as gateway:
        os.close(writer)
        for _ in range(3):
            with Wire(gateway.port) as wire:
                assert wire.dynamic().s2c.netShares == 76041
        with Wire(gateway.port) as silent:
            assert silent.closed()
        assert gateway.stop() == 0


def test_it_listens_on_loopback_alone(sample_gateway: Serving) -> None:
    assert sample_gateway.host == "127.0.0.1"
