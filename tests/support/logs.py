"""A gateway's log, and a gateway whose options change while it runs."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.serving import ServingProcess, serving_process


class Lines:
    """A gateway's log, in a file that can be read while it runs."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def text(self) -> str:
        return self._path.read_text(encoding="utf-8")

    def all(self, event: str | None = None) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]
        return [line for line in found if event is None or line["event"] == event]

    def wait_for(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        deadline = time.monotonic() + 20
        while len(found := self.all(event)) < count:
            assert time.monotonic() < deadline, f"no {event!r} in:\n{self.text}"
            time.sleep(0.02)
        return found


@contextmanager
def logged(folder: Path, url: str, *options: str) -> Iterator[tuple[ServingProcess, Lines]]:
    path = folder / "gateway.log"
    with path.open("w") as file, serving_process(url, *options, stderr=file.fileno()) as gateway:
        yield gateway, Lines(path)


class Reloading:
    """A gateway whose options come from a file."""

    def __init__(self, gateway: ServingProcess, lines: Lines, config: Path) -> None:
        self.gateway, self.lines, self._config = gateway, lines, config

    def reload(self, text: str, event: str = "configuration reloaded") -> dict[str, Any]:
        """Write the options and reload them. Returns the log's fields."""
        before = len(self.lines.all(event))
        self._config.write_text(text)
        self.gateway.process.send_signal(signal.SIGHUP)
        return self.lines.wait_for(event, before + 1)[-1]


@contextmanager
def reloading(folder: Path, url: str, text: str, *options: str) -> Iterator[Reloading]:
    config = folder / "config" / "qotgate" / "qotgate.toml"
    config.parent.mkdir(parents=True)
    config.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        with logged(folder, url, *options) as (gateway, lines):
            yield Reloading(gateway, lines, config)
