"""Commands in an environment that lacks something: an encoding with all letters, a home."""

import os
import subprocess
from pathlib import Path

import pytest

from qotgate.model import QotGateError
from qotgate.serving.settings import user_folder
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
