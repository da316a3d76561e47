"""The command line, as a user types it."""

import io
import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import pytest
import structlog

from qotgate.cli.main import main
from qotgate.serving.log import BackgroundLog
from tests.support.serving import QOTGATE


def run(*arguments: object, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a command in this process. Returns its exit status and output. A gateway that starts to serve needs
    a separate process: it forks, and ends its process if threads block it."""
    command = list(map(str, arguments))
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        _own_log(),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        for name, value in (env or {}).items():
            patch.setenv(name, value)
        main(command)
    return subprocess.CompletedProcess(command, int(ended.value.code or 0), out.getvalue(), err.getvalue())


def run_process(*arguments: object, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """The same in a separate process: for code that runs when a program starts, and for signals."""
    return subprocess.run(
        [*QOTGATE, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **(env or {})},
    )


@contextmanager
def _own_log() -> Iterator[None]:
    """Restore the log's configuration: a serving command configures it for its process."""
    configured, config = structlog.is_configured(), structlog.get_config()
    root = logging.getLogger()
    handlers, background = root.handlers, BackgroundLog.of_process
    BackgroundLog.of_process = None
    try:
        yield
    finally:
        root.handlers, BackgroundLog.of_process = handlers, background
        if configured:
            structlog.configure(**config)
        else:
            structlog.reset_defaults()
