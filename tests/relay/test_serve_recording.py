"""``qotgate serve --record`` and ``--replay``, from a client's view."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qotgate.protocol.cipher import RsaKey
from qotgate.protocol.frame import PROTOBUF, Frame
from qotgate.protocol.messages import ProtoId
from qotgate.relay.recording import read_lines
from tests.support.commands import run
from tests.support.opend import LOGIN_USER, REAL, SIMULATED, scripted_opend
from tests.support.opend_messages import request, response
from tests.support.opend_session import PUSHES, check, told, told_by_javascript
from tests.support.serving import Serving, serving, serving_process, until
from tests.support.toolchains import rsa_key, websocket_port
from tests.support.wire import Wire

SECURITY = {"market": 11, "code": "TSLA"}
TICKS = request(
    3001,
    securityList=[SECURITY],
    subTypeList=[4],
    isSubOrUnSub=True,
    isRegOrUnRegPush=True,
    isFirstPush=False,
)


@pytest.fixture(autouse=True)
def own_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Use another key for stand-ins than that of the account that runs the tests."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))


def asked(wire: Wire, proto_id: int, body: bytes) -> bytes:
    """The body of the answer to a request."""
    wire.send(Frame(proto_id, PROTOBUF, 5, body).encode())
    frame = wire.receive()
    assert (frame.proto_id, frame.serial) == (proto_id, 5)
    return frame.body


def session(gateway: Serving, pushes: int) -> Iterator[bytes]:
    """A client's session: a subscription, its pushes, the state, ARK's dynamic."""
    with Wire(gateway.port) as wire:
        yield asked(wire, 3001, TICKS)
        for number in range(pushes):
            frame = wire.receive()
            assert response(3011, frame.body).s2c.tickerList[0].sequence == number
            yield frame.body
        state = response(1002, asked(wire, 1002, request(1002, userID=0)))
        state.s2c.ClearField("connID")
        yield state.SerializeToString()
        wire.send(wire.request(ProtoId.Qot_GetArkStockDynamic, security=SECURITY))
        yield wire.receive().body


def test_what_was_recorded_is_replayed(sample_url: str, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    options = ["--rate-limit", "off", "--lang", "en"]
    with (
        scripted_opend(burst=50) as opend,
        serving(
            sample_url, "--upstream", f"127.0.0.1:{opend.port}", "--record", str(path), *options
        ) as gateway,
    ):
        first = list(session(gateway, 50))
        assert opend.asked[3424] == 0
    assert {line.proto for _, line in read_lines(path)} == {1001, 1002, 3001, 3011}
    for _ in range(2):
        with serving(sample_url, "--replay", str(path), "--replay-speed", "0", *options) as gateway:
            assert list(session(gateway, 50)) == first
            with Wire(gateway.port) as wire:
                answer = response(3203, asked(wire, 3203, request(3203, securityList=[SECURITY])))
                assert answer.retType == -1
                assert answer.retMsg == (
                    "The recording has no Qot_GetSecuritySnapshot (3203); "
                    "it has GetGlobalState (1002), Qot_Sub (3001)."
                )
    with (
        serving(sample_url, "--replay", str(path), "--replay-strict", *options) as gateway,
        Wire(gateway.port) as wire,
    ):
        answer = response(1002, asked(wire, 1002, request(1002, userID=0)))
        assert answer.retMsg.startswith("--replay-strict: the next request in this session")


def test_a_killed_gateway_leaves_a_file_that_replays(sample_url: str, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    received: list[Any] = []
    with (
        scripted_opend(burst=100_000) as opend,
        serving_process(
            sample_url, "--upstream", f"127.0.0.1:{opend.port}", "--record", str(path)
        ) as gateway,
        Wire(gateway.port) as wire,
    ):
        asked(wire, 3001, TICKS)
        while len(received) < 300:
            received.append(wire.receive())
        gateway.process.kill()
        gateway.process.wait()
    done = run("recording", "check", path, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # The recording has what the client got.
    assert found["answers"] == 1
    assert found["pushes"] >= len(received)
    with (
        serving(sample_url, "--replay", str(path), "--replay-speed", "0") as gateway,
        Wire(gateway.port) as wire,
    ):
        asked(wire, 3001, TICKS)
        assert [wire.receive().body for _ in received] == [frame.body for frame in received]


def test_two_gateways_do_not_record_into_one_file(sample_url: str, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    with scripted_opend() as opend:
        options = ["--upstream", f"127.0.0.1:{opend.port}", "--record", str(path)]
        with serving(sample_url, *options):
            done = run("serve", "--db", sample_url, "--port", "0", "--no-http", *options)
    # The first gateway, in a thread of this process, may log that OpenD is there before it.
    *_, said = done.stderr.splitlines()
    assert (done.returncode, said) == (2, f"qotgate: Another gateway is recording into {path}.")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--record", "x"], "--record takes --upstream HOST:PORT, too."),
        (["--replay", "nothing"], "The recording nothing cannot be read: No such file or directory."),
        (["--replay-strict"], "--replay-speed and --replay-strict take --replay FILE, too."),
        (["--replay-speed", "2"], "--replay-speed and --replay-strict take --replay FILE, too."),
        (
            ["--replay", "x", "--replay-speed", "-1"],
            "--replay-speed takes a number of 0 or more, not '-1'.",
        ),
        (
            ["--replay", "x", "--workers", "2"],
            "--replay takes one process: leave out --workers",
        ),
        (["--upstream", "localhost:9", "--replay", "x"], "--replay answers in place of --upstream"),
    ],
)
def test_options_that_do_not_go_together(sample_url: str, options: list[str], said: str) -> None:
    done = run("serve", "--db", sample_url, "--port", "0", *options)
    assert done.returncode == 2
    assert done.stderr.startswith(f"qotgate: {said}")


@pytest.mark.slow
@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("package", ["futu", "moomoo"])
def test_published_clients_are_told_the_same(
    sample_url: str, tmp_path: Path, package: str, encrypted: bool
) -> None:
    """The same DataFrames and pushes, directly from OpenD and from its recording, except for stand-ins."""
    path = tmp_path / "session.jsonl"
    ours, theirs = (rsa_key(tmp_path / name) if encrypted else None for name in ("ours.pem", "theirs.pem"))
    key = ["--rsa-key", str(ours)] if encrypted else []
    with scripted_opend(RsaKey.load(theirs) if theirs else None, burst=PUSHES) as opend:
        options = ["--upstream", f"127.0.0.1:{opend.port}", "--upstream-trade", "--record", str(path), *key]
        if encrypted:
            options += ["--upstream-rsa-key", str(theirs)]
        with serving(sample_url, *options) as gateway:
            recorded = told(package, gateway.port, ours, tmp_path)
    check(recorded)
    for _ in range(2):
        with serving(sample_url, "--replay", str(path), "--replay-speed", "0", *key) as gateway:
            replayed = told(package, gateway.port, ours, tmp_path)
        assert without_ids(replayed) == without_ids(recorded)
    text = path.read_text(encoding="utf-8")
    for secret in (LOGIN_USER, SIMULATED, REAL, "1001234567890123", "FH0000000000000001"):
        assert str(secret) not in text
    for line in text.splitlines():
        assert json.loads(line).get("proto") != 2005


@pytest.mark.slow
def test_javascript_is_told_the_same(sample_url: str, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    websocket = ["--websocket-port", "0", "--websocket-key", "k"]
    with (
        scripted_opend(burst=PUSHES) as opend,
        serving(
            sample_url, "--upstream", f"127.0.0.1:{opend.port}", "--record", str(path), *websocket
        ) as gateway,
    ):
        recorded = told_by_javascript(websocket_port(gateway, "ws"), tmp_path)
    assert recorded["pushed"] == [str(number) for number in range(PUSHES)]
    with serving(sample_url, "--replay", str(path), "--replay-speed", "0", *websocket) as gateway:
        assert told_by_javascript(websocket_port(gateway, "ws"), tmp_path) == recorded


def without_ids(told: Any) -> Any:
    """A script's report without the values that a recording replaces, and without the wrong password: a
    replay accepts any password."""
    if isinstance(told, list):
        return [without_ids(part) for part in told if not (isinstance(part, list) and part[:1] == ["wrong"])]
    if isinstance(told, dict) and "columns" in told:
        kept = [number for number, column in enumerate(told["columns"]) if column not in IDS]
        return [[row[number] for number in kept] for row in [told["columns"], *told["data"]]]
    if isinstance(told, dict):
        return {name: without_ids(value) for name, value in told.items() if name not in IDS}
    return told


IDS = {"acc_id", "card_num", "uni_card_num", "order_id", "conn_id", "local_timestamp"}
"""The fields that a recording replaces, and the client's clock."""


def test_recording_holds_up_little(sample_url: str, tmp_path: Path) -> None:
    """All pushes arrive while they are recorded."""
    path = tmp_path / "session.jsonl"
    with (
        scripted_opend(burst=2000) as opend,
        serving(sample_url, "--upstream", f"127.0.0.1:{opend.port}", "--record", str(path)) as gateway,
        Wire(gateway.port) as wire,
    ):
        began = time.monotonic()
        asked(wire, 3001, TICKS)
        numbers = [response(3011, wire.receive().body).s2c.tickerList[0].sequence for _ in range(2000)]
        assert numbers == list(range(2000))
        until(lambda: sum(line.is_push for _, line in read_lines(path)) == 2000)
        print(f"{2000 / (time.monotonic() - began):,.0f} pushes a second")
