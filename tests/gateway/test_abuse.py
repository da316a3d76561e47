"""Abuse of a running gateway: other clients get correct answers meanwhile, and nothing is left behind."""

import asyncio
import os
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest

from qotgate.gateway import Gateway, GatewayOptions
from qotgate.gateway.encryption import MAX_RSA_BLOCKS
from qotgate.gateway.tcp import TcpSession
from qotgate.protocol.cipher import RsaKey
from qotgate.protocol.frame import HEADER_SIZE, Frame
from qotgate.protocol.messages import ProtoId
from qotgate.service.questions import Questions
from qotgate.service.reference import Reference
from qotgate.serving.listening import listen
from qotgate.store import Store
from qotgate.web import connections
from qotgate.web.options import WebOptions
from qotgate.web.server import WebServer
from tests.support.commands import run
from tests.support.serving import Serving, ServingProcess, serving_process, until
from tests.support.transport import Transport
from tests.support.websocket import websocket
from tests.support.wire import Wire

pytestmark = pytest.mark.slow

GROWTH_MOST = 32 << 10
"""KiB by which its memory may have grown: less than the connections of a flood take if they stay."""
QUESTION = {"security": {"market": 11, "code": "TSLA"}}
TCP_REPAIR = 19


def resident(gateway: ServingProcess) -> int:
    """Resident memory in KiB."""
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def files(gateway: ServingProcess) -> int:
    return sum(1 for _ in Path(f"/proc/{gateway.process.pid}/fd").iterdir())


