"""One gateway takes over from another under load: no client gets an error or a wrong answer or waits for
ever, and the allowance continues."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.sync.client import connect

from qotgate import AsyncQuoteClient, QuoteClient
from qotgate.model import QotGateError
from qotgate.protocol.cipher import RsaKey
from qotgate.protocol.messages import ProtoId
from qotgate.serving.handover import STATE, Inheritance, inherit, send
from tests.support.limit_stores import StoreServer
from tests.support.serving import QOTGATE
from tests.support.websocket import KEY, WebSocket
from tests.support.wire import Wire, free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the handover takes Linux"),
]

CODES = ("US.TSLA", "US.ROKU", "US.ZM", "US.COIN")
PUBLISHED = r"""
import sys
from futu import OpenQuoteContext, SysConfig
if sys.argv[2]:
    SysConfig.enable_proto_encrypt(True)
    SysConfig.set_init_rsa_file(sys.argv[2])
SysConfig.set_all_thread_daemon(True)
quote = OpenQuoteContext(host="127.0.0.1", port=int(sys.argv[1]))
lost = []
quote.on_disconnect = lambda *_: lost.append(1)
expected = quote.get_ark_stock_dynamic("US.TSLA")
assert expected[0] == 0, expected
asked = 0
print("ready\n", end="", flush=True)
import threading
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
while not stop.is_set():
    answer = quote.get_ark_stock_dynamic("US.TSLA")
    assert answer == expected, answer
    asked += 1
print(f"asked {asked} {quote.get_sync_conn_id()}\n", end="", flush=True)
"""


class Chain:
    """Gateways, each of which takes over from the one before."""

    def __init__(self, folder: Path, url: str, *options: str) -> None:
        self.port, self.websocket_port, self.http_port = free_port(), free_port(), free_port()
        self.socket = folder / "handover"
        self.log = folder / "gateway.log"
        self._command = [*QOTGATE, "serve", "--port", str(self.port), "--db", url, "--lang", "en"]
        self._command += ["--handover", str(self.socket), *options]
        self.process: subprocess.Popen[str] | None = None

    def start(self, *options: str, wait: bool = True) -> subprocess.Popen[str]:
        """Start a gateway, and wait until it serves and its predecessor has ended."""
        with self.log.open("a") as log:
            new = subprocess.Popen([*self._command, *options], stdout=subprocess.PIPE, stderr=log, text=True)
        assert new.stdout is not None
        line = new.stdout.readline()
        assert f"listens on 127.0.0.1:{self.port}" in line, (line, self.log.read_text())
        old, self.process = self.process, new
        if old is not None and wait:
            assert old.wait(20) == 0, self.log.read_text()
        return new

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(20)


@contextmanager
def chain(folder: Path, url: str, *options: str) -> Iterator[Chain]:
    gateways = Chain(folder, url, *options)
    try:
        yield gateways
    finally:
        if gateways.process is not None and gateways.process.poll() is None:
            gateways.process.kill()
            gateways.process.wait(10)


class Load:
    """Clients that keep asking in threads; ``done`` counts their answers, ``failed`` has the errors."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.failed: list[str] = []
        self._stop = Event()
        self._threads: list[Thread] = []

    def run(self, name: str, ask_once: Callable[[], object], expected: object = None) -> None:
        expected = ask_once() if expected is None else expected

        def work() -> None:
            while not self._stop.is_set():
                try:
                    answer = ask_once()
                except Exception as error:
                    self.failed.append(f"{name}: {error!r}")
                    return
                if answer != expected:
                    self.failed.append(f"{name}: {answer} instead of {expected}")
                    return
                self.done[name] += 1

        self._threads.append(Thread(target=work, daemon=True))
        self._threads[-1].start()

    def until_all_have_gone_on(self) -> None:
        """Wait until each client has had some more answers, or failed."""
        before = self.done.copy()
        deadline = time.monotonic() + 20
        while not self.failed and any(self.done[name] < count + 5 for name, count in before.items()):
            assert time.monotonic() < deadline, (before, self.done)
            time.sleep(0.02)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive(), "a client waits in vain"


def many_at_once(port: int, load: Load) -> Callable[[], None]:
    """An asyncio client with a hundred pending questions. Returns a function that stops it."""
    stopping = Event()

    async def ask_on() -> None:
        async with AsyncQuoteClient(port=port) as client:
            expected = {code: await client.ark_dynamic(code) for code in CODES}

            async def one(code: str) -> None:
                while not stopping.is_set():
                    answer = await client.ark_dynamic(code)
                    if answer != expected[code]:
                        load.failed.append(f"asyncio: {answer}")
                    load.done["asyncio"] += 1

            await asyncio.gather(*(one(code) for code in CODES * 25))

    def work() -> None:
        try:
            asyncio.run(ask_on())
        except Exception as error:
            load.failed.append(f"asyncio: {error!r}")

    thread = Thread(target=work, daemon=True)
    thread.start()

    def stop() -> None:
        stopping.set()
        thread.join(20)
        assert not thread.is_alive()

    return stop


