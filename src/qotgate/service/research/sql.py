"""The research tables in one SQLite file."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from sqlalchemy import Boolean, Date, Float, Integer, Text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import TypeEngine

from qotgate.protocol.research import Kind, ResearchTable, columns_of
from qotgate.store.exported import MonthlyTable, SqliteFile

TYPES: dict[Kind, TypeEngine[Any]] = {
    Kind.TEXT: Text(),
    Kind.WHOLE: Integer(),
    Kind.REAL: Float(),
    Kind.TRUTH: Boolean(),
    Kind.DAY: Date(),
}


class SqliteTables:
    """A :class:`~qotgate.service.research.export.Target` in one SQLite file."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._tables: dict[str, MonthlyTable] = {}

    def digests(self, table: ResearchTable[Any]) -> Mapping[str, str]:
        columns = {name: TYPES[kind] for name, (kind, _) in columns_of(table.row).items()}
        indexes = [(table.by,), ("security", table.by)] if table.by else []
        try:
            made = self._tables[table.name] = self._file.table(table.name, columns, indexes)
            return made.digests()
        except SQLAlchemyError as error:
            raise self._file.failed(error) from error

    def write(self, table: ResearchTable[Any], month: str, frame: pl.DataFrame, digest: str) -> None:
        try:
            self._tables[table.name].replace(month, frame.iter_rows(named=True), digest)
        except SQLAlchemyError as error:
            raise self._file.failed(error) from error

    def remove(self, table: ResearchTable[Any], month: str) -> None:
        try:
            self._tables[table.name].remove(month)
        except SQLAlchemyError as error:
            raise self._file.failed(error) from error
