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
    """Run a command in this process: its exit status and what it printed. A gateway that begins to serve
    needs a process of its own: it forks, and ends its process where threads hold it up."""
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
    """The same in a process of its own: for what is read when a program starts, and for signals."""
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
    """Put the log back as it was: a command that serves sets it up for its process."""
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
