"""The file format of a recording: JSON Lines, one line for each exchange or push.

The first line is a header. Each other line belongs to a client's session, whose first line is its
InitConnect. A file from a killed gateway is readable: an incomplete last line is ignored.
"""

import io
import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from qotgate.model import QotGateError
from qotgate.model.version import __version__

MAX_LINE = 64 << 20
"""The longest line in bytes: an answer has 16 MiB at most, and JSON takes a few times as much."""


class Header(BaseModel):
    """The first line: the version of the format, the program, the source of its message classes, and the
    time."""

    model_config = ConfigDict(extra="forbid")

    qotgate_recording: Literal[1] = 1
    written_by: str = f"qotgate {__version__}"
    messages: str | None = None
    recorded: str


class Line(BaseModel):
    """An exchange, or a push, with OpenD.

    ``at`` is the time of the answer or push, in seconds from the start of the file; ``took`` is the time
    since the request; ``n`` numbers the requests of a session in order of arrival, InitConnect as 0.
    ``format`` is the format of base64 bodies, protobuf by default. ``left_out`` says why bodies, or parts of
    them, are missing.
    """

    model_config = ConfigDict(extra="forbid")

    session: int = Field(ge=1)
    n: int | None = Field(None, ge=0)
    at: float = Field(ge=0, allow_inf_nan=False)
    took: float | None = Field(None, ge=0, allow_inf_nan=False)
    proto: int = Field(ge=0, lt=1 << 32)
    name: str
    format: Literal["json"] | None = None
    left_out: str | None = None
    request: dict[str, Any] | None = None
    request_base64: str | None = None
    response: dict[str, Any] | None = None
    response_base64: str | None = None
    push: dict[str, Any] | None = None
    push_base64: str | None = None

    @property
    def is_push(self) -> bool:
        return self.n is None


def read_header(path: Path) -> Header:
    """The first line. Raises QotGateError as :func:`read_lines` does."""
    for _ in read_lines(path):
        break
    with path.open("rb") as file:
        return Header.model_validate_json(file.readline(MAX_LINE))


def read_lines(path: Path) -> Iterator[tuple[int, Line]]:
    """The lines after the header, each with its number in the file.

    Raises QotGateError for a file that cannot be read or is not a recording, and for an invalid line.
    """
    try:
        with path.open("rb") as file:
            yield from _read(path, file)
    except OSError as error:
        raise QotGateError(f"The recording {path} cannot be read: {error.strerror}.") from error


def _read(path: Path, file: io.BufferedReader) -> Iterator[tuple[int, Line]]:
    for number, text in enumerate(iter(lambda: file.readline(MAX_LINE), b""), start=1):
        if not text.endswith(b"\n"):
            if number == 1:
                raise QotGateError(f"{path} is no recording of qotgate.")
            if len(text) == MAX_LINE:
                raise QotGateError(f"{path}, line {number}: takes lines of at most {MAX_LINE} bytes.")
            return
        try:
            if number == 1:
                Header.model_validate_json(text)
            else:
                yield number, Line.model_validate_json(text)
        except ValidationError as error:
            raise _not_read(path, number, text, error) from None


def _not_read(path: Path, number: int, text: bytes, error: ValidationError) -> QotGateError:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    told = f"{where}: {first['msg']}" if where else first["msg"]
    if number > 1:
        return QotGateError(f"{path}, line {number}: {told}.")
    try:
        version = json.loads(text)["qotgate_recording"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return QotGateError(f"{path} is no recording of qotgate.")
    if version != 1:
        return QotGateError(f"{path} is a recording of format {version!r}, and this qotgate reads format 1.")
    return QotGateError(f"{path}, line 1: {told}.")


class RecordingFile:
    """A recording that is being written; an existing file is continued.

    Raises QotGateError if the file cannot be written, is not a recording, or another gateway writes it.
    """

    def __init__(self, path: Path, messages: str | None) -> None:
        self.path = path
        self._lines: list[bytes] = []
        self.sessions = 0
        """The number of the last session."""
        at = 0.0
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise QotGateError(f"The recording {path} cannot be written: {error.strerror}.") from error
        try:
            self._lock()
            if os.fstat(self._file).st_size:
                for _, line in read_lines(path):
                    self.sessions = max(self.sessions, line.session)
                    at = max(at, line.at)
                self._cut_torn_line()
            else:
                now = datetime.now(UTC).isoformat(timespec="seconds")
                self.add(Header(messages=messages, recorded=now).model_dump(exclude_none=True))
                self.flush()
        except OSError as error:
            self.close()
            raise QotGateError(f"The recording {path} cannot be written: {error.strerror}.") from error
        except QotGateError:
            self.close()
            raise
        self._began = time.monotonic() - at

    def now(self) -> float:
        """Seconds from the start of the file."""
        return round(time.monotonic() - self._began, 6)

    def begin(self) -> int:
        """The number of a new session."""
        self.sessions += 1
        return self.sessions

    def add(self, line: dict[str, Any]) -> None:
        """Add the fields of a :class:`Line`; :meth:`flush` writes them."""
        self._lines.append(to_json(line))

    def flush(self) -> None:
        """Write the added lines in one piece. Raises OSError."""
        data = memoryview(b"".join(line + b"\n" for line in self._lines))
        self._lines.clear()
        while data:
            data = data[os.write(self._file, data) :]

    def close(self) -> None:
        """Close the file without the lines not flushed yet."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _lock(self) -> None:
        if sys.platform == "win32":
            return
        import fcntl

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise QotGateError(f"Another gateway is recording into {self.path}.") from error

    def _cut_torn_line(self) -> None:
        """Cut the incomplete last line of a killed gateway."""
        with self.path.open("rb") as file:
            size = end = file.seek(0, os.SEEK_END)
            while end:
                start = max(0, end - (1 << 16))
                file.seek(start)
                found = file.read(end - start).rfind(b"\n")
                if found >= 0:
                    end = start + found + 1
                    break
                end = start
        if end < size:
            os.ftruncate(self._file, end)
