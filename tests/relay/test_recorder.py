"""The contents of a recording of OpenD's sessions, and its replay."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from qotgate.model import InvalidRequest, QotGateError
from qotgate.protocol.frame import JSON, PROTOBUF, Frame
from qotgate.relay.bodies import Body, read_body
from qotgate.relay.contents import look_for_personal, read_contents, try_replay
from qotgate.relay.opend import OpenD, OpenDOptions
from qotgate.relay.published import Messages, known_messages, own_messages
from qotgate.relay.recorded import Recording
from qotgate.relay.recorder import Recorder, RecordingUpstream
from qotgate.relay.recording import RecordingFile, read_lines
from qotgate.relay.replay import Replay
from tests.support.opend import LOGIN_USER, PASSWORD_MD5, REAL, SIMULATED, ScriptedOpenD, scripted_opend
from tests.support.paths import ROOT
from tests.support.recordings import UpstreamClient, sub

KEY = b"k" * 32


@asynccontextmanager
async def recording(opend: ScriptedOpenD, path: Path, messages: Messages | None = None) -> AsyncIterator[Any]:
    """A recorder of the OpenD, with its file at ``path``."""
    link = OpenD(OpenDOptions("127.0.0.1", opend.port, trade=True))
    file = RecordingFile(path, (messages or known_messages()).source)
    upstream = RecordingUpstream(link, Recorder(file, KEY, messages))
    await upstream.start()
    try:
        yield upstream
    finally:
        await upstream.close()


async def trade(client: UpstreamClient) -> list[Any]:
    """A bot's session: read, unlock, order, change the order, read it again. Returns the answers."""
    user = client.session.s2c.loginUserID
    told = [await client.ask(3001, **sub(["TSLA", "AAPL"]))]
    accounts = await client.ask(2001, userID=user)
    simulated, real = accounts.s2c.accList
    told += [accounts, await client.ask(2005, unlock=True, pwdMD5=PASSWORD_MD5)]
    told.append(await client.ask(2008, accIDList=[simulated.accID, real.accID]))
    for account in (simulated, real):
        header = {"trdEnv": account.trdEnv, "accID": account.accID, "trdMarket": 2}
        packet = {"connID": client.session.s2c.connID, "serialNo": client.serial + 1}
        order = {"trdSide": 1, "orderType": 1, "code": "TSLA", "qty": 5.0, "price": 300.0, "remark": "grid-1"}
        told.append(await client.ask(2202, packetID=packet, header=header, **order))
        packet["serialNo"] += 1
        change = {"orderID": told[-1].s2c.orderID, "orderIDEx": told[-1].s2c.orderIDEx, "modifyOrderOp": 2}
        told.append(await client.ask(2205, packetID=packet, header=header, **change))
        told.append(await client.ask(2201, header=header))
    return told


