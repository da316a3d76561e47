"""Loading files: the way of a file from bytes to answers.

Bytes go through a reader, its records through the rules, and all of a load into one transaction, which
also moves the generation. A file that was loaded before is known by its bytes and passed over; what cannot
be read is left out, by file and line, and reported; a load that is interrupted has not happened.
"""

import pickle  # nosec B403
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import SpooledTemporaryFile, gettempdir

from sqlalchemy.exc import DBAPIError

from qotgate.model import DayOrder, StoreError
from qotgate.service.loading.reading import find_files, read_file
from qotgate.service.loading.writing import Load, LoadReport
from qotgate.service.reference import Reference
from qotgate.store import Store
from qotgate.store import loading as stored
from qotgate.store.faults import unwritten

__all__ = ["MAX_SPOOL", "LoadReport", "find_files", "load"]

MAX_SPOOL = 64 << 20
"""Bytes of what was read that wait in memory for their turn to be written; beyond, they wait in a file."""


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
    with SpooledTemporaryFile(MAX_SPOOL) as spool:
        with store.reading() as connection:
            known = stored.digests(connection)
        for done, path in enumerate(files, 1):
            found = read_file(path, known, any_book, dates)
            try:
                pickle.dump(found, spool)
            except OSError as error:
                raise StoreError(f"{gettempdir()} cannot be written: {error.strerror}.") from error
            if progress is not None:
                progress(done, len(files))
        spool.seek(0)
        with store.writing(keep=not dry_run) as connection:
            run = Load(connection, reference, report)
            for _ in files:
                # Written above, to a file without a name.
                found = pickle.load(spool)  # noqa: S301  # nosec B301
                try:
                    run.write(found)
                except DBAPIError as error:
                    raise StoreError(f"{unwritten(error)} The load was at {found.path}.") from error
            run.finish()
    return report
