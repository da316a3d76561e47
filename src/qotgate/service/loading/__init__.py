"""Loading files: the way of a file from bytes to answers.

Bytes go through a reader, its records through the rules, and all of a load into one transaction, which
also moves the generation. A file that was loaded before is known by its bytes and skipped. Files and lines
that cannot be read are left out and reported. An interrupted load changes nothing.
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
"""Records that wait in memory for their turn to be written, some 200 bytes each; others wait in a file."""


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

    Holdings that are not a fund's whole book are left out, unless ``any_book``. ``dates`` is the order of
    days such as 1/2/2024 in notes; without it each file must show its own. ``progress`` is told (files
    done, files in all). With ``dry_run`` everything is done and then undone.

    Raises StoreError, naming the file that could not be written; nothing has been loaded then.
    """
    report = LoadReport(files=len(files))
    # Reading takes long, and may hang where a disk does, so it takes place before the lock.
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
            # Much is written at the end alone, as the database keeps pages in memory until then.
            if path_of and isinstance(error.__cause__, DBAPIError):
                raise StoreError(f"{error} The load was at {path_of}.") from error
            raise
    return report


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Records hold no cycles; to look for some among them again and again takes a fifth of a load."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Queue:
    """The files that were read, in order: the first in memory, what is more in a file."""

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
        """Raises StoreError where the file cannot be written."""
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
                # Written by put, to a file without a name.
                yield pickle.load(self._file)  # noqa: S301  # nosec B301
