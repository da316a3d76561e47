"""OpenD for tests: a recording of it, made from a real OpenD the first time or on request."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from qotgate.model import QotGateError
from qotgate.relay.opend import OpenD, OpenDOptions
from qotgate.relay.published import known_messages
from qotgate.relay.recorded import Recording
from qotgate.relay.recorder import Recorder, RecordingUpstream
from qotgate.relay.recording import RecordingFile
from qotgate.relay.replay import Replay
from qotgate.relay.scrubbing import user_key
from qotgate.relay.upstream import Upstream

RecordMode: TypeAlias = Literal["none", "once", "all"]
"""When to record: never; if there is no recording; always, replacing any recording."""

RECORDED_NOW: set[Path] = set()
"""Recordings made by this process: another test with the same recording adds to it."""


@dataclass
class RecordedUpstream:
    """Creates the upstream of a test's gateway, and saves its recording."""

    make: Callable[[], Upstream]
    recorded: RecordingFile | None = None
    path: Path | None = None

    def keep(self) -> None:
        """Replace the earlier recording by the new one; does nothing if no client came."""
        if self.recorded is None or self.path is None:
            return
        self.recorded.close()
        if self.recorded.path == self.path:
            return
        if self.recorded.sessions:
            self.recorded.path.replace(self.path)
            RECORDED_NOW.add(self.path.resolve())
        else:
            self.recorded.path.unlink()


def recorded_upstream(
    path: Path, *, speed: float, strict: bool, record: RecordMode, upstream: str | None, trade: bool
) -> RecordedUpstream:
    """The recording at ``path`` as an upstream, or a recorder of the OpenD at ``upstream``, ``HOST:PORT``.

    Raises QotGateError if there is neither.
    """
    if record not in get_args(RecordMode):
        raise QotGateError(f"record takes {', '.join(get_args(RecordMode))}, not {record!r}.")
    more = path.resolve() in RECORDED_NOW
    if record == "none" or (record == "once" and path.exists() and not more):
        if not path.exists():
            raise QotGateError(
                f"{path} is not there: record it once with an OpenD, by pytest --qotgate-record=once "
                "--qotgate-upstream=HOST:PORT."
            )
        recording = Recording(path)
        return RecordedUpstream(lambda: Replay(recording, speed=speed, strict=strict))
    host, _, port = (upstream or "").rpartition(":")
    if not host or not port.isdecimal():
        raise QotGateError(
            f"Recording takes an OpenD: --qotgate-upstream takes HOST:PORT, such as 127.0.0.1:11111, "
            f"not {upstream!r}."
        )
    options = OpenDOptions(host.strip("[]"), int(port), trade=trade)
    messages = known_messages()
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path
    if not more:
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)
    file = RecordingFile(new, messages.source)
    recorder = Recorder(file, user_key(), messages)
    return RecordedUpstream(lambda: RecordingUpstream(OpenD(options), recorder), file, path)
