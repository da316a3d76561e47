"""Research tables as Parquet files, written a part at a time."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
from polars.io.plugins import register_io_source

from qotgate.model import Part, QotGateError
from qotgate.service.research.frames import frame_of, schema_of
from qotgate.service.research.scope import MAX_ROWS


def sink_parquet(row: type, parts: Iterable[Part[tuple[Any, ...]]], file: BinaryIO) -> int:
    """Write a table to ``file`` while its parts are read, in row groups of similar size. Returns the number
    of rows."""
    rows = 0

    def frames(*_what: object) -> Iterator[pl.DataFrame]:
        nonlocal rows
        for part in parts:
            rows += len(part.rows)
            yield frame_of(row, part)

    register_io_source(frames, schema=schema_of(row)).sink_parquet(file, row_group_size=MAX_ROWS)
    return rows


def write_parquet(row: type, parts: Iterable[Part[tuple[Any, ...]]], path: Path) -> int:
    """Write a table to ``path``, which is complete or absent. Returns the number of rows. Raises QotGateError
    if it cannot be written, and the errors of ``parts``."""
    following = iter(parts)
    # Errors of the question are raised before a file is created.
    first = next(following)
    try:
        with _replaced(path) as made, made.open("wb") as file:
            return sink_parquet(row, chain([first], following), file)
    except OSError as error:
        raise QotGateError(f"{path} cannot be written: {error.strerror}.") from error


def replace_parquet(frame: pl.DataFrame, path: Path, about: dict[str, str]) -> None:
    """Write a frame to ``path`` in the same way, with ``about`` in the file's own metadata. Raises
    OSError."""
    with _replaced(path) as made:
        frame.write_parquet(made, metadata=dict(about))


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """A file to write, which replaces ``path`` at the end of the block."""
    made = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield made
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
