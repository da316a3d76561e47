"""The tests' own support: a missing part is named, and a second run skips passed tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.parts import CI, find, program
from tests.support.paths import ROOT

MISSING = pytest.fail.Exception if CI else pytest.skip.Exception


def test_a_program_that_is_not_there_is_named_whoever_starts_it() -> None:
    with pytest.raises(MISSING, match="no-such-program is not installed"):
        subprocess.run(["no-such-program", "--version"], check=False)
    with pytest.raises(MISSING, match="no-such-program is not installed"):
        program("no-such-program")


def test_programs_come_from_the_path_or_as_wheels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find("haproxy") is None
    for name in ("initdb", "node", "npm", "valkey-server"):
        found = find(name)
        if found is not None:
            assert Path(found).is_relative_to(sys.prefix)
    own = tmp_path / "initdb"
    own.touch(mode=0o755)
    assert find("initdb") == str(own)


def test_a_second_run_leaves_out_what_has_passed(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_right(): pass\ndef test_wrong(): assert False\n")
    passed = tmp_path / "passed"

    def run(option: str) -> str:
        options = ["-p", "xdist", "-p", "tests.support.passed", "-n", "1", f"{option}={passed}"]
        command = [sys.executable, "-m", "pytest", *options, "--rootdir", str(tmp_path), str(tmp_path)]
        # Without the plugins of other installed packages, which take seconds.
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 1, done.stderr
        return done.stdout.splitlines()[-1]

    assert "1 failed, 1 passed" in run("--passed-to")
    assert passed.read_text() == "test_it.py::test_right\n"
    assert "1 failed in" in run("--passed-in").replace(", 1 deselected", "")
