"""Sessions on WebSocket: the same answers, limits and refusals as on TCP, and the envelope's own."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from qotgate.gateway.websocket import MAX_SPARE_FRAMES
from qotgate.protocol.body import decode, encode
from qotgate.protocol.envelope import decode_answer, encode_request
from qotgate.protocol.frame import Frame
from qotgate.protocol.messages import (
    REQUESTS,
    AnyResponse,
    InitWebSocketRequest,
    InitWebSocketResponse,
    ProtoId,
)
from tests.support.commands import run
from tests.support.serving import Serving, serving, serving_process, until
from tests.support.websocket import KEY, MD5, websocket
from tests.support.wire import Wire

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture(scope="module")
def gateway(sample_url: str) -> Iterator[Serving]:
    options = ("--websocket-port", "0", "--websocket-key", KEY, "--lang", "en", "--rate-limit", "off")
    with serving(sample_url, *options) as gateway:
        yield gateway


def test_answers_are_those_of_tcp(gateway: Serving) -> None:
    with websocket(gateway) as client, Wire(gateway.port) as wire:
        answer, error, text = client.init()
        assert (answer.retType, error, text) == (0, 0, "")
        assert answer.s2c.connID > 0
        assert abs(answer.s2c.serverTime - time.time()) < 60
        assert client.dynamic() == wire.dynamic()
        fields = {"market": 11, "count": 2}
        page = client.question(ProtoId.Qot_GetRatingChange, **fields)
        assert page == wire.ask(ProtoId.Qot_GetRatingChange, **fields)
        fields["page"] = page.s2c.nextPage
        assert client.question(ProtoId.Qot_GetRatingChange, **fields).s2c.allCount == 5
        assert client.question(ProtoId.KeepAlive, time=7).s2c.time == 7
        assert client.question(ProtoId.GetGlobalState, userID=0).s2c.programStatus.type == 10


def test_a_bad_argument_is_named(gateway: Serving) -> None:
    with websocket(gateway) as client:
        client.init()
        answer = client.question(ProtoId.Qot_GetRatingChange, market=11, count=21)
        assert (answer.retType, answer.retMsg[:6]) == (-1, "count ")
        frame, error, _ = client.ask(3424, b"\xff")
        assert (error, decode(AnyResponse, frame.body, 0).retType) == (0, -1)
        frame, _, _ = client.ask(9999, b"")
        assert "proto id 9999" in decode(AnyResponse, frame.body, 0).retMsg
        assert client.dynamic().retType == 0


def test_many_questions_under_way(gateway: Serving) -> None:
    body = encode(
        REQUESTS[ProtoId.Qot_GetArkStockDynamic](c2s={"security": {"market": 11, "code": "TSLA"}}), 0
    )
    with websocket(gateway) as client:
        client.init()
        for section in range(1000):
            client.connection.send(encode_request(Frame(3424, 0, 100 + section, body)))
        answers = [decode_answer(bytes(client.connection.recv(timeout=10)))[0] for _ in range(1000)]
        assert {frame.serial for frame in answers} == set(range(100, 1100))
        assert len({frame.body for frame in answers}) == 1


@pytest.mark.parametrize("key_md5", ["", "0" * 32, MD5[:-1], KEY, "é"])
def test_a_wrong_key_gets_a_failed_init(gateway: Serving, key_md5: str) -> None:
    with websocket(gateway) as client:
        answer, error, text = client.init(key_md5)
        assert (answer.retType, error, text) == (-1, 1, "Wrong WebSocket key:")
        assert answer.retMsg.startswith("Wrong WebSocket key: use the one")
        assert client.dynamic().retType == -1
        assert client.init(MD5.upper())[1] == 0
        assert client.dynamic().retType == 0


def test_a_key_that_is_not_utf_8_gets_a_failed_init(gateway: Serving) -> None:
    with websocket(gateway) as client:
        frame, error, _ = client.ask(1, bytes([0x0A, 3, 0x22, 1, 0xFF]))
        assert (error, decode(InitWebSocketResponse, frame.body, 0).retType) == (1, -1)


def test_a_request_before_init_is_refused(gateway: Serving) -> None:
    with websocket(gateway) as client:
        answer = client.dynamic()
        assert (answer.retType, "Init (1) on WebSocket" in answer.retMsg) == (-1, True)
        answer = client.question(ProtoId.InitConnect, clientVer=1, clientID="x")
        assert (answer.retType, "starts with Init (1)" in answer.retMsg) == (-1, True)
        client.init()
        assert client.init()[1] == 1
        assert client.dynamic().retType == 0


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("text", 1003),
        (b"", 1002),
        (b"ft-v2.0\0" + bytes(12), 1002),
        (bytes(100), 1002),
        (bytes(100 << 20), 1009),
    ],
    ids=["text", "empty", "wrong sign", "zeros", "100 MiB"],
)
def test_what_is_no_request_is_closed(gateway: Serving, message: bytes | str, code: int) -> None:
    with websocket(gateway) as bystander, websocket(gateway, max_size=None) as client:
        bystander.init()
        client.init()
        try:
            client.connection.send(message)
        except ConnectionClosed as closed:
            assert closed.rcvd
            assert closed.rcvd.code == code
        else:
            assert client.close_code() == code
        assert bystander.dynamic().retType == 0


def test_one_allowance_and_one_number_of_connections_for_both(sample_url: str) -> None:
    options = ("--websocket-port", "0", "--rate-limit", "3/30s", "--max-connections", "2", "--lang", "en")
    with serving(sample_url, *options) as gateway, Wire(gateway.port) as wire, websocket(gateway) as client:
        client.init("")
        assert [wire.dynamic().retType, client.dynamic().retType, wire.dynamic().retType] == [0, 0, 0]
        assert client.dynamic().retType == wire.dynamic().retType == -1
        with websocket(gateway) as third:
            answer, error, _ = third.init("")
            assert (error, answer.retType) == (1, -1)
            assert "already serves 2 connections" in answer.retMsg
            assert third.close_code() == 1013
        with Wire(gateway.port, init=False) as third_wire:
            answer = third_wire.ask(ProtoId.InitConnect, clientVer=1, clientID="third")
            assert answer.retType == -1


def test_a_client_that_answers_no_ping_is_dropped(sample_url: str) -> None:
    options = ("--websocket-port", "0", "--keep-alive-interval", "1")
    with serving(sample_url, *options) as gateway, websocket(gateway) as alive:
        alive.init("")
        assert gateway.websocket
        host, port = gateway.websocket.removeprefix("ws://").split(":")
        with socket.create_connection((host, int(port)), 10) as silent:
            silent.sendall(
                b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
            )
            assert silent.recv(1 << 16).startswith(b"HTTP/1.1 101")
            started = time.monotonic()
            while silent.recv(1 << 16):  # pings, and then the end
                assert time.monotonic() - started < 10
        assert alive.dynamic().retType == 0


def test_sigterm_closes_websockets_too(sample_url: str) -> None:
    # It would wait an hour for the client, which does not close the connection itself.
    options = ("--websocket-port", "0", "--drain-seconds", "3600")
    with serving_process(sample_url, *options) as gateway, websocket(gateway) as client:
        client.init("")
        assert gateway.stop() == 0
        assert client.close_code() == 1001


def test_wss(sample_url: str, certificate: tuple[Path, Path]) -> None:
    cert, key = map(str, certificate)
    options = ("--websocket-cert", cert, "--websocket-private-key", key, "--websocket-key-md5", MD5)
    with serving(sample_url, "--websocket-port", "0", *options) as gateway:
        assert gateway.websocket
        assert gateway.websocket.startswith("wss://127.0.0.1:")
        with websocket(gateway, ssl=ssl.create_default_context(cafile=cert)) as client:
            assert client.init("wrong")[1] == 1
            assert client.init()[1] == 0
            assert client.dynamic().s2c.netShares == 76041


def test_wss_has_no_session_tickets(sample_url: str, certificate: tuple[Path, Path]) -> None:
    # A Python client that sends while its other thread reads a ticket loses what it sends, or crashes.
    cert, key = map(str, certificate)
    options = ("--websocket-port", "0", "--websocket-cert", cert, "--websocket-private-key", key)
    with (
        serving(sample_url, *options) as gateway,
        websocket(gateway, ssl=ssl.create_default_context(cafile=cert)) as client,
    ):
        assert client.init("")[1] == 0
        connection = client.connection.socket
        assert isinstance(connection, ssl.SSLSocket)
        assert connection.version() == "TLSv1.3"
        assert connection.session
        assert not connection.session.has_ticket


EVIL, FRIEND = "https://evil.example", "https://friend.example:8443"


@pytest.mark.parametrize(
    ("options", "taken", "refused"),
    [
        (
            [],
            [None, "http://localhost", "http://127.0.0.1:8080", "https://[::1]:1"],
            [EVIL, FRIEND, "null", "http://localhost.evil.example", "http://127.0.0.1.evil.example", ""],
        ),
        (["--websocket-origins", f"{FRIEND}, null"], [None, FRIEND, "null", "http://localhost"], [EVIL]),
        (["--websocket-origins", "*"], [None, EVIL, "null"], []),
    ],
)
def test_pages_of_other_sites_are_refused(
    sample_url: str, options: list[str], taken: list[str | None], refused: list[str]
) -> None:
    with serving(sample_url, "--websocket-port", "0", *options) as gateway:
        for origin in taken:
            with websocket(gateway, origin=origin) as client:
                assert client.init("")[1] == 0
                assert client.dynamic().s2c.netShares == 76041
        for origin in refused:
            with (
                pytest.raises(InvalidStatus) as answer,
                websocket(gateway, additional_headers={"Origin": origin}),
            ):
                pass
            assert answer.value.response.status_code == 403


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--websocket-origins", "example.com"], "takes origins such as https://example.com"),
        (["--websocket-host", "0.0.0.0"], "name a certificate with --websocket-cert"),
        (["--websocket-cert", "x"], "--websocket-cert and --websocket-private-key go together"),
        (["--websocket-cert", "x", "--websocket-private-key", "y"], "cannot be used: No such file"),
        (["--websocket-key-md5", "short"], "--websocket-key-md5 takes 32 hexadecimal digits."),
        (["--websocket-host", "256.0.0.1"], "--websocket-host 256.0.0.1 is open to other machines"),
    ],
)
def test_wrong_options_are_one_sentence(sample_url: str, options: list[str], sentence: str) -> None:
    done = run("serve", "--port", 0, "--websocket-port", 0, "--db", sample_url, *options)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert sentence in line


@pytest.mark.parametrize("frame", [b"\x89\x80\0\0\0\0", b"\x8a\x80\0\0\0\0", b"\0\x80\0\0\0\0"])
def test_who_sends_a_thousand_control_frames_a_second_is_closed(gateway: Serving, frame: bytes) -> None:
    with websocket(gateway, ping_interval=None) as client:
        client.init()
        if frame[0] == 0:
            client.connection.socket.sendall(b"\x02\x80\0\0\0\0")
        client.connection.socket.sendall(frame * MAX_SPARE_FRAMES)
        assert client.close_code() in (1002, 1009)


@pytest.mark.parametrize("frames", [b"\xff" * 8, b"\x82\xff\x40" + bytes(7)], ids=["garbage", "too long"])
def test_broken_frames_that_come_with_the_upgrade_end_the_connection(
    sample_url: str, tmp_path: Path, frames: bytes
) -> None:
    """Each was an error in the log: the protocol fails before it answers the upgrade."""
    log = tmp_path / "log"
    with (
        log.open("w") as file,
        serving_process(sample_url, "--websocket-port", "0", stderr=file.fileno()) as gateway,
    ):
        assert gateway.websocket
        with socket.create_connection(("127.0.0.1", int(gateway.websocket.rsplit(":", 1)[1])), 10) as bare:
            bare.sendall(UPGRADE + frames)
            with suppress(ConnectionResetError):
                assert bare.recv(4096) == b""
        until(lambda: "broken frames came with the upgrade" in log.read_text())
    assert '"level": "error"' not in log.read_text()


def test_a_client_that_reads_nothing_is_closed(sample_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    options = ("--websocket-port", "0", "--keep-alive-interval", "1", "--rate-limit", "off")
    with log.open("w") as file, serving_process(sample_url, *options, stderr=file.fileno()) as gateway:
        assert gateway.websocket
        with socket.create_connection(("127.0.0.1", int(gateway.websocket.rsplit(":", 1)[1])), 10) as bare:
            bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            init = InitWebSocketRequest(c2s={"clientID": "test"})
            question = REQUESTS[ProtoId.Qot_GetRatingChange](c2s={"market": 11, "count": 20})
            bare.sendall(UPGRADE + framed(1, encode(init, 0)))
            # Until the gateway takes no more: fewer questions have answers that fit into its buffers.
            bare.settimeout(2)
            with suppress(OSError):
                bare.sendall(framed(ProtoId.Qot_GetRatingChange, encode(question, 0)) * 20_000)
            until(lambda: "it read nothing for 3 seconds" in log.read_text())


def framed(command: int, body: bytes) -> bytes:
    """A request as one short frame under a mask of zeros."""
    message = encode_request(Frame(command, 0, 1, body))
    return bytes((0x82, 0x80 | len(message), 0, 0, 0, 0)) + message