def test_a_session_replays_and_has_nothing_personal(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"

    async def run() -> None:
        with scripted_opend() as opend:
            async with recording(opend, path) as upstream:
                client = await UpstreamClient.connected(upstream)
                told = await trade(client)
                opend.do(lambda: opend.publish(range(10)))
                pushes = await client.pushed(10 * 2 + 4)
                client.session.close()
        assert {answer.retType for answer in told} == {0}
        replayed = await UpstreamClient.connected(Replay(Recording(path), speed=0))
        again = await trade(replayed)
        assert [known(answer) for answer in again] == [known(answer) for answer in told]
        repeated = await replayed.pushed(len(pushes))
        # In the order of each subscription: those about orders come with the orders, here before the quotes.
        for proto_id in (3005, 2208):
            kind = known_messages().responses[proto_id]
            first = [known(push) for push in pushes if isinstance(push, kind)]
            assert first
            assert [known(push) for push in repeated if isinstance(push, kind)] == first

    asyncio.run(run())
    text = path.read_text(encoding="utf-8")
    for secret in (LOGIN_USER, SIMULATED, REAL, PASSWORD_MD5, "1001234567890123", "FH0000000000000001"):
        assert str(secret) not in text
    assert "UnlockTrade" not in text
    assert path.stat().st_mode & 0o077 == 0


def known(message: Any) -> str:
    """A message without the fields that a recording replaces."""
    copy = type(message)()
    copy.CopyFrom(message)
    for account in getattr(copy.s2c, "accList", ()):
        account.accID, account.cardNum = 0, ""
    if hasattr(copy.s2c, "header"):
        copy.s2c.header.accID = 0
    orders = [*getattr(copy.s2c, "orderList", ())]
    if "order" in copy.s2c.DESCRIPTOR.fields_by_name:
        orders.append(copy.s2c.order)
    for order in orders:
        order.orderID, order.orderIDEx = 0, ""
    if hasattr(copy.s2c, "orderIDEx"):
        copy.s2c.orderID, copy.s2c.orderIDEx = 0, ""
    return str(copy)


def test_a_person_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"

    async def run() -> None:
        with scripted_opend(slow={3001: 1.0}) as opend:
            async with recording(opend, path) as upstream:
                client = await UpstreamClient.connected(upstream)
                slow = asyncio.create_task(client.ask(3001, **sub(["TSLA"])))
                await asyncio.sleep(0)
                await client.ask(3219, market=2, beginTime="2026-06-01", endTime="2026-06-02")
                await slow
                opend.do(lambda: opend.publish(range(1)))
                await client.pushed(1)

    asyncio.run(run())
    header, login, days, subscription, push = [json.loads(line) for line in path.read_text().splitlines()]
    assert header["qotgate_recording"] == 1
    assert header["messages"] == known_messages().source
    assert (login["session"], login["n"], login["name"]) == (1, 0, "InitConnect")
    assert login["request"]["c2s"]["clientVer"] == 1011
    assert login["response"]["s2c"]["serverVer"] == 1009
    assert days["request"] == {"c2s": {"market": 2, "beginTime": "2026-06-01", "endTime": "2026-06-02"}}
    assert [day["time"] for day in days["response"]["s2c"]["tradeDateList"]] == ["2026-06-01", "2026-06-02"]
    # In the order of the answers; the number is that of the requests.
    assert [(line["n"], line["name"]) for line in (days, subscription)] == [
        (2, "Qot_RequestTradeDate"),
        (1, "Qot_Sub"),
    ]
    assert subscription["took"] >= 0.2
    assert 0 <= login["at"] <= days["at"] <= subscription["at"] <= push["at"] < 60
    assert push["name"] == "Qot_UpdateBasicQot"
    assert push["push"]["s2c"]["basicQotList"][0]["security"] == {"market": 11, "code": "TSLA"}


def test_it_goes_on_where_a_file_ends(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"

    async def run(cut: int) -> None:
        with scripted_opend() as opend:
            async with recording(opend, path) as upstream:
                client = await UpstreamClient.connected(upstream)
                await client.ask(2001, userID=LOGIN_USER)
        if cut:
            os.truncate(path, path.stat().st_size - cut)

    asyncio.run(run(cut=7))
    # The last line is incomplete, as after a kill, and is ignored.
    assert [line.proto for _, line in read_lines(path)] == [1001]
    asyncio.run(run(cut=0))
    asyncio.run(run(cut=0))
    lines = [line for _, line in read_lines(path)]
    assert [line.session for line in lines] == [1, 2, 2, 3, 3]
    assert [line.proto for line in lines] == [1001, 1001, 2001, 1001, 2001]
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    assert path.read_text().count("qotgate_recording") == 1
    # The stand-ins are the same in each recording.
    assert lines[2].response == lines[4].response


def test_one_gateway_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    first = RecordingFile(path, None)
    with pytest.raises(QotGateError, match="Another gateway is recording into"):
        RecordingFile(path, None)
    first.close()
    RecordingFile(path, None).close()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("code,price\n", "is no recording of qotgate"),
        ("no line end", "is no recording of qotgate"),
        ("[]\n", "is no recording of qotgate"),
        ('{"qotgate_recording": 2}\n', "is a recording of format 2, and this qotgate reads format 1"),
        ('{"qotgate_recording": 1, "recorded": ""}\n{"x": 1}\n', "line 2: session: Field required"),
        ('{"qotgate_recording": 1, "recorded": ""}\nx\n', "line 2: Invalid JSON"),
        ('{"qotgate_recording": 1, "recorded": ""}\n' + "[" * 10**5 + "\n", "line 2: Invalid JSON"),
    ],
)
def test_a_file_that_is_no_recording_is_left_alone(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "notes.csv"
    path.write_text(text)
    for read in (lambda: RecordingFile(path, None), lambda: Recording(path)):
        with pytest.raises(QotGateError, match=told):
            read()
    assert path.read_text() == text


def test_an_empty_file_becomes_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    path.touch()
    RecordingFile(path, None).close()
    assert list(read_lines(path)) == []
    assert Recording(path).sessions == []


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(QotGateError, match="cannot be written: No such file or directory"):
        RecordingFile(tmp_path / "nothing" / "session.jsonl", None)
    with pytest.raises(QotGateError, match="cannot be read: No such file or directory"):
        Recording(tmp_path / "session.jsonl")
    with pytest.raises(QotGateError, match="cannot be written: Is a directory"):
        RecordingFile(tmp_path, None)


def test_without_the_package_market_data_is_base64_and_the_rest_left_out(tmp_path: Path) -> None:
    """A message of an unknown class cannot be scrubbed."""
    path = tmp_path / "session.jsonl"

    async def run() -> None:
        with scripted_opend() as opend:
            async with recording(opend, path, own_messages()) as upstream:
                client = await UpstreamClient.connected(upstream)
                await client.ask(3001, **sub(["TSLA"]))
                told = await client.ask(3203, securityList=[{"market": 11, "code": "TSLA"}])
                await client.ask(2001, userID=LOGIN_USER)
                opend.do(lambda: opend.publish(range(3)))
                pushes = await client.pushed(3)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert [line["proto"] for line in lines[1:]] == [1001, 3001, 3203, 2001, 3005, 3005, 3005]
        assert "request_base64" in lines[3]
        assert lines[4].keys() == {"session", "n", "at", "took", "proto", "name", "left_out"}
        # With the messages and without them, it answers.
        for messages in (known_messages(), own_messages()):
            replayed = await UpstreamClient.connected(Replay(Recording(path, messages), speed=0))
            await replayed.ask(3001, **sub(["TSLA"]))
            again = await replayed.ask(3203, securityList=[{"market": 11, "code": "TSLA"}])
            assert again == told
            assert await replayed.pushed(3) == pushes
            with pytest.raises(InvalidRequest, match="leaves out"):
                await replayed.ask(2001, userID=LOGIN_USER)

    asyncio.run(run())


def test_what_a_json_client_recorded_is_told_to_any(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    kinds = known_messages().requests
    days = kinds[3219](c2s={"market": 2, "beginTime": "2026-06-01", "endTime": "2026-06-30"})
    ticks = kinds[3001](c2s=sub(["TSLA"], kind=4))

    async def told(upstream: Any, body_format: int, publish: Any) -> list[Any]:
        client = await UpstreamClient.connected(upstream, body_format)
        answers = [
            (await client.answer(proto_id, Body(message).encode(body_format))).body
            for proto_id, message in ((3219, days), (3001, ticks))
        ]
        publish()
        while len(client.pushes) < 5:
            await asyncio.sleep(0.005)
        kinds = known_messages().responses
        found = [
            read_body(kinds[number], body, body_format)
            for number, body in [(3219, answers[0]), (3001, answers[1])]
            + [(frame.proto_id, frame.body) for frame in client.pushes[:5]]
        ]
        return [body.message for body in found]

    async def run() -> None:
        with scripted_opend() as opend:
            async with recording(opend, path) as upstream:
                first = await told(upstream, JSON, lambda: opend.do(lambda: opend.publish(range(5))))
        assert None not in first
        for body_format in (JSON, PROTOBUF):
            assert await told(Replay(Recording(path), speed=0), body_format, lambda: None) == first

    asyncio.run(run())


def test_fields_that_are_not_known_are_not_recorded_of_accounts(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    file = RecordingFile(path, None)
    recorder = Recorder(file, KEY)
    response = known_messages().responses[2001](retType=0).SerializeToString()
    request = known_messages().requests[2001](c2s={"userID": 5}).SerializeToString()
    phone = b"\xfa\x3e\x0b13800138000"
    asked, answer = (Frame(2001, PROTOBUF, 1, body) for body in (request, response + phone))

    async def run() -> None:
        recorder.exchanged(1, 1, asked, answer, 0.1)
        recorder.close()

    asyncio.run(run())
    (line,) = [line for _, line in read_lines(path)]
    assert line.left_out == "fields that are not known"
    assert "13800138000" not in path.read_text()
    assert Recording(path).exchanges


def test_the_client_is_served_when_the_disk_is_full(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"

    async def run() -> None:
        with scripted_opend() as opend:
            async with recording(opend, path) as upstream:
                client = await UpstreamClient.connected(upstream)
                await asyncio.sleep(0)
                os.dup2(full, upstream._recorder.file._file)
                for _ in range(2):
                    answer = await client.ask(3219, market=2, beginTime="2026-06-01", endTime="2026-06-30")
                    assert answer.retType == 0

    full = os.open("/dev/full", os.O_WRONLY)
    with capture_logs() as logs:
        asyncio.run(run())
    os.close(full)
    assert [line["reason"] for line in logs if line["event"] == "recording stopped"] == [
        "No space left on device"
    ]
    assert [line.proto for _, line in read_lines(path)] == [1001]


def damaged(text: bytes, random: Random) -> bytes:
    """A recording with a few bytes changed, cut out, or put elsewhere, and values of other types."""
    data = bytearray(text)
    for _ in range(random.randint(1, 4)):
        where, other = random.randrange(len(data)), random.randrange(len(data))
        match random.randrange(4):
            case 0:
                data[where] = random.randrange(256)
            case 1:
                del data[where : where + random.randint(1, 50)]
            case 2:
                data[where:where] = data[other : other + random.randint(1, 80)]
            case 3:
                found = re.compile(rb": ([^,{}\[\]]+)[,}]").search(bytes(data), where)
                if found is not None:
                    values = [b"null", b"-1", b"1e999", b'"x"', b"[]", b"{}", b"NaN", b"9" * 30, b'"\\ud800"']
                    data[found.start(1) : found.end(1)] = random.choice(values)
    return bytes(data)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_a_damaged_recording_is_refused_in_a_sentence(tmp_path: Path, random: Random) -> None:
    path = tmp_path / "session.jsonl"
    path.write_bytes(damaged((ROOT / "examples" / "trading_bot.jsonl").read_bytes(), random))
    for read in (
        lambda: try_replay(Recording(path)),
        lambda: look_for_personal(path),
        lambda: read_contents(path),
    ):
        try:
            read()
        except QotGateError as error:
            assert "\n" not in str(error)
            assert str(path) in str(error)
