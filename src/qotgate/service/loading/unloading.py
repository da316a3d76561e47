"""Unloading files, as if they had never been loaded.

In one transaction the remaining files are read again, in the order in which they were loaded, and all derived
rows are computed again. So no trace of an unloaded file remains, neither its rows nor their effects on
others, such as two securities joined by a name.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qotgate import sources
from qotgate.model import LoadOutcome, Refused, Unreadable
from qotgate.service.loading.reading import digests, order_of, read_bytes, shown
from qotgate.service.loading.writing import Load, LoadReport
from qotgate.service.reference import Reference
from qotgate.store import Store, contents
from qotgate.store.database import write_state
from qotgate.store.tables import Row


@dataclass
class UnloadReport:
    """The unloaded files, by path; the number of files ``left``; and (path, reason) of remaining files that
    no longer count, such as an incomplete book without its neighbour."""

    files: list[str] = field(default_factory=list)
    left: int = 0
    unread: list[tuple[str, str]] = field(default_factory=list)
    generation: int = 0
    number: int = 0
    """The number of the unloading in the history of loads."""


def unload(
    store: Store,
    reference: Reference,
    paths: Sequence[Path] = (),
    load_id: int | None = None,
    *,
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> UnloadReport:
    """Unload the files loaded from ``paths``, or all files of one load.

    ``progress`` is called with (files read again, files in all). With ``dry_run`` the unloading is rolled
    back at the end. Raises QotGateError if no such file is loaded, if a path names several, or if a remaining
    file is not available any more; and StoreError. Then nothing is unloaded.
    """
    found = UnloadReport()
    with store.writing(keep=not dry_run) as connection:
        if load_id is not None:
            wanted = contents.of_load(connection, load_id)
            if not wanted:
                raise Refused("unload_load", number=load_id)
        else:
            wanted = [_one(path, contents.of_path(connection, shown(_resolved(path)))) for path in paths]
        found.files = [row["path"] for row in wanted]
        contents.forget(connection, {row["id"] for row in wanted})
        report = LoadReport(files=len(wanted))
        run = Load(connection, reference, report)
        left = contents.file_ids(connection)
        found.left = len(left)
        for done, file_id in enumerate(left, 1):
            row = _again(contents.of_file(connection, file_id))
            try:
                parsed = sources.read(row["content"], name=row["name"], dates=order_of(row["digest"]))
                parsed = run.judged(row["content"], parsed, row["any_book"])
                run.add(file_id, row["path"], row["content"], parsed)
            except Unreadable as error:
                found.unread.append((row["path"], str(error)))
            if progress is not None:
                progress(done, len(left))
        run.finish(LoadOutcome.UNLOADED)
        # Earlier cursors point to rows that no longer exist.
        write_state(connection, "pages_from", str(report.generation))
        found.generation, found.number = report.generation, report.number
    return found


def _resolved(path: Path) -> Path:
    """The target of ``path``, as the load resolved it; the path itself if links form a circle."""
    return Path(os.path.realpath(path))


def _one(path: Path, rows: Sequence[Row]) -> Row:
    if not rows:
        raise Refused("unload_file", path=shown(path))
    if len(rows) > 1:
        loads = ", ".join(str(row["load_id"] or "an earlier version") for row in rows)
        raise Refused("unload_several", path=shown(path), count=len(rows), loads=loads)
    return rows[0]


def _again(row: Row) -> Row:
    """A remaining file with its content; for a file loaded by an earlier version, from its original path."""
    if row["content"] is not None:
        return row
    path = Path(row["path"])
    try:
        content = read_bytes(path)
    except (OSError, Unreadable):
        content = b""
    for any_book in (False, True):
        if row["digest"] in digests(content, path, any_book=any_book).values():
            return {**row, "name": shown(Path(path.name)), "content": content, "any_book": any_book}
    raise Refused("unload_no_copy", path=path)
