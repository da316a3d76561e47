"""Gateways under test: in a thread of this process, or in a separate process where the process is tested."""

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from qotgate.cli.main import app
from qotgate.serving.configuration import Configuration
from qotgate.serving.opening import open_store
from qotgate.serving.running import Running
from qotgate.serving.settings import read_settings
from qotgate.serving.sockets import open_sockets
from qotgate.testing.thread import LoopThread

QOTGATE = [sys.executable, "-m", "qotgate.cli.main"]


@dataclass
class Serving:
    """A running gateway: its addresses, from its own output."""

    host: str
    port: int
    websocket: str | None
    pages: str | None

    @classmethod
    def told(cls, said: str, **more: Any) -> "Serving":
        """From the line that a gateway prints when it listens, or from its addresses."""
        tcp = re.search(r"(?<![/\d.])([\d.]+):(\d+)", said)
        assert tcp, said
        websocket = re.search(r"wss?://\S+", said)
        pages = re.search(r"http://\S+", said)
        return cls(tcp[1], int(tcp[2]), websocket and websocket[0], pages and pages[0], **more)


@dataclass
class ServingProcess(Serving):
    """A gateway in a separate process."""

    process: subprocess.Popen[str]

    def stop(self) -> int:
        """Send SIGTERM. Returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


def _options(url: str, options: tuple[str, ...]) -> list[str]:
    # Pages take a second to start.
    http = () if "--http-port" in options else ("--no-http",)
    return ["--port", "0", "--db", url, *options, *http]


@contextmanager
def serving(url: str, *options: str) -> Iterator[Serving]:
    """``qotgate serve`` with these options on a free port, in a thread; without HTTP unless ``--http-port``
    is among them."""
    flags = app.commands["serve"].make_context("serve", _options(url, options)).params
    configuration = Configuration.of(read_settings(**flags))
    assert configuration.settings.workers == 1, "workers are processes"
    with open_store(configuration.settings) as store:

        @asynccontextmanager
        async def run() -> AsyncIterator[list[str]]:
            sockets = open_sockets(configuration)
            running = Running(configuration.questions(store), configuration, sockets.sets[0])
            try:
                await running.prepare()
                yield await running.start()
            finally:
                await running.stop()

        thread = LoopThread(run(), uvloop.new_event_loop)
        try:
            yield Serving.told(" ".join(thread.started))
        finally:
            thread.stop()


@contextmanager
def serving_process(url: str, *options: str, stderr: int | None = None) -> Iterator[ServingProcess]:
    """The same in a separate process: for signals, exit statuses, output and logs, workers, memory. Its log,
    and the traceback of a crash, is shown with a failed test, unless ``stderr`` goes elsewhere."""
    command = [*QOTGATE, "serve", *_options(url, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process:
        try:
            assert process.stdout is not None
            yield ServingProcess.told(process.stdout.readline(), process=process)
        finally:
            if process.poll() is None:
                process.kill()


def client_threads() -> int:
    """The number of threads in this process that watch a client's connection; a gateway here has others."""
    return sum(thread.name.startswith("qotgate-127.0.0.1:") for thread in threading.enumerate())


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.02)


def children(process_id: int) -> list[int]:
    found = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    return [int(child) for child in found]
