"""pytest's options that make recordings, on the example with a scripted OpenD."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qotgate.relay.recording import read_lines
from tests.support.opend import LOGIN_USER, SIMULATED, ScriptedOpenD, scripted_opend
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow


def run_tests(folder: Path, *options: str) -> str:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            *options,
            str(folder),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=240,
        env={**os.environ, "HOME": str(folder / "home"), "XDG_DATA_HOME": str(folder / "home")},
    )
    return done.stdout + done.stderr


def upstream(opend: ScriptedOpenD) -> list[str]:
    return [f"--qotgate-upstream=127.0.0.1:{opend.port}", "--qotgate-upstream-trade"]


def accounts(path: Path) -> set[str]:
    """The account ids in a recording."""
    return {
        account["accID"]
        for _, line in read_lines(path)
        if line.proto == 2001 and line.response
        for account in line.response["s2c"]["accList"]
    }


def test_a_recording_is_made_once_or_anew_or_not(tmp_path: Path) -> None:
    for name in ("trading_bot.py", "test_trading_bot.py"):
        (tmp_path / name).write_text((ROOT / "examples" / name).read_text())
    path = tmp_path / "trading_bot.jsonl"
    told = run_tests(tmp_path)
    assert "2 failed" in told
    assert "record it once with an OpenD, by pytest --qotgate-record=once" in told
    assert "Recording takes an OpenD" in run_tests(tmp_path, "--qotgate-record=once")
    assert not path.exists()
    with scripted_opend() as opend:
        told = run_tests(tmp_path, "--qotgate-record=once", *upstream(opend))
        assert "2 passed" in told, told
        asked, first = sum(opend.asked.values()), path.read_text()
        assert asked > 10
        assert [line.proto for _, line in read_lines(path)].count(2202) == 1
        for options in ([], ["--qotgate-record=once", *upstream(opend)], ["--qotgate-record=once"]):
            assert "2 passed" in run_tests(tmp_path, *options)
        assert (sum(opend.asked.values()), path.read_text()) == (asked, first)
        known = accounts(path)
        told = run_tests(tmp_path, "--qotgate-record=all", *upstream(opend))
        assert "2 passed" in told, told
        assert path.read_text() != first
        # The same stand-ins, so that only new lines differ.
        assert accounts(path) == known
        assert not known & {str(SIMULATED), str(LOGIN_USER)}
    # An OpenD that is away costs no recording.
    assert "2 failed" in run_tests(tmp_path, "--qotgate-record=all", "--qotgate-upstream=127.0.0.1:1")
    assert "2 passed" in run_tests(tmp_path)
    assert not path.with_name("trading_bot.jsonl.new").exists()
