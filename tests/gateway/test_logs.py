"""The log has the clients, the requests and the end of each connection, line by line, and no secret."""

import re
import socket
import struct
import time
from pathlib import Path

import httpx

from qotgate.protocol.messages import ProtoId
from qotgate.serving.log import Harmless
from tests.support.logs import logged
from tests.support.wire import Wire


def test_a_connection_is_told_of_from_first_to_last(sample_url: str, tmp_path: Path) -> None:
    with logged(tmp_path, sample_url) as (gateway, lines):
        with Wire(gateway.port) as wire:
            peer = "{}:{}".format(*wire.socket.getsockname())
            wire.dynamic()
        (closed,) = lines.wait_for("connection closed")
        (opened,) = lines.all("client connected")
        assert (opened["peer"], closed["peer"]) == (peer, peer)
        assert opened["connection"] == closed["connection"]
        assert (opened["client"], closed["reason"]) == ("test", "the client closed it")
        with Wire(gateway.port) as wire:
            wire.send(b"HTTP/1.1 please")
            assert wire.closed()
        _, broken = lines.wait_for("connection closed", 2)
        assert (broken["level"], "instead of b'FT'" in broken["reason"]) == ("warning", True)
        with Wire(gateway.port) as wire:
            gateway.stop()
        assert lines.wait_for("connection closed", 3)[2]["reason"] == "the gateway stops"
        assert [line["event"] for line in lines.all()][:1] == ["gateway started"]
        assert lines.all("gateway started")[0]["addresses"] == [f"127.0.0.1:{gateway.port}"]
        assert lines.all("gateway stopping")[0]["reason"] == "SIGTERM"
        assert lines.all()[-1]["event"] == "gateway stopped"


def test_requests_are_numbered_and_logged_where_asked_for(sample_url: str, tmp_path: Path) -> None:
    with logged(tmp_path, sample_url, "--log-level", "debug", "--rate-limit", "2/3600s") as (gateway, lines):
        with Wire(gateway.port) as one, Wire(gateway.port) as two:
            for _ in range(3):
                one.dynamic()
            two.dynamic("no such *")
            two.send(two.request(ProtoId.KeepAlive, time=1)[:-1] + b"\0")
            two.answer()
        found = lines.wait_for("request", 7)
        assert len({line["request"] for line in found}) == 7
        outcomes = [line["outcome"] for line in found if line["interface"] != "InitConnect"]
        assert outcomes == ["answered", "kept", "refused: rate_limited", *outcomes[3:]]
        assert outcomes[3].startswith("refused: ") and outcomes[4] == "refused: bad_digest"
        assert all(line["request"].startswith(f"{line['connection']}-") for line in found)
        assert all(line["ms"] >= 0 and line["peer"] for line in found)


def test_by_default_only_slow_requests_have_a_line(sample_url: str, tmp_path: Path) -> None:
    for options, expected in ((), 0), (("--slow-seconds", "0.000001"), 1):
        with logged(tmp_path, sample_url, *options) as (gateway, lines):
            with Wire(gateway.port) as wire:
                wire.dynamic()
            lines.wait_for("connection closed")
            assert len(lines.all("slow request")) == expected
            assert not lines.all("request")


def test_a_load_is_logged_as_moved_data(tmp_path: Path) -> None:
    from tests.support.commands import run
    from tests.support.paths import SAMPLE

    url = f"sqlite:///{tmp_path / 'own.db'}"
    with logged(tmp_path, url) as (_, lines):
        lines.wait_for("gateway started")
        # The state is checked once a second, and the first check reports nothing.
        time.sleep(1.5)
        assert run("load", SAMPLE, "--db", url).returncode == 0
        assert "generation" in lines.wait_for("data moved")[0]["to"]


def test_http_requests_have_ids(sample_url: str, tmp_path: Path) -> None:
    # A slow request gets another line, and a busy machine has slow requests.
    options = ("--http-port", "0", "--log-level", "debug", "--slow-seconds", "0", "--lang", "en")
    with logged(tmp_path, sample_url, *options) as (gateway, lines):
        assert gateway.pages is not None
        with httpx.Client(base_url=gateway.pages, timeout=60) as web:
            brought = web.get("/healthz?token=abc", headers={"X-Request-ID": "job-7.a_B"})
            assert brought.headers["X-Request-ID"] == "job-7.a_B"
            for harmful in ("a b", "x" * 65, 'a"b', "a\\n"):
                own = web.get("/healthz", headers={"X-Request-ID": harmful}).headers["X-Request-ID"]
                assert re.fullmatch("[0-9a-f]{16}", own)
            page = web.get("/nowhere")
            assert page.headers["X-Request-ID"] in page.text
            problem = web.get("/api/v1/ark/dynamics/nothing")
            assert problem.json()["request"] == problem.headers["X-Request-ID"]
        found = lines.wait_for("request", 7)
        assert (found[0]["request"], found[0]["path"], found[0]["status"]) == ("job-7.a_B", "/healthz", 200)
        assert page.headers["X-Request-ID"] in [line["request"] for line in found]
        assert "abc" not in lines.text


def test_what_clients_send_stays_on_its_line(sample_url: str, tmp_path: Path) -> None:
    name = 'x\n2026-01-01T00:00:00Z [info] forged\r\x1b[2J\u202e\u2028"' + "y" * 5000
    for form in ("text", "json"):
        with logged(tmp_path, sample_url, "--log-format", form, "--log-level", "debug") as (gateway, lines):
            with Wire(gateway.port, init=False) as wire:
                wire.ask(ProtoId.InitConnect, clientVer=1, clientID=name, packetEncAlgo=-1)
                wire.dynamic(name[:60])
            gateway.stop()
            text = lines.text
        assert "forged" in text
        assert not [line for line in text.splitlines() if line.startswith("2026-01-01")]
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]", text)
        assert "y" * 600 not in text


def test_a_traceback_is_set_in_and_harmless() -> None:
    shown = Harmless(["s3cret"])(None, "", {"exception": "Trace\nforged s3cret \x1b[2J", "n": 1})
    assert shown == {"exception": "    Trace\n    forged *** \\x1b[2J", "n": 1}


def test_a_flood_of_refused_connections_is_one_line_a_second(sample_url: str, tmp_path: Path) -> None:
    with logged(tmp_path, sample_url, "--max-connections", "1") as (gateway, lines):
        with Wire(gateway.port):
            for _ in range(200):
                with socket.create_connection(("127.0.0.1", gateway.port)) as one:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            deadline = time.monotonic() + 20
            while sum(line["number"] for line in lines.all("connections refused")) < 200:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert len(lines.all()) < 40
