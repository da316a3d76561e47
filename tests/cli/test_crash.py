"""A crash in C code leaves a traceback, in any process."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.logs import logged
from tests.support.serving import QOTGATE, children, until


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_gateway_that_crashes_says_where(sample_url: str, tmp_path: Path, workers: str) -> None:
    with logged(tmp_path, sample_url, "--workers", workers) as (gateway, lines):
        pid = gateway.process.pid
        os.kill(children(pid)[0] if workers == "2" else pid, signal.SIGSEGV)
        until(lambda: "Fatal Python error: Segmentation fault" in lines.text)
        until(lambda: "most recent call first" in lines.text)


def test_standard_error_may_be_closed() -> None:
    done = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *QOTGATE, "--version"], capture_output=True)
    assert (done.returncode, done.stdout.startswith(b"qotgate ")) == (0, True)
