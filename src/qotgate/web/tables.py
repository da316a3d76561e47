"""Answers as tables, CSV and Parquet. Import it on demand: Polars is slow to import."""

from collections.abc import Iterable, Iterator
from datetime import date
from io import BytesIO
from itertools import chain
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

import polars as pl
from polars.io.plugins import register_io_source
from pydantic import BaseModel

from qotgate.model.finite import finite
from qotgate.service.research.frames import FORMULA_STARTS
from qotgate.web.shapes import rows_of

TYPES: dict[type, type[pl.DataType]] = {
    str: pl.String,
    bool: pl.Boolean,  # before int, its base class
    int: pl.Int64,
    float: pl.Float64,
    date: pl.Date,
}


def csv_table(body: BaseModel, *, header: bool = True) -> bytes:
    """The rows as CSV, safe for spreadsheets."""
    schema = {name: pl.String if isinstance(kind, pl.List) else kind for name, kind in _schema(body).items()}
    texts = [{name: _text(value) for name, value in row.items()} for row in _cells(body)]
    file = BytesIO()
    pl.DataFrame(texts, schema=schema).write_csv(file, include_header=header)
    return file.getvalue()


def parquet_table(first: BaseModel, parts: Iterable[BaseModel]) -> bytes:
    """A file of all parts; besides the output, one part at a time is in memory."""
    schema = _schema(first)

    def frames(*_what: object) -> Iterator[pl.DataFrame]:
        for part in chain([first], parts):
            yield pl.DataFrame(list(_cells(part)), schema=schema)

    file = BytesIO()
    register_io_source(frames, schema=schema).sink_parquet(file)
    return file.getvalue()


def _schema(body: BaseModel) -> dict[str, Any]:
    rows = type(body).model_fields.get("rows")
    row_type = type(body) if rows is None else get_args(rows.annotation)[0]
    return {name: _column(field.annotation) for name, field in row_type.model_fields.items()}


def _cells(body: BaseModel) -> Iterator[dict[str, Any]]:
    for row in rows_of(body):
        yield {name: finite(value) for name, value in row.model_dump().items()}


def _column(annotation: Any) -> Any:
    """The type of a column, from the type of a model's field."""
    if isinstance(annotation, UnionType) or get_origin(annotation) is not None:
        inner = [one for one in get_args(annotation) if one is not NoneType]
        if get_origin(annotation) is list:
            return pl.List(_column(inner[0]))
        if get_origin(annotation) is Literal:
            return pl.String
        return _column(inner[0])
    if issubclass(annotation, BaseModel):
        return pl.Struct({name: _column(field.annotation) for name, field in annotation.model_fields.items()})
    return next(column for kind, column in TYPES.items() if issubclass(annotation, kind))


def _text(value: Any) -> Any:
    """A cell of a CSV file; nested values are separated by semicolons."""
    if isinstance(value, list):
        value = "; ".join(map(_part, value))
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def _part(part: dict[str, Any]) -> str:
    """A place as ``file:line``, anything else as its values."""
    if "path" in part:
        return f"{part['path']}:{part['line'] or ''}"
    return " ".join(map(str, part.values()))
