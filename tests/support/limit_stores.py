"""A private Redis or Valkey: the system's program, in its own folder and on its own port."""

import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from redis import Redis

from tests.support.parts import find, missing, program
from tests.support.wire import free_port

LIMIT_STORES = ("redis-server", "valkey-server")


def with_tls() -> str:
    """The name of a server built with TLS; skips the test if there is none."""
    found = next(filter(_knows_tls, filter(find, LIMIT_STORES)), None)
    if found is None:
        missing("no redis-server or valkey-server with TLS")
    return found


def _knows_tls(name: str) -> bool:
    # It ends at once, because most TLS options are missing.
    command = [program(name), "--port", "0", "--tls-port", "1", "--tls-cert-file", "/none"]
    said = subprocess.run(command, capture_output=True, timeout=20, check=False).stdout
    return b"Failed finding TLS support" not in said


class StoreServer:
    """One of LIMIT_STORES, by default the first installed, on 127.0.0.1 with its files in ``folder``. Starts
    on request. With ``aof`` its data is on disk before it answers; otherwise a stop loses all data."""

    def __init__(
        self, folder: Path, name: str | None = None, *, aof: bool = False, options: tuple[str, ...] = ()
    ) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.folder = folder
        aof_options = ("--appendonly", "yes", "--appendfsync", "always") if aof else ("--appendonly", "no")
        # An absolute path, so that the system's own service is not involved.
        self._command = [
            program(name or next(filter(find, LIMIT_STORES), LIMIT_STORES[0])),
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""),
            *("--logfile", str(folder / "log"), "--daemonize", "no", *aof_options, *options),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def client(self, url: str | None = None) -> "Redis":
        return Redis.from_url(url or self.url, socket_timeout=5)

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as asked:
                asked.sendall(b"PING\r\n")
                # A server that asks for a password is ready too; one that is still loading is not.
                if asked.recv(100).startswith((b"+PONG", b"-NOAUTH")):
                    return
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """End it, by SIGTERM or SIGKILL."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(by)
            self._process.wait(20)
            self._process = None

    def hang(self) -> None:
        """Make it accept connections without answering."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Continue after :meth:`hang`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
