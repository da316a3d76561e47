"""The log of a serving command: on standard error, without ever blocking the gateway.

A line is an event and its fields, as JSON or as text. Texts of clients and of libraries pass through here
too: each stays on one line, is cut at a maximum length, and loses the characters that control a terminal.
Secrets are hidden wherever they occur.
"""

import atexit
import io
import logging
import re
import sys
import time
from collections.abc import Collection, MutableMapping
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TextIO, cast

import structlog

LOG_LINES_WAITING = 10_000
LOG_DRAIN_SECONDS = 1.0
VALUE_MOST = 500
"""Longest field in characters, so that a client cannot fill the log with one request."""
HIDDEN = "***"
_PASSWORD = re.compile(r"(pass\w*=)[^&\s'\"]+", re.IGNORECASE)
# Control characters, and characters that change the writing direction or end a line in some readers.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_UNSAFE_IN_TRACE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class BackgroundLog:
    """A log that never blocks the gateway: lines go through a queue to a thread that writes them. Lines that
    the stream does not take (full disk, broken pipe) or that exceed the queue are lost."""

    of_process: "BackgroundLog | None" = None

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: SimpleQueue[str] = SimpleQueue()
        Thread(target=self._write, name="log", daemon=True).start()
        atexit.register(self.drain)

    def write(self, text: str) -> None:
        if self._lines.qsize() < LOG_LINES_WAITING:
            self._lines.put(text)

    def flush(self) -> None:
        """Do nothing: the thread writes as fast as the stream takes lines."""

    def _write(self) -> None:
        while True:
            line = self._lines.get()
            with suppress(OSError, ValueError):
                self._stream.write(line)
                self._stream.flush()

    def drain(self) -> None:
        """Wait a moment for the queued lines."""
        deadline = time.monotonic() + LOG_DRAIN_SECONDS
        while not self._lines.empty() and time.monotonic() < deadline:
            time.sleep(0.01)


class DirectLog:
    """A log that writes at once, for a process that must not have threads. Lines that the stream does not
    take are lost."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def unbuffered(stream: TextIO) -> TextIO:
    """``stream`` without a buffer. A line that cannot be written would stay in the buffer, and Python would
    end with exit status 120 because the final flush fails too."""
    try:
        file = io.FileIO(stream.fileno(), "w", closefd=False)
    except OSError:  # no file behind it, as when a test captures it
        return stream
    return io.TextIOWrapper(file, stream.encoding, "backslashreplace", write_through=True)


class LibraryLines(logging.Handler):
    """Passes the log records of libraries to the gateway's log."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "error" if record.levelno >= logging.ERROR else "warning"
        getattr(structlog.get_logger(), level)(
            "library", library=record.name, said=record.getMessage(), exc_info=record.exc_info
        )


def configure_log(
    level: str = "info",
    format_: str | None = None,
    hidden: Collection[str] = (),
    *,
    background: bool = True,
) -> None:
    """Log lines of ``level`` and above to standard error, in ``format_``; None means text on a terminal and
    JSON elsewhere. The strings in ``hidden`` appear in no line.

    It is called again when the options change.
    """
    stream: BackgroundLog | DirectLog
    if background:
        stream = BackgroundLog.of_process = BackgroundLog.of_process or BackgroundLog(unbuffered(sys.stderr))
    else:
        stream = DirectLog(unbuffered(sys.stderr))
    terminal = sys.stderr.isatty()
    as_text = terminal if format_ is None else format_ == "text"
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if as_text:
        renderer = structlog.dev.ConsoleRenderer(
            colors=terminal, exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            Harmless(hidden),
            renderer,
        ],
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, stream)),
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        # The level and the secrets may change while the gateway runs.
        cache_logger_on_first_use=False,
    )
    libraries = logging.getLogger()
    libraries.handlers = [LibraryLines(logging.WARNING)]


class Harmless:
    """Makes every field safe to show."""

    def __init__(self, hidden: Collection[str]) -> None:
        # The longest first: one secret may contain another.
        self._hidden = sorted(filter(None, hidden), key=len, reverse=True)

    def __call__(
        self, _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        return {name: self._harmless(name, value) for name, value in event.items()}

    def _harmless(self, name: str, value: Any) -> Any:
        if value is None or isinstance(value, int | float):
            return value
        if isinstance(value, list | tuple):
            return [self._harmless(name, one) for one in value]
        text = without_passwords(str(value))
        for secret in self._hidden:
            text = text.replace(secret, HIDDEN)
        if name == "exception":
            # Lines of a traceback are indented, so that none can pass for a log line.
            return "\n".join(f"    {line}" for line in _UNSAFE_IN_TRACE.sub(_escaped, text).split("\n"))
        if len(text) > VALUE_MOST:
            text = f"{text[:VALUE_MOST]}..."
        return _UNSAFE.sub(_escaped, text)


def without_passwords(text: str) -> str:
    """``text`` without the passwords in the queries of its URLs."""
    return _PASSWORD.sub(rf"\1{HIDDEN}", text)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
