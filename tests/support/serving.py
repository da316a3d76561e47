"""A gateway in a process of its own."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

QOTGATE = [sys.executable, "-m", "qotgate.cli.main"]


@dataclass
class Serving:
    """A gateway that runs in a process of its own."""

    process: subprocess.Popen[str]
    host: str
    port: int
    websocket: str | None
    pages: str | None

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


@contextmanager
def serving(url: str, *options: str, stderr: int | None = None) -> Iterator[Serving]:
    """Run ``qotgate serve`` on a free port, and stop it; without HTTP, which takes a second to start, unless
    ``--http-port`` is among the options. Its log, and the traceback of a crash, is shown with a test that
    fails, unless ``stderr`` goes elsewhere."""
    if "--http-port" not in options:
        options = (*options, "--no-http")
    command = [*QOTGATE, "serve", "--port", "0", "--db", url, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            match = re.search(r"listens on (\S+):(\d+)", line)
            assert match, line
            websocket = re.search(r"wss?://\S+", line)
            pages = re.search(r"http://\S+", line)
            yield Serving(process, match[1], int(match[2]), websocket and websocket[0], pages and pages[0])
        finally:
            if process.poll() is None:
                process.kill()


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for something to hold."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.02)


def children(process_id: int) -> list[int]:
    found = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    return [int(child) for child in found]
