"""Loads files: from bytes to answers.

A reader parses the bytes, the rules process the records, and one transaction stores the whole load and
increments the generation. A file loaded before is recognised by its bytes and skipped. Unreadable files and
lines are rejected and reported. An interrupted load changes nothing.
"""

import gc
import pickle  # nosec B403
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import IO, Self

from sqlalchemy.exc import DBAPIError

from qotgate.model import DayOrder, StoreError
from qotgate.service.loading.reading import Reading, find_files, read_file
from qotgate.service.loading.writing import Load, LoadReport
from qotgate.service.reference import Reference
from qotgate.store import Store, writes

__all__ = ["LoadReport", "find_files", "load"]

MAX_HELD = 500_000
"""Records that wait in memory to be written, about 200 bytes each; further ones wait in a file."""


def load(
    store: Store,
    reference: Reference,
    files: Sequence[Path],
    *,
    dry_run: bool = False,
    any_book: bool = False,
    dates: DayOrder | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LoadReport:
    """Load ``files`` in one transaction.

    Incomplete books are rejected, unless ``any_book``. ``dates`` is the order of days such as 1/2/2024 in
    notes; without it each file must show its own. ``progress`` is called with (files done, files in all).
    With ``dry_run`` the load is rolled back at the end.

    Raises StoreError, which names the file that could not be written; then nothing is loaded.
    """
    report = LoadReport(files=len(files))
    # Reading is slow, and may hang on a bad disk, so it happens before the lock is taken.
    with _collector_at_rest(), _Queue() as queue:
        with store.reading() as connection:
            known = writes.digests(connection)
        for done, path in enumerate(files, 1):
            queue.put(read_file(path, known, any_book, dates))
            if progress is not None:
                progress(done, len(files))
        path_of = ""
        try:
            with store.writing(keep=not dry_run) as connection:
                run = Load(connection, reference, report)
                for found in queue:
                    path_of = found.path
                    run.write(found)
                run.finish()
        except StoreError as error:
            # Many pages are only written at the end, as the database keeps them in memory until then.
            if path_of and isinstance(error.__cause__, DBAPIError):
                raise StoreError(f"{error} The load was at {path_of}.") from error
            raise
    return report


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Pause the garbage collector: records have no cycles, and scanning them repeatedly takes a fifth of a
    load."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Queue:
    """The parsed files, in order: the first ones in memory, the rest in a file."""

    def __init__(self) -> None:
        self._held: deque[Reading] = deque()
        self._records = 0
        self._file: IO[bytes] | None = None
        self._in_file = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def put(self, found: Reading) -> None:
        """Raises StoreError if the file cannot be written."""
        self._records += 0 if found.parsed is None else len(found.parsed.records)
        if self._records <= MAX_HELD or not self._held:
            self._held.append(found)
            return
        try:
            if self._file is None:
                self._file = TemporaryFile()  # noqa: SIM115 - of the whole queue
            pickle.dump(found, self._file)
        except OSError as error:
            raise StoreError(f"{gettempdir()} cannot be written: {error.strerror}.") from error
        self._in_file += 1

    def __iter__(self) -> Iterator[Reading]:
        while self._held:
            yield self._held.popleft()
        if self._file is not None:
            self._file.seek(0)
            for _ in range(self._in_file):
                # Written by put, to an unnamed file.
                yield pickle.load(self._file)  # noqa: S301  # nosec B301
