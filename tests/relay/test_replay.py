"""A replay's answers and pushes."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from qotgate.model import InvalidRequest, QotGateError
from qotgate.protocol.frame import JSON
from qotgate.relay.published import known_messages, own_messages
from qotgate.relay.recorded import Recording
from qotgate.relay.replay import Replay
from tests.support.recordings import UpstreamClient, exchange, quote, sub, write_recording

Steps = list[dict[str, Any]]
STATE, KLINE, ACCOUNTS, ORDER, UNLOCK, SUB = 3223, 3103, 2001, 2202, 2005, 3001


def market_state(n: int, code: str, state: int) -> dict[str, Any]:
    security = {"market": 11, "code": code}
    info = {"security": security, "name": code, "marketState": state}
    return exchange(STATE, n, {"securityList": [security]}, {"marketInfoList": [info]})


def klines(n: int, end: str, code: str = "TSLA") -> dict[str, Any]:
    c2s = {
        "rehabType": 1,
        "klType": 2,
        "security": {"market": 11, "code": code},
        "beginTime": "2026-06-01",
        "endTime": end,
    }
    return exchange(KLINE, n, c2s, {"security": c2s["security"], "klList": []})


@pytest.fixture
def replayed(tmp_path: Path) -> Callable[..., Replay]:
    def make(*sessions: Steps, **options: Any) -> Replay:
        return Replay(Recording(write_recording(tmp_path / "session.jsonl", *sessions)), **options)

    return make


async def state(client: UpstreamClient, code: str = "TSLA") -> int:
    answer = await client.ask(STATE, securityList=[{"market": 11, "code": code}])
    return int(answer.s2c.marketInfoList[0].marketState)


def test_the_same_question_gets_the_next_answer_then_the_last(replayed: Callable[..., Replay]) -> None:
    async def run() -> None:
        replay = replayed(
            [market_state(n, code, n) for n, code in enumerate(["TSLA", "A", "TSLA", "TSLA"], 1)]
        )
        client = await UpstreamClient.connected(replay)
        assert [await state(client) for _ in range(5)] == [1, 3, 4, 4, 4]
        assert await state(client, "A") == 2

    asyncio.run(run())


def test_each_session_is_told_its_own(replayed: Callable[..., Replay]) -> None:
    async def run() -> None:
        replay = replayed([market_state(1, "TSLA", 1)], [market_state(1, "TSLA", 2), market_state(2, "A", 3)])
        first, second, again = [await UpstreamClient.connected(replay) for _ in range(3)]
        assert [await state(client) for client in (second, first, again)] == [2, 1, 1]
        # Requests of another session are answered too.
        assert await state(first, "A") == 3
        ids = {client.session.s2c.connID for client in (first, second, again)}
        assert len(ids) == 3
        assert first.session.s2c.loginUserID == 970000000000001
        assert first.session.s2c.keepAliveInterval == 7

    asyncio.run(run())


def test_who_asks_does_not_count(replayed: Callable[..., Replay]) -> None:
    c2s = {
        "packetID": {"connID": "1", "serialNo": 1},
        "header": {"trdEnv": 0, "accID": "100000000000001", "trdMarket": 2},
        "trdSide": 1,
        "orderType": 1,
        "code": "TSLA",
        "qty": 1.0,
        "price": 300.0,
    }
    made = {"header": c2s["header"], "orderID": "200000000000002"}

    async def run() -> None:
        replay = replayed([exchange(ACCOUNTS, 1, {"userID": "1"}), exchange(ORDER, 2, c2s, made)])
        client = await UpstreamClient.connected(replay)
        assert (await client.ask(ACCOUNTS, userID=77)).retType == 0
        order = {**c2s, "packetID": {"connID": client.session.s2c.connID, "serialNo": 9}}
        order["header"] = {**order["header"], "accID": 100000000000001}
        assert (await client.ask(ORDER, **order)).s2c.orderID == 200000000000002
        # No other order was placed.
        with pytest.raises(
            InvalidRequest, match=r"line 4, differs in \(recorded, asked\): c2s.qty \(1.0, 2.0\)"
        ):
            await client.ask(ORDER, **{**order, "qty": 2.0})
        # The client learns of another account; the log does not.
        header = {**order["header"], "accID": 281756455983}
        with capture_logs() as logs, pytest.raises(InvalidRequest, match="281756455983"):
            await client.ask(ORDER, **{**order, "header": header})
        assert [line["event"] for line in logs] == ["not in the recording"]
        assert "281756455983" not in str(logs)
        # There is nothing to unlock.
        assert (await client.ask(UNLOCK, unlock=True, pwdMD5="x")).retType == 0

    asyncio.run(run())


def test_the_nearest_recorded_request_is_named(replayed: Callable[..., Replay]) -> None:
    async def run() -> None:
        replay = replayed([klines(1, "2026-06-19", "AAPL"), klines(2, "2026-06-20"), market_state(3, "A", 1)])
        client = await UpstreamClient.connected(replay)
        asked = {
            "rehabType": 1,
            "klType": 2,
            "security": {"market": 11, "code": "TSLA"},
            "beginTime": "2026-06-01",
            "endTime": "2026-11-28",
        }
        with pytest.raises(InvalidRequest) as refused:
            await client.ask(KLINE, **asked)
        assert str(refused.value) == (
            "The recording has no Qot_RequestHistoryKL (3103) that asks this; the nearest one, in line 4, "
            "differs in (recorded, asked): c2s.endTime ('2026-06-20', '2026-11-28')."
        )
        with pytest.raises(InvalidRequest) as refused:
            await client.ask(SUB, **sub(["TSLA"]))
        assert str(refused.value) == (
            "The recording has no Qot_Sub (3001); "
            "it has Qot_GetMarketState (3223), Qot_RequestHistoryKL (3103)."
        )

    asyncio.run(run())


def test_the_order_of_securities_in_a_subscription_does_not_count(replayed: Callable[..., Replay]) -> None:
    """The Python client sends them from a set when it subscribes again."""

    async def run() -> None:
        client = await UpstreamClient.connected(replayed([exchange(SUB, 1, sub(["TSLA", "AAPL"]))]))
        assert (await client.ask(SUB, **sub(["AAPL", "TSLA"]))).retType == 0

    asyncio.run(run())


def test_pushes_follow_their_subscription_in_order(replayed: Callable[..., Replay]) -> None:
    async def run() -> None:
        replay = replayed(
            [
                exchange(SUB, 1, sub(["TSLA"])),
                quote("TSLA", 1),
                exchange(SUB, 2, sub(["AAPL"])),
                quote("TSLA", 2),
                quote("AAPL", 3),
                quote("TSLA", 4),
            ],
            speed=0,
        )
        client = await UpstreamClient.connected(replay)
        await asyncio.sleep(0.05)
        assert client.pushes == []
        await client.ask(SUB, **sub(["TSLA"]))
        assert [volume(push) for push in await client.pushed(3)] == [1, 2, 4]
        await client.ask(SUB, **sub(["AAPL"]))
        assert [volume(push) for push in await client.pushed(4)] == [1, 2, 4, 3]
        # Each push comes once.
        await client.ask(SUB, **sub(["TSLA"]))
        await asyncio.sleep(0.05)
        assert len(client.pushes) == 4
        assert [frame.serial for frame in client.pushes] == [1, 2, 3, 4]
        other = await UpstreamClient.connected(replay)
        await other.ask(SUB, **sub(["TSLA"]))
        assert len(await other.pushed(3)) == 3

    asyncio.run(run())


def volume(push: Any) -> int:
    return int(push.s2c.basicQotList[0].volume)


def test_a_push_that_came_before_the_answer_waits_for_the_subscription(
    replayed: Callable[..., Replay],
) -> None:
    async def run() -> None:
        steps = [{**quote("TSLA", 1), "at": 5.0}, exchange(SUB, 1, sub(["TSLA"]), at=5.1, took=0.2)]
        client = await UpstreamClient.connected(replayed(steps, speed=0))
        await asyncio.sleep(0.05)
        assert client.pushes == []
        await client.ask(SUB, **sub(["TSLA"]))
        await client.pushed(1)

    asyncio.run(run())


def test_pushes_come_at_the_recorded_pace_or_faster(replayed: Callable[..., Replay]) -> None:
    async def run() -> None:
        pushes = [{**quote("TSLA", n), "at": 10 + n * 0.2} for n in (1, 2)]
        steps = [exchange(SUB, 1, sub(["TSLA"]), at=10), *pushes, {**quote("TSLA", 3), "at": 1e6}]
        loop = asyncio.get_running_loop()
        for speed, number in ((1, 2), (10, 2), (1e7, 3)):
            client = await UpstreamClient.connected(replayed(steps, speed=speed))
            await client.ask(SUB, **sub(["TSLA"]))
            began = loop.time()
            await client.pushed(number)
            assert loop.time() - began >= 0.4 / speed - 0.01
            assert len(client.pushes) == number
            client.session.close()

    asyncio.run(run())


def test_no_more_is_pushed_of_what_was_unsubscribed(replayed: Callable[..., Replay]) -> None:
    async def run() -> None:
        steps = [
            exchange(SUB, 1, sub(["TSLA", "AAPL"]), at=10),
            {**quote("TSLA", 1), "at": 10.3},
            {**quote("AAPL", 2), "at": 10.4},
            exchange(SUB, 2, sub(["TSLA"], on=False), at=11),
        ]
        client = await UpstreamClient.connected(replayed(steps))
        await client.ask(SUB, **sub(["TSLA", "AAPL"]))
        await client.ask(SUB, **sub(["TSLA"], on=False))
        assert [volume(push) for push in await client.pushed(1)] == [2]

    asyncio.run(run())


def test_nothing_is_pushed_to_a_client_that_does_not_read(replayed: Callable[..., Replay]) -> None:
    async def run() -> None:
        steps = [exchange(SUB, 1, sub(["TSLA"])), *(quote("TSLA", n) for n in range(1000))]
        client = await UpstreamClient.connected(replayed(steps, speed=0))
        client.session.pause()
        await client.ask(SUB, **sub(["TSLA"]))
        await asyncio.sleep(0.05)
        assert client.pushes == []
        client.session.resume()
        assert [volume(push) for push in await client.pushed(1000)] == list(range(1000))
        gone = await UpstreamClient.connected(replayed(steps, speed=0))
        await gone.ask(SUB, **sub(["TSLA"]))
        gone.session.close()
        sent = len(gone.pushes)
        assert sent < 1000
        await asyncio.sleep(0.05)
        assert len(gone.pushes) == sent

    asyncio.run(run())


def test_what_no_request_caused_comes_when_the_session_begins(replayed: Callable[..., Replay]) -> None:
    notify = {
        "proto": 1003,
        "name": "Notify",
        "push": {"retType": 0, "s2c": {"type": 2, "programStatus": {"programStatus": {"type": 10}}}},
    }

    async def run() -> None:
        client = await UpstreamClient.connected(replayed([notify], speed=0))
        assert (await client.pushed(1))[0].s2c.programStatus.programStatus.type == 10

    asyncio.run(run())


def test_a_strict_replay_takes_the_recorded_order(replayed: Callable[..., Replay]) -> None:
    async def run() -> None:
        steps = [market_state(1, "A", 1), market_state(2, "B", 2), klines(3, "2026-06-20")]
        client = await UpstreamClient.connected(replayed(steps, strict=True))
        assert await state(client, "A") == 1
        with pytest.raises(InvalidRequest) as refused:
            await state(client, "C")
        assert str(refused.value) == (
            "--replay-strict: the next request in this session of the recording is Qot_GetMarketState "
            "(3223), c2s.securityList[0].code ('B', 'C') in line 4, not this Qot_GetMarketState (3223)."
        )
        with pytest.raises(InvalidRequest, match=r"not this Qot_Sub \(3001\)"):
            await client.ask(SUB, **sub(["TSLA"]))
        assert await state(client, "B") == 2
        await client.ask(KLINE, **klines(1, "2026-06-20")["request"]["c2s"])
        with pytest.raises(InvalidRequest, match="one too many"):
            await state(client, "A")

    asyncio.run(run())


def test_a_recording_in_protobuf_answers_in_json(replayed: Callable[..., Replay]) -> None:
    async def run() -> None:
        replay = replayed([exchange(SUB, 1, sub(["TSLA"])), quote("TSLA", 1)], speed=0)
        client = await UpstreamClient.connected(replay, JSON)
        body = (
            b'{"c2s":{"securityList":[{"market":11,"code":"TSLA"}],"subTypeList":[1],"isSubOrUnSub":true,'
            b'"isRegOrUnRegPush":true}}'
        )
        answer = await client.answer(SUB, body)
        assert answer.body == b'{"retType": 0, "retMsg": "", "errCode": 0, "s2c": {}}'
        while not client.pushes:
            await asyncio.sleep(0.005)
        assert b'"volume": "1"' in client.pushes[0].body

    asyncio.run(run())


def test_which_requests_go_to_a_replay(replayed: Callable[..., Replay]) -> None:
    """The gateway's own questions, and the state of the markets, only if they were recorded."""
    global_state = exchange(1002, 1, {"userID": "0"})
    global_state["response"] = {"retType": -1, "retMsg": "not now"}
    without, with_state = replayed([market_state(1, "A", 1)]), replayed([global_state])
    assert [without.accepts(number) for number in (1001, 1002, 1004, 3424, 3426, 3001, 2202)] == [
        *(False, False, False, False, False),
        *(True, True),
    ]
    assert with_state.accepts(1002)