@contextmanager
def unharmed(gateway: ServingProcess) -> Iterator[None]:
    """Keep a client asking ``gateway``: its answers are correct, and afterwards the gateway has the same open
    files and no more memory than allowed."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("the system does not tell a process's files")
    done = Event()
    answers: list[bool] = []
    errors: list[Exception] = []

    def ask() -> None:
        try:
            with Wire(gateway.port) as wire:
                while not done.is_set() or len(answers) < 3:
                    answers.append(wire.ask(ProtoId.KeepAlive, time=len(answers)).s2c.time == len(answers))
                    answer = wire.dynamic()
                    answers.append(answer.s2c.netShares == 76041 or "at most" in answer.retMsg)
        except Exception as error:
            errors.append(error)

    with Wire(gateway.port) as wire:
        wire.dynamic()
    time.sleep(0.1)
    before, memory = files(gateway), resident(gateway)
    thread = Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(60)
    assert not errors
    assert answers
    assert all(answers)
    until(lambda: files(gateway) <= before)
    assert resident(gateway) - memory < GROWTH_MOST


def connect(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 10, (source, 0))


def closed(connection: socket.socket) -> bool:
    """Whether the other end closes it; earlier data is ignored."""
    connection.setblocking(False)
    try:
        while connection.recv(1 << 16):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def all_closed(them: list[socket.socket]) -> bool:
    return all(closed(one) for one in them)


@pytest.fixture(scope="module")
def gateway(sample_url: str) -> Iterator[ServingProcess]:
    options = ("--rate-limit", "off", "--keep-alive-interval", "1", "--lang", "en", "--websocket-port", "0")
    with serving_process(sample_url, "--max-connections", "300", *options) as gateway:
        yield gateway


def ws_port(gateway: ServingProcess) -> int:
    assert gateway.websocket
    return int(gateway.websocket.rsplit(":", 1)[1])


def test_byte_by_byte_is_answered_like_at_once(gateway: ServingProcess) -> None:
    with unharmed(gateway), ExitStack() as opened:
        wires = [opened.enter_context(Wire(gateway.port)) for _ in range(20)]
        question = wires[0].request(ProtoId.Qot_GetArkStockDynamic, **QUESTION)
        for start in range(len(question)):
            for wire in wires:
                wire.send(question[start : start + 1])
        for wire in wires:
            assert wire.answer().s2c.netShares == 76041
        for wire in wires:
            wire.send(question * 20)
            answer = b""
            while len(answer) < 3 * HEADER_SIZE:
                answer += wire.socket.recv(1)
            assert answer.startswith(b"FT")


def test_half_of_a_request_is_not_waited_for(gateway: ServingProcess) -> None:
    parts = [0, HEADER_SIZE // 2, HEADER_SIZE, HEADER_SIZE + 1]
    with unharmed(gateway), ExitStack() as opened:
        them = [opened.enter_context(connect(gateway.port)) for _ in range(80)]
        wires = [opened.enter_context(Wire(gateway.port)) for _ in range(80)]
        request = wires[0].request(ProtoId.Qot_GetArkStockDynamic, **QUESTION)
        them += [wire.socket for wire in wires]
        for number, one in enumerate(them):
            one.sendall(request[: parts[number % 4]])
        until(lambda: all_closed(them))


def test_who_does_not_say_who_it_is_is_dropped_however_busy(gateway: ServingProcess) -> None:
    with unharmed(gateway), connect(gateway.port) as slow:
        header = Frame(1001, 0, 1, bytes(1000)).encode()
        sent = 0
        with suppress(OSError):
            # A byte every quarter of a second would take minutes.
            while sent < len(header) and not closed(slow):
                slow.setblocking(True)
                slow.send(header[sent : sent + 1])
                sent += 1
                time.sleep(0.25)
        assert sent < 60


def test_who_does_not_read_is_dropped(gateway: ServingProcess) -> None:
    with unharmed(gateway), ExitStack() as opened:
        them = []
        for _ in range(30):
            wire = opened.enter_context(Wire(gateway.port))
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.socket.settimeout(0.3)
            with suppress(OSError):
                wire.send(wire.request(ProtoId.Qot_GetRatingChange, market=11, count=20) * 20_000)
            them.append(wire.socket)

        def dropped(one: socket.socket) -> bool:
            poll = select.poll()
            poll.register(one, 0)
            # Nothing is read: only the error shows the end.
            return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))

        until(lambda: all(dropped(one) for one in them))


def vanish(one: socket.socket) -> None:
    """Disappear without closing, as in a power failure; fall silent if that is not possible."""
    with suppress(PermissionError):
        one.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        one.close()


def test_who_vanished_is_dropped(gateway: ServingProcess) -> None:
    with unharmed(gateway), ExitStack() as opened:
        for _ in range(20):
            vanish(opened.enter_context(Wire(gateway.port)).socket)
            client = opened.enter_context(websocket(gateway, ping_interval=None))
            client.init("")
        before = files(gateway)
        assert before > 40
        # The WebSocket clients answer pings; the others are gone.
        until(lambda: files(gateway) <= before - 20)


def flood(port: int, sources: list[str], data: bytes = b"") -> None:
    """Open a connection from each of ``sources`` at once, send ``data`` and leave."""
    them: list[socket.socket] = []
    for source in sources:
        one = socket.socket()
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((source, 0))
        with suppress(BlockingIOError):
            one.connect(("127.0.0.1", port))
        them.append(one)
    for one in them:
        with suppress(OSError):
            select.select([], [one], [], 1)
            one.send(data or b"\0")
    for one in them:
        one.close()


@pytest.mark.parametrize("side", ["TCP", "WebSocket"])
def test_thousands_of_connections_at_once(gateway: Serving, side: str) -> None:
    port = gateway.port if side == "TCP" else ws_port(gateway)
    with unharmed(gateway):
        for _ in range(2):
            # select supports 1024 files at most.
            flood(port, ["127.0.0.1"] * 800)
            flood(port, [f"127.{1 + number // 100}.{number % 100}.1" for number in range(800)])
    with Wire(gateway.port) as wire, websocket(gateway) as client:
        client.init("")
        assert wire.dynamic().s2c.netShares == client.dynamic().s2c.netShares == 76041


@pytest.mark.parametrize("workers", ["1", "3"])
def test_one_address_cannot_take_the_places_of_others(sample_url: str, workers: str) -> None:
    options = ("--workers", workers, "--max-connections", "8", "--max-connections-per-address", "3")
    more = ("--lang", "en", "--websocket-port", "0", "--http-port", "0")
    with serving_process(sample_url, *options, *more) as gateway, ExitStack() as opened:
        wires = [opened.enter_context(Wire(gateway.port)) for _ in range(2)]
        client = opened.enter_context(websocket(gateway))
        client.init("")
        with Wire(gateway.port, init=False) as fourth:
            answer = fourth.ask(ProtoId.InitConnect, clientVer=1, clientID="fourth")
            assert (answer.retType, answer.retMsg) == (
                -1,
                "The gateway already serves 3 connections from this address, the most it allows of one; "
                "close another or raise --max-connections-per-address.",
            )
            assert fourth.closed()
        with websocket(gateway) as too_many:
            assert "3 connections from this address" in too_many.init("")[0].retMsg
            assert too_many.close_code() == 1013
        others = [opened.enter_context(connect(gateway.port, "127.0.0.2")) for _ in range(3)]
        for other in others:
            other.sendall(wires[0].request(ProtoId.InitConnect, clientVer=1, clientID="other"))
            assert other.recv(1000).startswith(b"FT")
        metrics = httpx.get(f"{gateway.pages}/metrics").text
        assert 'qotgate_connections_turned_away_total{why="connections"} 0.0' in metrics
        if workers == "1":
            assert 'qotgate_connections_turned_away_total{why="address"} 2.0' in metrics
        opened.pop_all().close()

        def places_again() -> bool:
            with suppress(OSError, EOFError, AssertionError), ExitStack() as again:
                for _ in range(3):
                    again.enter_context(Wire(gateway.port))
                return True
            return False

        until(places_again)


def test_requests_far_over_the_allowance(sample_url: str) -> None:
    with serving_process(sample_url, "--rate-limit", "50/600s", "--lang", "en") as gateway, unharmed(gateway):

        def ask(counts: list[int]) -> None:
            with Wire(gateway.port) as wire:
                question = wire.request(ProtoId.Qot_GetArkStockDynamic, **QUESTION)
                again = wire.request(ProtoId.InitConnect, clientVer=1, clientID="again", packetEncAlgo=-1)
                sender = Thread(target=wire.send, args=((question * 9 + again) * 300,))
                sender.start()
                answers = [wire.answer() for _ in range(3000)]
                sender.join()
                counts.append(sum(answer.retType == 0 for answer in answers))
                assert sum("has done its InitConnect" in answer.retMsg for answer in answers) == 300

        granted: list[int] = []
        threads = [Thread(target=ask, args=(granted,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert len(granted) == 3
        assert sum(granted) <= 50


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
BROKEN = {
    "garbage": bytes(range(256)) * 8,
    "no upgrade": UPGRADE.replace(b"Upgrade: websocket\r\n", b""),
    "another upgrade": UPGRADE.replace(b"websocket", b"h2c"),
    "no connection": UPGRADE.replace(b"Connection: Upgrade\r\n", b""),
    "no key": UPGRADE.replace(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b""),
    "a wrong key": UPGRADE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"eA=="),
    "two keys": UPGRADE.replace(b"Sec-WebSocket-V", b"Sec-WebSocket-Key: eA==\r\nSec-WebSocket-V"),
    "another version": UPGRADE.replace(b"13", b"8"),
    "another method": UPGRADE.replace(b"GET", b"POST"),
    "an old protocol": UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "a body": UPGRADE.replace(b"Host", b"Content-Length: 1000000\r\nHost"),
    "a long line": UPGRADE.replace(b"Host: ", b"Host: " + b"a" * 100_000),
    "many lines": UPGRADE.replace(b"Host", b"X: y\r\n" * 10_000 + b"Host"),
    "no end": UPGRADE[:-4],
    "half a line": UPGRADE[:20],
    "nothing": b"",
    "a text": UPGRADE + b"\x81\x85\0\0\0\0hello",
    "no mask": UPGRADE + b"\x82\x01a",
    "reserved bits": UPGRADE + b"\xf2\x80\0\0\0\0",
    "an unknown kind": UPGRADE + b"\x87\x80\0\0\0\0",
    "a frame of 2 ** 62 bytes": UPGRADE + b"\x82\xff" + struct.pack(">Q", 1 << 62) + bytes(100),
    "a long ping": UPGRADE + b"\x89\xfe\x10\x00" + bytes(4100),
    "a continuation of nothing": UPGRADE + b"\x80\x80\0\0\0\0",
    "an empty message": UPGRADE + b"\x82\x80\0\0\0\0",
    "half a frame": UPGRADE + b"\x82\x8f\0\0",
}


def test_broken_upgrades_and_frames(gateway: ServingProcess) -> None:
    with unharmed(gateway), ExitStack() as opened:
        them = {name: [opened.enter_context(connect(ws_port(gateway))) for _ in range(5)] for name in BROKEN}
        for name, some in them.items():
            for one in some:
                with suppress(OSError):
                    one.sendall(BROKEN[name])
        for name, some in them.items():
            until(lambda some=some: all_closed(some), 30)
            assert name


def test_garbage_on_tcp(gateway: ServingProcess) -> None:
    packets = [
        bytes(100),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\0" + bytes(512),
        b"FT" + b"\xff" * 60,
    ]
    with unharmed(gateway):
        for round_ in range(200):
            flood(gateway.port, ["127.0.0.1"] * 5, packets[round_ % len(packets)])


def test_garbage_where_tls_is_spoken(sample_url: str, certificate: tuple[Path, Path]) -> None:
    cert, key = map(str, certificate)
    tls = ("--websocket-port", "0", "--websocket-cert", cert, "--websocket-private-key", key)
    options = ("--keep-alive-interval", "1", "--rate-limit", "off", *tls)
    with serving_process(sample_url, *options) as gateway, ExitStack() as opened:
        context = ssl.create_default_context(cafile=cert)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        with suppress(ssl.SSLWantReadError):
            context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1").do_handshake()
        hello = outgoing.read()
        with unharmed(gateway):
            them = []
            for data in (b"", UPGRADE, bytes(1000), hello[:50], hello, hello + bytes(100), hello * 2):
                them += [opened.enter_context(connect(ws_port(gateway))) for _ in range(10)]
                for one in them[-10:]:
                    one.sendall(data)
            until(lambda: all_closed(them), 30)
        with websocket(gateway, ssl=context) as client:
            client.init("")
            assert client.dynamic().s2c.netShares == 76041


@pytest.fixture
def questions(sample_url: str, reference: Reference) -> Iterator[Questions]:
    store = Store.open(sample_url)
    yield Questions(store, reference)
    store.close()


def test_the_private_key_works_once_in_a_turn(questions: Questions) -> None:
    class CountedKey(RsaKey):
        used = 0

        def decrypt(self, body: bytes) -> bytes:
            self.used += 1
            return super().decrypt(body)

    async def scenario() -> None:
        key = CountedKey.generate(1024)
        gateway = Gateway(questions, GatewayOptions(rsa_key=key))
        wrong = Frame(1001, 0, 1, b"x" * 50).encode(lambda _body: os.urandom(MAX_RSA_BLOCKS * 128))
        too_long = Frame(1001, 0, 1, b"x").encode(lambda _body: os.urandom((MAX_RSA_BLOCKS + 1) * 128))
        sessions: list[tuple[TcpSession, Transport]] = []
        for _ in range(30):
            session, transport = TcpSession(gateway.tcp), Transport()
            transport.session = session
            session.connection_made(transport)
            session.data_received(wrong * 3)
            sessions.append((session, transport))
        assert key.used == 0
        turns = 0
        while any(transport.answers() < 3 for _, transport in sessions):
            before = key.used
            await asyncio.sleep(0)
            turns += 1
            assert key.used - before <= 1
            if turns == 31:
                # Each had its turn once before any had it twice.
                assert all(transport.answers() >= 1 for _, transport in sessions)
        assert key.used == 90
        session, transport = sessions[0]
        session.data_received(too_long * 100)
        for _ in range(100):
            await asyncio.sleep(0)
        assert (transport.answers(), key.used) == (103, 90)
        # A client that leaves while it waits costs no more work.
        session.data_received(wrong)
        transport.close()
        for _ in range(10):
            await asyncio.sleep(0)
        assert key.used == 90
        await gateway.stop()

    asyncio.run(scenario())


def test_wrong_keys_do_not_starve_others(sample_url: str, tmp_path: Path) -> None:
    key_file = tmp_path / "key.pem"
    run("keygen", key_file)
    options = ("--rsa-key", str(key_file), "--allow-plaintext", "--rate-limit", "off")
    with serving_process(sample_url, *options) as gateway, unharmed(gateway):
        size = RsaKey.load(key_file).block_size
        wrong = Frame(1001, 0, 1, b"x").encode(lambda _body: os.urandom(MAX_RSA_BLOCKS * size))

        def insist() -> None:
            with Wire(gateway.port, init=False) as wire:
                for _ in range(5):
                    wire.send(wrong * 4)
                    assert [wire.answer().retType for _ in range(4)] == [-500] * 4
                done.append(True)

        done: list[bool] = []
        threads = [Thread(target=insist) for _ in range(15)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(done) == 15


HALF_REQUESTS = [
    b"",
    b"GET /healthz HT",
    b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 1000\r\n\r\ntoken=",
    b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /heal",
]


def over_http(questions: Questions, options: WebOptions, scenario: Callable[[str, WebServer], None]) -> None:
    """Run ``scenario`` in a thread, next to a site."""

    async def serve() -> None:
        gateway = Gateway(questions, GatewayOptions(port=0))
        web = WebServer(questions, options, gateway)
        ((listening,),) = listen("127.0.0.1", 0)
        await web.start(listening)
        try:
            await asyncio.to_thread(scenario, web.url, web)
        finally:
            await web.stop()
            await gateway.stop()

    asyncio.run(serve())


def test_half_an_http_request_is_not_waited_for(
    questions: Questions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 1.0)

    def scenario(url: str, web: WebServer) -> None:
        port = int(url.rsplit(":", 1)[1])
        with ExitStack() as opened, httpx.Client(base_url=url) as client:
            them = [opened.enter_context(connect(port)) for _ in range(20) for _ in HALF_REQUESTS]
            for number, one in enumerate(them):
                one.sendall(HALF_REQUESTS[number % len(HALF_REQUESTS)])
            # Byte by byte is no better.
            slow = opened.enter_context(connect(port))
            with suppress(OSError):
                while not closed(slow):
                    slow.send(b"G")
                    assert client.get("/healthz").status_code == 200
            until(lambda: all_closed(them))
            assert client.get("/api/v1/ark/dynamics/US.TSLA").json()["net_shares"] == 76041
            metrics = client.get("/metrics").text
            assert 'qotgate_http_connections_turned_away_total{why="slow"} 101.0' in metrics

    over_http(questions, WebOptions(port=0), scenario)


def test_who_reads_no_http_answer_is_dropped(questions: Questions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "READ_SECONDS", 0.5)

    def scenario(url: str, web: WebServer) -> None:
        with connect(int(url.rsplit(":", 1)[1])) as one, httpx.Client(base_url=url) as client:
            one.settimeout(0.5)
            with suppress(OSError):
                one.sendall(b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 2000)
            slow = 'qotgate_http_connections_turned_away_total{why="slow"} 1.0'
            until(lambda: slow in client.get("/metrics").text)

    over_http(questions, WebOptions(port=0), scenario)


def test_one_address_has_a_part_of_the_http_connections(questions: Questions) -> None:
    def scenario(url: str, web: WebServer) -> None:
        port = int(url.rsplit(":", 1)[1])
        with ExitStack() as opened:
            them = [opened.enter_context(connect(port)) for _ in range(20)]
            # Beyond its limit it gets answers to probes only.
            assert [httpx.get(url + path).status_code for path in ("/healthz", "/readyz", "/")] == [
                200,
                200,
                503,
            ]
            until(lambda: sum(closed(one) for one in them) == 4)
            with connect(port, "127.0.0.2") as other:
                other.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                assert b"200 OK" in other.recv(1000)
        until(lambda: httpx.get(f"{url}/healthz").status_code == 200)

    # A browser opens several connections: fewer than 16 are not refused.
    over_http(questions, WebOptions(port=0, max_connections_per_address=3), scenario)


def test_a_gateway_that_is_full_answers_probes(questions: Questions) -> None:
    def scenario(url: str, web: WebServer) -> None:
        port = int(url.rsplit(":", 1)[1])
        sources = (f"127.0.0.{number % 3 + 1}" for number in range(connections.MAX_CONNECTIONS + 50))
        with ExitStack() as opened:
            for source in sources:
                opened.enter_context(connect(port, source))
            for _ in range(20):
                assert [httpx.get(url + path).status_code for path in ("/healthz", "/readyz")] == [200, 200]
            assert httpx.get(f"{url}/api/v1/ark/holdings").status_code == 503
        until(lambda: httpx.get(f"{url}/api/v1/ark/holdings").status_code == 200)

    over_http(questions, WebOptions(port=0), scenario)
