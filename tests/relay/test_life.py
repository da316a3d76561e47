"""OpenD is killed, restarted and hung under a published client's load; and the log entries about trading."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from tests.support.opend import PASSWORD, PASSWORD_MD5, REAL, SIMULATED, scripted_opend
from tests.support.paths import ROOT
from tests.support.published import run_script
from tests.support.serving import serving, serving_process, until
from tests.support.wire import free_port

pytestmark = pytest.mark.slow

LOAD = """
import json, sys, time
from futu import *

port, seconds = int(sys.argv[1]), float(sys.argv[2])
pushed = []
class Ticks(TickerHandlerBase):
    def on_recv_rsp(self, response):
        ret, data = super().on_recv_rsp(response)
        pushed.append((time.monotonic() - began, int(data["sequence"].iloc[-1])))
        return ret, data

began = time.monotonic()
context = OpenQuoteContext("127.0.0.1", port)
context.set_handler(Ticks())
context.subscribe(["US.TSLA"], [SubType.TICKER])
calls = []
began = time.monotonic()
open(sys.argv[3] + ".began", "w").close()
while time.monotonic() < began + seconds:
    asked = time.monotonic()
    ret, answer = context.get_market_snapshot(["US.TSLA"])
    calls.append((asked - began, time.monotonic() - asked, ret, "" if ret == 0 else str(answer)))
    time.sleep(0.02)
context.close()
with open(sys.argv[3], "w") as found:
    json.dump([calls, pushed], found)
"""


@contextmanager
def opend_process(port: int) -> Iterator[subprocess.Popen[str]]:
    """A scripted OpenD in a process, with a keep-alive each second and 50 ticks a second."""
    command = [sys.executable, "-m", "tests.support.opend", "--port", str(port)]
    command += ["--keep-alive", "1", "--burst", "1000000", "--rate", "50"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("what", ["killed", "hung"])
def test_a_client_gets_over_it(sample_url: str, tmp_path: Path, what: str) -> None:
    port = free_port()
    restarted: list[subprocess.Popen[str]] = []
    with (
        opend_process(port) as opend,
        serving(sample_url, "--upstream", f"127.0.0.1:{port}", "--lang", "en") as gateway,
    ):

        def disturb() -> None:
            # The client starts slowly.
            until((tmp_path / "found.began").exists, 120)
            time.sleep(4)
            opend.send_signal(signal.SIGKILL if what == "killed" else signal.SIGSTOP)
            time.sleep(5)
            if what == "hung":
                opend.send_signal(signal.SIGCONT)
                return
            command = [*opend.args]
            restarted.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, text=True))

        thread = Thread(target=disturb)
        thread.start()
        try:
            run_script(LOAD, tmp_path, gateway.port, 32, tmp_path / "found")
        finally:
            thread.join()
            for process in restarted:
                process.kill()
                process.wait()
    calls, pushed = json.loads((tmp_path / "found").read_text())
    failed = [error for _, _, ret, error in calls if ret != 0]
    # A call fails, or waits for the client's next connection if none was under way when OpenD went.
    assert failed or max(seconds for _, seconds, _, _ in calls) > 2
    known = re.compile(
        r"OpenD cannot be reached|OpenD did not answer the login|OpenD closed the connection"
        r"|The connection to OpenD was lost|Disconnect|Connection lost|Not connected|PacketErr\.Timeout"
    )
    assert [error for error in failed if not known.search(error)] == []
    # Each call ends within the client's time limits for an answer and for a connection.
    assert max(seconds for _, seconds, _, _ in calls) < 20
    # It works again, and the client has subscribed again without the program.
    assert [ret for _, _, ret, _ in calls[-20:]] == [0] * 20
    assert pushed[-1][0] > 30
    assert any(asked < 3 for asked, *_ in calls)


def test_no_log_has_a_secret(sample_url: str, tmp_path: Path) -> None:
    """Even with a line for each request."""
    script = f"""
import sys
from futu import *
trade = OpenSecTradeContext(TrdMarket.US, "127.0.0.1", int(sys.argv[1]))
assert trade.unlock_trade("{PASSWORD}")[0] == 0
assert trade.unlock_trade("wrong")[0] == -1
assert trade.place_order(10, 1, "US.TSLA", TrdSide.BUY, trd_env=TrdEnv.REAL)[0] == 0
trade.close()
"""
    log = tmp_path / "log"
    with scripted_opend(slow={2202: 0.3}) as opend, log.open("w") as stderr:
        options = ["--upstream", f"127.0.0.1:{opend.port}", "--upstream-trade", "--lang", "en"]
        with serving_process(
            sample_url, *options, "--log-level", "debug", "--slow-seconds", "0.1", stderr=stderr.fileno()
        ) as gateway:
            run_script(script, tmp_path, gateway.port)
            opend.do(opend.stop)
            time.sleep(0.5)
            assert gateway.stop() == 0
    text = log.read_text()
    assert "upstream is there" in text
    assert '"interface"' in text, "it has no line for a request"
    for secret in (PASSWORD, PASSWORD_MD5, str(REAL), str(SIMULATED), "7654321", "1001234567890123", "FH00"):
        assert secret not in text


@pytest.mark.skipif("QOTGATE_SOAK_MINUTES" not in os.environ, reason="set QOTGATE_SOAK_MINUTES")
@pytest.mark.timeout(0)
def test_nothing_leaks(sample_url: str, tmp_path: Path) -> None:
    """Clients connect, subscribe, read and leave, while OpenD is killed every 20 seconds."""
    from tests.relay.test_relay import TICKS, Client

    end = time.monotonic() + 60 * float(os.environ["QOTGATE_SOAK_MINUTES"])
    port = free_port()
    sizes: list[tuple[int, int]] = []

    def measure(process_id: int) -> tuple[int, int]:
        status = Path(f"/proc/{process_id}/status").read_text()
        files = len(list(Path(f"/proc/{process_id}/fd").iterdir()))
        match = re.search(r"VmRSS:\s+(\d+)", status)
        assert match
        return int(match[1]), files

    with serving_process(sample_url, "--upstream", f"127.0.0.1:{port}", "--log-level", "error") as gateway:
        while time.monotonic() < end:
            with opend_process(port):
                until = time.monotonic() + 20
                while time.monotonic() < until:
                    try:
                        with Client(gateway.port) as client:
                            client.put(3001, TICKS)
                            client.receive()
                            client.snapshot()
                    except (AssertionError, EOFError, OSError):
                        time.sleep(0.1)
            time.sleep(1)
            sizes.append(measure(gateway.process.pid))
    print("KiB resident and open files after each round:", sizes)
    # After the first rounds, which fill the caches.
    settled = sizes[2:]
    assert max(files for _, files in settled) <= min(files for _, files in settled) + 4
    assert settled[-1][0] < settled[0][0] * 1.1 + 4096, sizes
