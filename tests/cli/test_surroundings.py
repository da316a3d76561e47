"""Commands and their surroundings: an encoding without all letters, an account without a home, the
priority of the process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qotgate.model import QotGateError
from qotgate.serving.settings import user_folder
from tests.support.paths import SAMPLE
from tests.support.serving import QOTGATE


@pytest.mark.parametrize(
    "encoding",
    [
        "ascii",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("latin-1", "cp1252", "gbk", "utf-16")),
    ],
)
def test_output_in_any_encoding(sample_url: str, encoding: str) -> None:
    for command in (["ratings"], ["holdings"], ["status"]):
        done = subprocess.run(
            [*QOTGATE, *command, "--db", sample_url],
            capture_output=True,
            check=False,
            timeout=60,
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.decode(encoding)


def test_an_account_without_a_home() -> None:
    def find(_name: str) -> Path:
        raise RuntimeError("could not determine the home directory")

    with pytest.raises(QotGateError, match="This account has no home folder: set HOME"):
        user_folder(find)


@pytest.mark.skipif(not hasattr(os, "nice"), reason="Windows has no niceness")
def test_a_process_that_loads_twice_lowers_its_priority_once(tmp_path: Path) -> None:
    """As ``fetch --every`` does with each round."""
    script = """
import os, sys
from pathlib import Path
from qotgate.cli.load import load_into
from qotgate.serving.settings import read_settings

before = os.nice(0)
for _ in range(2):
    load_into(read_settings(db=sys.argv[2]), [Path(sys.argv[1])])
print(os.nice(0) - min(before + 10, 19))
"""
    command = [sys.executable, "-c", script, str(SAMPLE), f"sqlite:///{tmp_path}/nice.db"]
    done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "0"
