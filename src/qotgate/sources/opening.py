"""Opens foreign formats in a separate process, with limits on memory and time.

A parser in C or Rust may allocate gigabytes for a few kilobytes, loop, or crash: a failed allocation in Rust
aborts the process. Its behaviour cannot be predicted from the file. So one process, reused for all files,
opens them. If it crashes or takes too long, that one file is refused and a new process opens the next.
"""

import atexit
import os
import socket
import subprocess  # nosec B404
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from threading import Lock
from time import monotonic

from qotgate.model import DayOrder, ParsedFile, Unreadable
from qotgate.sources.formats import read_here

MAX_MEMORY = 2 << 30
"""Memory limit of the process, in bytes."""
MAX_SECONDS = 120.0
"""Time limit for one file; a sheet of 5,000,000 cells takes a tenth of it."""
LOOK_SECONDS = 0.5
"""Seconds between checks that the process still exists."""
REFUSED = (
    f"it is damaged, or opening it takes more than {MAX_MEMORY >> 30} GiB of memory or {MAX_SECONDS:g} "
    "seconds; download it again, or save the table as .csv without stray cells far from it"
)
_START = "from qotgate.sources.opening import serve; serve({})"


class Opener:
    """Opens files in the process, which it starts with the first file."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._link: Connection | None = None

    def read(self, content: bytes, name: str, dates: DayOrder | None = None) -> ParsedFile:
        """The records of a file. Raises Unreadable."""
        with self._lock:
            answer = self._ask(content, name, dates)
        if isinstance(answer, ParsedFile):
            return answer
        raise Unreadable(answer)

    def close(self) -> None:
        """End the process."""
        if self._link is not None and self._process is not None:
            self._link.close()
            self._process.kill()
            self._process.wait()
        self._link = self._process = None

    def _ask(self, content: bytes, name: str, dates: DayOrder | None) -> ParsedFile | str:
        link = self._link or self._start()
        try:
            link.send((name, dates))
            link.send_bytes(content)
            if self._answers(link):
                answer: ParsedFile | str = link.recv()
                return answer
        except (EOFError, OSError):
            # The process has ended; it can give no reason.
            pass
        except BaseException:
            self.close()
            raise
        self.close()
        return REFUSED

    def _answers(self, link: Connection) -> bool:
        """Whether an answer comes in time. Also checks that the process exists: its end of the link stays
        open as long as a process forked meanwhile has a copy of it."""
        deadline = monotonic() + MAX_SECONDS
        while not link.poll(LOOK_SECONDS):
            if monotonic() > deadline or self._process is None:
                return False
            if self._process.poll() is not None:
                return link.poll()
        return True

    def _start(self) -> Connection:
        ours, its = socket.socketpair()
        with its:
            self._process = subprocess.Popen(  # noqa: S603  # nosec B603 - no argument is from outside
                [sys.executable, "-P", "-c", _START.format(its.fileno())],
                pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # Each thread of a pool would use its own memory, and one file waits for one answer.
                env={**os.environ, "POLARS_MAX_THREADS": "1", "RAYON_NUM_THREADS": "1"},
            )
        self._link = Connection(ours.detach())
        return self._link


def serve(file: int) -> None:
    """Open files for the process at the other end of ``file``, until that end is closed."""
    _limit_memory()
    link = Connection(file)
    with suppress(EOFError, OSError):
        while True:
            (name, dates), content = link.recv(), link.recv_bytes()
            link.send(_answer(content, name, dates))
            del content


def _answer(content: bytes, name: str, dates: DayOrder | None) -> ParsedFile | str:
    try:
        return read_here(content, name=name, dates=dates)
    except Unreadable as problem:
        return str(problem)
    except MemoryError:
        return REFUSED


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows, where only a crash ends the process
        return
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY, MAX_MEMORY))
        # No core file.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


opener = Opener()
atexit.register(opener.close)
