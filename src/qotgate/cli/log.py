"""The log of a command that serves: to standard error, and never in the way."""

import atexit
import sys
import time
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import TextIO, cast

import structlog

LOG_LINES_WAITING = 10_000
LOG_DRAIN_SECONDS = 1.0


class BackgroundLog:
    """A log that never holds the gateway up: lines go through a queue to a thread that writes them. What
    the stream does not take, on a full disk or a broken pipe, is lost, and lines beyond the queue too."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: SimpleQueue[str] = SimpleQueue()
        Thread(target=self._write, name="log", daemon=True).start()
        atexit.register(self.drain)

    def write(self, text: str) -> None:
        if self._lines.qsize() < LOG_LINES_WAITING:
            self._lines.put(text)

    def flush(self) -> None:
        """Nothing to do: the thread writes as fast as the stream takes it."""

    def _write(self) -> None:
        while True:
            line = self._lines.get()
            with suppress(OSError, ValueError):
                self._stream.write(line)
                self._stream.flush()

    def drain(self) -> None:
        """Wait a moment for the lines that are not written yet."""
        deadline = time.monotonic() + LOG_DRAIN_SECONDS
        while not self._lines.empty() and time.monotonic() < deadline:
            time.sleep(0.01)


def configure_log() -> BackgroundLog:
    """Log lines to standard error: coloured on a terminal, JSON elsewhere."""
    log = BackgroundLog(sys.stderr)
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, log)),
        cache_logger_on_first_use=True,
    )
    return log
