"""Research tables as Parquet files, written a part at a time."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
from polars.io.plugins import register_io_source

from qotgate.model import Part, QotGateError
from qotgate.service.research.frames import frame_of, schema_of
from qotgate.service.research.scope import MAX_ROWS


def sink_parquet(row: type, parts: Iterable[Part[tuple[Any, ...]]], file: BinaryIO) -> int:
    """Write a table to ``file`` as its parts are read, in row groups of about as many rows. Gives the number
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
    """Write a table to ``path``, which is there in full or not at all; gives the number of rows. Raises
    QotGateError where it cannot be written, and what ``parts`` raises."""
    following = iter(parts)
    # What is wrong with the question is told before a file is made.
    first = next(following)
    made = path.with_name(f"{path.name}.{os.getpid()}.part")

    def all_parts() -> Iterator[Part[tuple[Any, ...]]]:
        yield first
        yield from following

    try:
        with made.open("wb") as file:
            rows = sink_parquet(row, all_parts(), file)
        made.replace(path)
    except OSError as error:
        raise QotGateError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        made.unlink(missing_ok=True)
    return rows
