"""The research tables as files: a Parquet file for each month of a table, and one SQLite file of all.

Only changes are written. Each file contains the digest of its month's contents, so the next export ignores
whatever an interrupted export left behind.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from qotgate.model import InvalidRequest, QotGateError
from qotgate.model.version import __version__
from qotgate.protocol.research import (
    COVERAGE,
    HOLDINGS,
    NOTES,
    POSITIONS,
    RATINGS,
    TRADES,
    TRANSACTIONS,
    ResearchTable,
)
from qotgate.service.questions import Questions
from qotgate.service.research.files import replace_parquet
from qotgate.service.research.frames import frame_of, schema_of
from qotgate.service.research.parts import parts
from qotgate.store.database import generation

EXPORTED: tuple[ResearchTable[Any], ...] = (
    TRADES,
    TRANSACTIONS,
    POSITIONS,
    HOLDINGS,
    RATINGS,
    NOTES,
    COVERAGE,
)
STATE = "export.json"
DIGEST = "qotgate.digest"
WHOLE = "all"
"""Instead of a month, for a table without days."""


class Target(Protocol):
    """The destination of an export. ``digests`` are those of its current contents, by month."""

    def digests(self, table: ResearchTable[Any]) -> Mapping[str, str]: ...

    def write(self, table: ResearchTable[Any], month: str, frame: pl.DataFrame, digest: str) -> None: ...

    def remove(self, table: ResearchTable[Any], month: str) -> None: ...


@dataclass
class Exported:
    """The outcome for a table: its rows and months, and how many months were ``written`` or ``removed``."""

    table: str
    rows: int = 0
    months: int = 0
    written: int = 0
    removed: int = 0


class ParquetFolder:
    """A folder with a subfolder for each table, which has a Parquet file for each month."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def digests(self, table: ResearchTable[Any]) -> dict[str, str]:
        return {path.stem: _digest_in(path) for path in self._files(table)}

    def write(self, table: ResearchTable[Any], month: str, frame: pl.DataFrame, digest: str) -> None:
        path = self._folder / table.name / f"{month}.parquet"
        path.parent.mkdir(exist_ok=True)
        replace_parquet(frame, path, {DIGEST: digest})

    def remove(self, table: ResearchTable[Any], month: str) -> None:
        (self._folder / table.name / f"{month}.parquet").unlink(missing_ok=True)

    def _files(self, table: ResearchTable[Any]) -> list[Path]:
        return sorted((self._folder / table.name).glob("*.parquet"))


def is_current(questions: Questions, folder: Path) -> bool:
    """Whether the folder already has the contents that an export would write."""
    try:
        return bool(json.loads((folder / STATE).read_text("utf-8")) == _state(questions))
    except (OSError, ValueError):
        return False


def export(questions: Questions, folder: Path, *others: Target) -> list[Exported]:
    """Write changes to ``folder`` and the ``others``. Raises QotGateError, also if a load changes the data
    meanwhile."""
    state = _state(questions)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / STATE).unlink(missing_ok=True)
        done = [_export(questions, table, (ParquetFolder(folder), *others)) for table in EXPORTED]
        # Each table comes from one state of the data; all of them do if the state is still the same.
        if _state(questions) == state:
            (folder / STATE).write_text(json.dumps(state, indent=1), "utf-8")
            return done
    except InvalidRequest as error:
        if error.sentence != "page_changed":
            raise
    except OSError as error:
        raise QotGateError(f"{error.filename or folder} cannot be written: {error.strerror}.") from error
    raise QotGateError("A load has changed the data during the export: export again.")


def _state(questions: Questions) -> dict[str, Any]:
    """The state that an export depends on."""
    with questions.store.reading() as connection:
        number = generation(connection)
    return {
        "version": __version__,
        "generation": number,
        "lang": questions.lang,
        "funds": list(questions.funds),
        "held_funds": list(questions.held_funds),
        "tables": questions.reference.digest,
    }


def _export(questions: Questions, table: ResearchTable[Any], targets: tuple[Target, ...]) -> Exported:
    there = [dict(target.digests(table)) for target in targets]
    done = Exported(table.name)
    for month, frame in _months(questions, table):
        digest = sha256(frame.write_csv().encode()).hexdigest()
        done.rows += frame.height
        done.months += 1
        changed = False
        for target, digests in zip(targets, there, strict=True):
            if digests.pop(month, None) != digest:
                target.write(table, month, frame, digest)
                changed = True
        done.written += changed
    for target, digests in zip(targets, there, strict=True):
        for month in digests:
            target.remove(table, month)
    done.removed = len({month for digests in there for month in digests})
    return done


def _months(questions: Questions, table: ResearchTable[Any]) -> Iterator[tuple[str, pl.DataFrame]]:
    """The rows of each month, with one month in memory at a time."""
    if not table.by:
        frames = [frame_of(table.row, part) for part in parts(questions, table, table.values({}))]
        yield WHOLE, pl.concat(frames)
        return
    month, held = "", pl.DataFrame(schema=schema_of(table.row))
    try:
        found = parts(questions, table, table.values({}))
        for part in found:
            frame = frame_of(table.row, part)
            by_month = frame.with_columns(pl.col(table.by).dt.strftime("%Y-%m").alias("")).partition_by(
                "", as_dict=True, maintain_order=True, include_key=False
            )
            for (named,), rows in sorted(by_month.items()):
                if named == month:
                    held = held.vstack(rows)
                    continue
                if held.height:
                    yield month, held
                month, held = str(named), rows
    except InvalidRequest as error:
        # A table without loaded data has no months.
        if not error.sentence.startswith("no_"):
            raise
    if held.height:
        yield month, held


def _digest_in(path: Path) -> str:
    try:
        return pl.read_parquet_metadata(path).get(DIGEST, "")
    except (OSError, pl.exceptions.PolarsError):
        return ""
