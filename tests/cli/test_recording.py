"""``qotgate recording show`` and ``check``."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import run
from tests.support.recordings import exchange, quote, sub, write_recording

HEADER = {"trdEnv": 0, "accID": str(97 * 10**15 + 1), "trdMarket": 2}


def orders(n: int, **order: Any) -> dict[str, Any]:
    fields = {
        "trdSide": 1,
        "orderType": 1,
        "orderStatus": 5,
        "orderID": str(97 * 10**14 + 1),
        "orderIDEx": "x",
        "code": "TSLA",
        "name": "Tesla",
        "qty": 1.0,
        "createTime": "",
        "updateTime": "",
        **order,
    }
    return exchange(2201, n, {"header": HEADER}, {"header": HEADER, "orderList": [fields]})


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    first = [exchange(3001, 1, sub(["TSLA"])), quote("TSLA", 1), quote("TSLA", 2)]
    second = [exchange(3001, 1, sub(["TSLA"])), exchange(3001, 2, sub(["AAPL"])), orders(3)]
    second[1]["response"] = {"retType": -1, "retMsg": "Quota used up"}
    return write_recording(tmp_path / "session.jsonl", first, second)


def test_show(recording: Path) -> None:
    told = json.loads(run("recording", "show", recording, "--json").stdout)
    assert told["header"]["written_by"] == "a test"
    assert {one["proto_id"]: [*one.values()][2:] for one in told["interfaces"]} == {
        1001: [2, 1, 0, 0],
        2201: [1, 1, 0, 0],
        3001: [3, 2, 1, 0],
        3005: [0, 0, 0, 2],
    }
    assert [(one["session"], one["exchanges"], one["pushes"]) for one in told["sessions"]] == [
        (1, 1, 2),
        (2, 3, 0),
    ]
    shown = run("recording", "show", recording)
    assert shown.returncode == 0
    assert "Qot_UpdateBasicQot" in shown.stdout


def test_check(recording: Path) -> None:
    done = run("recording", "check", recording)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0].endswith(
        "replays: 4 answers and 2 pushes of 2 sessions come back as they were recorded."
    )
    assert "Nothing in it looks personal." in done.stdout


@pytest.mark.parametrize(
    ("step", "told", "status"),
    [
        (
            orders(1, orderID="281756455983"),
            "personal: Trd_GetOrderList (2201) has orderID '281756455983', which",
            1,
        ),
        (orders(1, lastErrMsg="write to a@b.org"), "personal: .* says 'write to a@b.org' in lastErrMsg", 1),
        (exchange(2005, 1, {"unlock": True}), "personal: Trd_UnlockTrade (2005) carries secrets", 1),
        (orders(1, remark="for Li"), "look at: .* has words of yours in remark: 'for Li'", 0),
        (exchange(2101, 1, {"header": HEADER}), "look at: Trd_GetFunds (2101) has funds of an account", 0),
        (
            {"proto": 9000, "name": "9000", "n": 1, "request_base64": "CgA=", "response_base64": "CAA="},
            "look at: 9000 (9000) is base64, which qotgate could not look into (line 3)",
            0,
        ),
        (
            {"proto": 2102, "name": "2102", "n": 1, "left_out": "the message is not known"},
            "left out: Trd_GetPositionList (2102), as line 3 tells",
            0,
        ),
    ],
)
def test_what_looks_personal(tmp_path: Path, step: dict[str, Any], told: str, status: int) -> None:
    done = run("recording", "check", write_recording(tmp_path / "session.jsonl", [step]))
    assert done.returncode == status, done.stdout + done.stderr
    assert all(part in done.stdout for part in told.split(" .* ")), done.stdout


@pytest.mark.parametrize("command", ["show", "check"])
def test_what_is_no_recording_is_told_in_a_sentence(tmp_path: Path, command: str) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("ticker,firm\n")
    done = run("recording", command, path)
    assert (done.returncode, done.stderr) == (2, f"qotgate: {path} is no recording of qotgate.\n")
    done = run("recording", command, tmp_path / "nothing")
    assert (
        done.stderr
        == f"qotgate: The recording {tmp_path / 'nothing'} cannot be read: No such file or directory.\n"
    )


def test_a_line_that_does_not_replay_is_named(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "session.jsonl", [exchange(3001, 1, {**sub(["TSLA"]), "nothing": 1})])
    done = run("recording", "check", path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"qotgate: {path}, line 3: the request of Qot_Sub (3001) is not that ")