def test_nobody_notices_a_restart(sample_url: str, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(RsaKey.generate(1024).pem())
    load = Load()
    with ExitStack() as opened:
        gateways = opened.enter_context(chain(tmp_path, sample_url, "--rate-limit", "off"))
        gateways._command += ["--websocket-port", str(gateways.websocket_port)]
        gateways._command += ["--http-port", str(gateways.http_port), "--websocket-key", KEY]
        gateways._command += ["--rsa-key", str(key), "--allow-plaintext"]
        gateways.start()
        homes = [tmp_path / f"home{number}" for number in range(2)]
        for home in homes:
            home.mkdir()
        published = [
            opened.enter_context(
                subprocess.Popen(
                    [sys.executable, "-W", "ignore", "-c", PUBLISHED, str(gateways.port), one],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    # The published package makes a folder there, and two at once would collide.
                    env={**os.environ, "HOME": str(home)},
                )
            )
            for home, one in zip(homes, ("", str(key)), strict=True)
        ]
        for process in published:
            assert process.stdout is not None
            assert next(line for line in process.stdout if line.startswith("ready"))
        client = opened.enter_context(QuoteClient(port=gateways.port))
        load.run("QuoteClient", lambda: client.ark_dynamic("US.TSLA"))
        encrypted = opened.enter_context(QuoteClient(port=gateways.port, rsa_key=key))
        load.run("encrypted", lambda: encrypted.ark_dynamic("US.ROKU"))
        wire = opened.enter_context(Wire(gateways.port))
        load.run("one connection", wire.dynamic)

        def new_connection() -> Any:
            with Wire(gateways.port) as new:
                return new.dynamic()

        load.run("new connections", new_connection)
        url = f"ws://127.0.0.1:{gateways.websocket_port}"
        kept: list[WebSocket] = []

        def kept_websocket() -> Any:
            if not kept or kept[-1].connection.protocol.close_rcvd is not None:
                kept.append(WebSocket(opened.enter_context(connect(url, compression=None))))
                kept[-1].init()
            return kept[-1].dynamic()

        def new_websocket() -> Any:
            with connect(url, compression=None) as new:
                WebSocket(new).init()
                return WebSocket(new).dynamic()

        def again_at_a_restart(ask: Callable[[], Any]) -> Any:
            """Ask like a client that reconnects after a service restart."""
            while True:
                try:
                    return ask()
                except ConnectionClosed as closed:
                    assert closed.rcvd is not None, closed
                    assert closed.rcvd.code == CloseCode.SERVICE_RESTART, closed

        load.run("WebSocket", lambda: again_at_a_restart(kept_websocket))
        load.run("new WebSockets", lambda: again_at_a_restart(new_websocket))
        web = opened.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{gateways.http_port}"))
        load.run("HTTP", lambda: web.get("/api/v1/ark/dynamics/US.TSLA").json())
        stop_many = many_at_once(gateways.port, load)
        # From one process to one, to more, to fewer, and back.
        for workers in ("1", "3", "2", "1"):
            load.until_all_have_gone_on()
            gateways.start("--workers", workers)
        load.until_all_have_gone_on()
        assert len(kept) == 5
        stop_many()
        load.stop()
        asked: list[int] = []
        for process in published:
            out, _ = process.communicate("\n", timeout=20)
            assert process.returncode == 0, gateways.log.read_text()
            assert re.search(r"asked \d+", out)
            asked.append(int(out.split()[1]))
        assert load.failed == [], gateways.log.read_text()
        assert wire.ask(ProtoId.KeepAlive, time=7).s2c.time == 7
        assert gateways.stop() == 0
        told = gateways.log.read_text()
        assert "error" not in told
        assert not gateways.socket.exists()
        print(load.done, asked)


def dynamics(wire: Wire, count: int) -> list[int]:
    return [wire.dynamic().retType for _ in range(count)]


@pytest.mark.parametrize(
    ("first", "next_"),
    [((), ()), ((), ("--workers", "2")), (("--workers", "2"), ())],
    ids=["one process", "to workers", "from workers"],
)
def test_the_allowance_goes_on(
    sample_url: str, tmp_path: Path, first: tuple[str, ...], next_: tuple[str, ...]
) -> None:
    options = ("--rate-limit", "20/3600s", "--no-http")
    with chain(tmp_path, sample_url, *options) as gateways:
        gateways.start(*first)
        with Wire(gateways.port) as wire:
            assert dynamics(wire, 12) == [0] * 12
            gateways.start(*next_)
            with Wire(gateways.port) as new:
                assert dynamics(wire, 4) + dynamics(new, 6) == [0] * 8 + [-1] * 2
        assert gateways.stop() == 0


def test_the_allowance_of_a_connection_goes_with_it(sample_url: str, tmp_path: Path) -> None:
    options = ("--rate-limit", "5/3600s", "--rate-limit-scope", "connection", "--no-http")
    with chain(tmp_path, sample_url, *options) as gateways:
        gateways.start()
        with Wire(gateways.port) as wire:
            assert dynamics(wire, 3) == [0] * 3
            gateways.start()
            with Wire(gateways.port) as new:
                assert (dynamics(wire, 4), dynamics(new, 5)) == ([0, 0, -1, -1], [0] * 5)


def test_half_a_request_and_an_answer_that_is_not_read_go_on(sample_url: str, tmp_path: Path) -> None:
    with chain(tmp_path, sample_url, "--rate-limit", "off", "--no-http") as gateways:
        gateways.start()
        with Wire(gateways.port) as wire, Wire(gateways.port, init=False) as silent:
            request = wire.request(ProtoId.Qot_GetArkStockDynamic, security={"market": 11, "code": "TSLA"})
            assert wire.dynamic().retType == 0
            wire.send(request + request[:50])
            gateways.start()
            wire.send(request[50:])
            assert [wire.answer().retType, wire.answer().retType] == [0, 0]
            answer = silent.ask(ProtoId.InitConnect, clientVer=1, clientID="late", packetEncAlgo=-1)
            assert answer.retType == 0
            assert silent.dynamic().retType == 0


def test_a_client_that_does_not_read_is_dropped_in_time(sample_url: str, tmp_path: Path) -> None:
    options = ("--rate-limit", "off", "--no-http", "--drain-seconds", "1")
    with chain(tmp_path, sample_url, *options) as gateways:
        first = gateways.start()
        with Wire(gateways.port) as deaf:
            question = deaf.request(ProtoId.Qot_GetRatingChange, market=11, count=20)
            deaf.socket.settimeout(1)
            with pytest.raises(TimeoutError):
                while True:
                    deaf.send(question * 100)
            gateways.start()
            assert first.returncode == 0
        assert "left" in gateways.log.read_text()


def test_a_gateway_that_cannot_serve_takes_nothing_over(sample_url: str, tmp_path: Path) -> None:
    with chain(tmp_path, sample_url, "--no-http") as gateways:
        first = gateways.start()
        with Wire(gateways.port) as wire:
            for wrong in (("--rsa-key", str(tmp_path / "none.pem")), ("--db", f"sqlite:///{tmp_path}/")):
                done = subprocess.run(
                    [*gateways._command, *wrong], capture_output=True, text=True, timeout=30, check=False
                )
                assert (done.returncode, done.stderr.startswith("qotgate: ")) == (2, True)
            # One that ends after it got the sockets.
            peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            peer.connect(str(gateways.socket))
            peer.settimeout(10)
            inheritance = Inheritance(peer, 1)
            assert len(inheritance.listening["tcp"]) == 1
            peer.close()
            for one in inheritance.listening["tcp"]:
                one.close()
            for _ in range(20):
                with Wire(gateways.port) as new:
                    assert new.dynamic().retType == 0
            assert wire.dynamic().retType == 0
        assert first.poll() is None
        gateways.start()
        assert gateways.stop() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_one_whom_the_limit_store_refuses_takes_nothing_over(
    sample_url: str, tmp_path: Path, new_store: Callable[..., StoreServer], workers: str
) -> None:
    store = new_store(options=("--requirepass", "right"))
    right, wrong = (store.url.replace("//", f"//:{password}@") for password in ("right", "wrong"))
    with chain(tmp_path, sample_url, "--no-http", "--workers", workers, "--limit-store", right) as gateways:
        first = gateways.start()
        with Wire(gateways.port) as wire:
            command = [*gateways._command, "--limit-store", wrong]
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
            assert (done.returncode, "refuses this gateway" in done.stderr) == (2, True)
            assert wire.dynamic().retType == 0
        with Wire(gateways.port) as new:
            assert new.dynamic().retType == 0
        assert first.poll() is None
        gateways.start()
        assert gateways.stop() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_one_that_hangs_while_it_starts_is_passed_by(sample_url: str, tmp_path: Path, workers: str) -> None:
    with chain(tmp_path, sample_url, "--no-http", "--workers", workers) as gateways:
        gateways.start()
        with Wire(gateways.port) as wire:
            hanging = inherit(gateways.socket, 1)
            assert hanging is not None
            assert wire.dynamic().retType == 0
            gateways.start()
            assert wire.dynamic().retType == 0
            with pytest.raises(QotGateError, match="cannot be taken over, or another one is about to"):
                hanging.go()
            for one in [*hanging.listening["tcp"], *hanging.channels]:
                one.close()
            assert wire.dynamic().retType == 0
        assert gateways.stop() == 0


def test_a_gateway_of_another_version_gets_the_sockets_and_the_rest_is_drained(
    sample_url: str, tmp_path: Path
) -> None:
    with chain(tmp_path, sample_url, "--no-http") as gateways:
        first = gateways.start()
        with Wire(gateways.port) as wire:
            assert wire.dynamic().retType == 0
            peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            peer.connect(str(gateways.socket))
            peer.settimeout(10)
            inheritance = Inheritance(peer, 1)
            send(peer, {"go": 99})
            assert first.wait(20) == 0
            assert wire.closed()
        # The port still exists, and new connections wait for the next gateway.
        (listening,) = inheritance.listening["tcp"]
        with socket.create_connection(("127.0.0.1", gateways.port), 5):
            listening.settimeout(5)
            listening.accept()[0].close()
        listening.close()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_one_that_vanishes_after_it_took_over_leaves_none_that_does_not_serve(
    sample_url: str, tmp_path: Path, workers: str
) -> None:
    """The supervisor of the gateway sees that it has failed, and restarts it."""
    options = ("--no-http", "--drain-seconds", "1", "--workers", workers)
    with chain(tmp_path, sample_url, *options) as gateways:
        first = gateways.start()
        with Wire(gateways.port) as wire:
            assert wire.dynamic().retType == 0
            inheritance = inherit(gateways.socket, 1)
            assert inheritance is not None
            send(inheritance._peer, {"go": STATE})
            inheritance._peer.close()
            for one in [*inheritance.listening["tcp"], *inheritance.channels]:
                one.close()
            assert first.wait(20) == 2
            assert wire.closed()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_strangers_and_nonsense_at_the_socket_change_nothing(
    sample_url: str, tmp_path: Path, workers: str
) -> None:
    with chain(tmp_path, sample_url, "--no-http", "--workers", workers) as gateways:
        first = gateways.start()
        files = Path(f"/proc/{first.pid}/fd")
        before = len(list(files.iterdir()))
        assert oct(gateways.socket.stat().st_mode)[-3:] == "600"
        for nonsense in (
            b"",
            b"x",
            b"{}",
            b'{"hello": 99}',
            b'{"channel": 1}',
            b"[]",
            b"1" * 1000,
            b"[" * 100_000,
        ):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
                peer.connect(str(gateways.socket))
                peer.settimeout(10)
                if nonsense:
                    socket.send_fds(peer, [nonsense], [0])
                    with suppress(ConnectionError):
                        assert peer.recv(10) == b""
        deadline = time.monotonic() + 10
        while len(list(files.iterdir())) > before:
            assert time.monotonic() < deadline, "what came with nonsense stays open"
            time.sleep(0.05)
        with Wire(gateways.port) as wire:
            assert wire.dynamic().retType == 0
        gateways.start()
        assert gateways.stop() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_signal_ends_it_at_once(sample_url: str, tmp_path: Path, workers: str) -> None:
    options = ("--rate-limit", "off", "--no-http", "--drain-seconds", "3000", "--workers", workers)
    with chain(tmp_path, sample_url, *options) as gateways:
        process = gateways.start()
        with Wire(gateways.port) as deaf:
            question = deaf.request(ProtoId.Qot_GetRatingChange, market=11, count=20)
            deaf.socket.settimeout(1)
            with pytest.raises(TimeoutError):
                while True:
                    deaf.send(question * 100)
            process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(2)
            process.send_signal(signal.SIGINT)
            process.wait(10)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_systemd_is_told(sample_url: str, tmp_path: Path, workers: str) -> None:
    told: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(20)

        def hear(word: str) -> None:
            while not any(word in one for one in told):
                told.append(notify.recv(1000).decode())

        command = [*QOTGATE, "serve", "--port", "0", "--no-http", "--db", sample_url, "--workers", workers]
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"}
        with subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            hear(f"MAINPID={process.pid}")
            hear("WATCHDOG=1")
            process.send_signal(signal.SIGHUP)
            hear("RELOADING=1\nMONOTONIC_USEC=")
            told.clear()
            hear("WATCHDOG=1")
            process.terminate()
            hear("STOPPING=1")
            assert process.wait(20) == 0
