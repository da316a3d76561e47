"""The raw files of one publisher, unchanged: ``<folder>/<UTC day>/<name>``.

Nothing is ever overwritten: equal bytes are stored once, and another file of the same day and name gets a
number. A file is complete or absent. ``.requests.json`` records which version of which file each address
sent, so that the next request can ask for changes only. It also records which files have not been loaded yet,
so that an interrupted run loses none. Losing it only costs a second download.
"""

import fcntl
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from glob import escape
from itertools import count
from pathlib import Path
from typing import Any, Self

from qotgate.model import QotGateError
from qotgate.sources.fetching.client import Version

MEMORY = ".requests.json"


class FetchFolder:
    """The files from one publisher in ``folder``; only one run at a time uses it."""

    def __init__(self, folder: Path, today: Callable[[], date] = lambda: datetime.now(UTC).date()) -> None:
        self.folder = folder
        self._today = today
        self._memory = _remembered(folder / MEMORY)

    @classmethod
    @contextmanager
    def open(
        cls, folder: Path, today: Callable[[], date] = lambda: datetime.now(UTC).date()
    ) -> Iterator[Self]:
        """The folder, created if needed, for this run alone.

        Raises QotGateError if another run uses it, OSError if it cannot be used.
        """
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise QotGateError(
                    f"Another qotgate fetch is at work in {folder}; try again when it is done."
                ) from error
            yield cls(folder, today)
        finally:
            os.close(descriptor)

    def known(self, address: str) -> tuple[Version, Path] | None:
        """The version that ``address`` last sent, and its file, if that still exists."""
        entry = self._memory["versions"].get(address)
        if not isinstance(entry, dict):
            return None
        path = self.folder / str(entry.get("file"))
        return (Version(entry.get("etag"), entry.get("last_modified")), path) if path.is_file() else None

    def keep(self, address: str, name: str, content: bytes, version: Version) -> tuple[Path, bool]:
        """Store what ``address`` sent as ``name``. Returns its file, and whether these bytes are new."""
        path = next((path for path in self._earlier(name) if _holds(path, content)), None)
        new = path is None
        if path is None:
            path = self._write(name, content)
            self._memory["waiting"].append(self._relative(path))
        self._memory["versions"][address] = {
            "etag": version.etag,
            "last_modified": version.last_modified,
            "file": self._relative(path),
        }
        self._remember()
        return path, new

    def waiting(self) -> list[Path]:
        """The files not loaded yet, oldest first."""
        paths = (self.folder / file for file in self._memory["waiting"])
        return [path for path in paths if path.is_file()]

    def loaded(self, paths: Iterable[Path]) -> None:
        """Record that ``paths`` have been loaded."""
        done = {self._relative(path) for path in paths}
        self._memory["waiting"] = [file for file in self._memory["waiting"] if file not in done]
        self._remember()

    def _earlier(self, name: str) -> list[Path]:
        """The files stored as ``name`` on any day, with or without a number, newest day first."""
        stem, suffix = Path(name).stem, Path(name).suffix
        numbered = re.compile(re.escape(stem) + r"(-\d+)?" + re.escape(suffix))
        found = self.folder.glob(f"*/{escape(stem)}*{escape(suffix)}")
        return sorted((path for path in found if numbered.fullmatch(path.name)), reverse=True)

    def _write(self, name: str, content: bytes) -> Path:
        day = self.folder / self._today().isoformat()
        day.mkdir(exist_ok=True)
        stem, suffix = Path(name).stem, Path(name).suffix
        with _written(day, content) as whole:
            for number in count(1):
                path = day / (name if number == 1 else f"{stem}-{number}{suffix}")
                if _publish(whole, path):
                    break
        _sync(day)
        _sync(self.folder)
        return path

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _remember(self) -> None:
        text = json.dumps(self._memory, ensure_ascii=False, indent=1)
        with _written(self.folder, text.encode()) as whole:
            whole.replace(self.folder / MEMORY)
        _sync(self.folder)


def _remembered(path: Path) -> dict[str, Any]:
    try:
        memory: Any = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        memory = None
    if not isinstance(memory, dict):
        memory = {}
    versions, waiting = memory.get("versions"), memory.get("waiting")
    return {
        "versions": versions if isinstance(versions, dict) else {},
        "waiting": [str(file) for file in waiting] if isinstance(waiting, list) else [],
    }


def _holds(path: Path, content: bytes) -> bool:
    return path.stat().st_size == len(content) and path.read_bytes() == content


@contextmanager
def _written(folder: Path, content: bytes) -> Iterator[Path]:
    """A hidden file with ``content``, synced to the disk; deleted afterwards unless renamed."""
    path = folder / f".{secrets.token_hex(8)}.part"
    try:
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield path
    finally:
        path.unlink(missing_ok=True)


def _publish(whole: Path, path: Path) -> bool:
    """Give a complete file its name; False if the name is taken. A link then fails, while a rename would
    not."""
    try:
        path.hardlink_to(whole)
    except FileExistsError:
        return False
    except OSError:  # a file system without links, such as exFAT
        if path.exists():
            return False
        whole.rename(path)
    return True


def _sync(folder: Path) -> None:
    """Sync a folder, so that its names survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