def test_the_state_has_the_connection_of_who_asks(replayed: Callable[..., Replay]) -> None:
    s2c = {
        **dict.fromkeys(("marketHK", "marketUS", "marketSH", "marketSZ", "marketHKFuture"), 3),
        "qotLogined": True,
        "trdLogined": True,
        "serverVer": 1,
        "serverBuildNo": 1,
        "time": "5",
        "connID": "9",
    }

    async def run() -> None:
        client = await UpstreamClient.connected(replayed([exchange(1002, 1, {"userID": "0"}, s2c)]))
        assert (await client.ask(1002, userID=5)).s2c.connID == client.session.s2c.connID

    asyncio.run(run())


def test_what_was_left_out_is_refused(replayed: Callable[..., Replay]) -> None:
    async def run() -> None:
        left_out = {"proto": 2101, "name": "2101", "n": 1, "left_out": "the message is not known"}
        client = await UpstreamClient.connected(replayed([left_out]))
        header = {"trdEnv": 0, "accID": 1, "trdMarket": 2}
        with pytest.raises(
            InvalidRequest, match=r"leaves out what Trd_GetFunds \(2101\) said, as its line 3"
        ):
            await client.ask(2101, header=header)

    asyncio.run(run())


def test_a_replay_needs_the_messages(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "session.jsonl", [klines(1, "2026-06-30")])
    with pytest.raises(QotGateError) as told:
        Recording(path, own_messages())
    assert str(told.value) == (
        f"{path}, line 3: the request of Qot_RequestHistoryKL (3103) is a message that is not known here; "
        "install futu-api or moomoo-api, which has the messages."
    )


def test_bodies_that_are_not_known_match_by_their_bytes(tmp_path: Path) -> None:
    line = {"proto": 9000, "name": "9000", "n": 1, "request_base64": "CgA=", "response_base64": "CAA="}

    async def run() -> None:
        for messages in (own_messages(), known_messages()):
            path = write_recording(tmp_path / "session.jsonl", [line])
            client = await UpstreamClient.connected(Replay(Recording(path, messages)))
            assert (await client.answer(9000, b"\n\x00")).body == b"\x08\x00"
            with pytest.raises(InvalidRequest, match="has no 9000"):
                await client.answer(9000, b"")

    asyncio.run(run())
