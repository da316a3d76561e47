"""The processes of the benchmark: started, measured from outside, stopped."""

import json
import os
import pickle
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from gateway.load_generator import Measured, Plan

BENCHMARKS = Path(__file__).parents[1]
QOTGATE = [sys.executable, "-m", "qotgate.cli.main"]
TICKS = os.sysconf("SC_CLK_TCK")
MIB = 1 << 20


@dataclass
class Server:
    """A running server; ``ports`` as it printed them."""

    process: subprocess.Popen[bytes] | subprocess.Popen[str]
    ports: list[int]

    @property
    def resident(self) -> float:
        """Resident memory in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        match = re.search(r"VmRSS:\s+(\d+)", status)
        return int(match[1]) * 1024 / MIB if match else float("nan")

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all its threads so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def _running(*command: str, given: bytes = b"") -> Iterator[Server]:
    """A server that prints one line with its ports."""
    with subprocess.Popen(
        [*command], cwd=BENCHMARKS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(given)
            process.stdin.close()
            line = process.stdout.readline().decode()
            yield Server(process, [int(port) for port in re.findall(r"(?:\d:|^| )(\d{4,5})\b", line)])
        finally:
            process.terminate()


@contextmanager
def floors(replies: dict[str, tuple[str, bytes]]) -> Iterator[tuple[Server, dict[str, int]]]:
    """The floor servers; the port of each by its name."""
    with _running(sys.executable, "-m", "gateway.floor", given=pickle.dumps(replies)) as server:
        yield server, dict(zip(replies, server.ports, strict=True))


def gateway(url: str, *options: str) -> AbstractContextManager[Server]:
    """``qotgate serve`` without a limit, on TCP and then WebSocket."""
    ports = ("--port", "0", "--websocket-port", "0")
    return _running(*QOTGATE, "serve", "--no-http", "--db", url, *ports, "--rate-limit", "off", *options)


def canned_opend(answer_bytes: int, push_bytes: int) -> AbstractContextManager[Server]:
    """An OpenD with hardly any cost."""
    return _running(sys.executable, "-m", "gateway.canned_opend", str(answer_bytes), str(push_bytes))


@contextmanager
def web_service(path: Path, port: int) -> Iterator[Server]:
    """The FastAPI service on ``port``."""
    os.environ["DATABASE"] = f"sqlite:///{path}"
    command = [sys.executable, "-m", "uvicorn", "gateway.web_service:app", "--no-access-log"]
    with subprocess.Popen(
        [*command, "--port", str(port)], cwd=BENCHMARKS, stderr=subprocess.DEVNULL
    ) as process:
        try:
            deadline = monotonic() + 30
            while monotonic() < deadline:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=1).close()
                    break
                except OSError:
                    sleep(0.1)
            yield Server(process, [port])
        finally:
            process.terminate()


def generate(plan: Plan) -> Measured:
    """Run the load generator."""
    command = [sys.executable, "-m", "gateway.load_generator"]
    given = pickle.dumps(plan)
    done = subprocess.run(command, cwd=BENCHMARKS, input=given, stdout=subprocess.PIPE, check=True)
    return Measured(*json.loads(done.stdout))
