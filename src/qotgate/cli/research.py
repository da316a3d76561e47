"""``qotgate research TABLE``: whole research tables, on the screen or as CSV, JSON or Parquet.

Each table is a command with its parameters as options, generated from the table's description.
"""

import inspect
import json
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from qotgate.cli.console import new_console
from qotgate.cli.options import Database, Lang, Tables
from qotgate.cli.words import say
from qotgate.model import Part, QotGateError
from qotgate.protocol.research import TABLES, Parameter, ResearchTable, columns_of
from qotgate.serving.opening import open_questions
from qotgate.serving.settings import read_settings

Rows = Part[tuple[Any, ...]]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one row a line.")]
Parquet = Annotated[
    Path | None, typer.Option("--parquet", metavar="FILE", help="Write a Parquet file.", show_default=False)
]

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Print or write a whole table: many stocks, many days.",
)


def _option(parameter: Parameter) -> Any:
    flag = typer.Option(
        f"--{parameter.name.replace('_', '-')}", help=parameter.description, show_default=False
    )
    return Annotated[list[str] | None if parameter.many else str | None, flag]


def _command(table: ResearchTable[Any]) -> Callable[..., None]:
    options: dict[str, Any] = {parameter.name: _option(parameter) for parameter in table.parameters}
    options |= {"as_csv": AsCsv, "as_json": AsJson, "parquet": Parquet}
    options |= {"lang": Lang, "db": Database, "tables": Tables}

    def command(**given: Any) -> None:
        texts = {
            parameter.name: [value] if isinstance(value := given[parameter.name], str) else value
            for parameter in table.parameters
            if given[parameter.name]
        }
        values = table.values(table.split(texts))
        if sum(map(bool, (given["as_csv"], given["as_json"], given["parquet"]))) > 1:
            raise QotGateError(say("Of --csv, --json and --parquet one is taken."))
        settings = read_settings(lang=given["lang"], db=given["db"], tables=given["tables"])
        # Imported late: libraries for columns are slow to import.
        from qotgate.service.research import parts

        with open_questions(settings, makes=False) as questions:
            found = parts(questions, table, values)
            first = next(found)
            if first.note:
                typer.echo(first.note, err=True)
            _write(table, chain([first], found), given)

    command.__doc__ = table.description
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # Typer reads it
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=False if name in ("as_csv", "as_json") else None,
                annotation=annotation,
            )
            for name, annotation in options.items()
        ]
    )
    command.__annotations__ = options | {"return": None}
    return command


def _write(table: ResearchTable[Any], found: Iterator[Rows], given: dict[str, Any]) -> None:
    if given["parquet"] is not None:
        _write_parquet(table, found, given["parquet"])
    elif given["as_csv"]:
        from qotgate.service.research.frames import csv_of, frame_of

        for number, part in enumerate(found):
            sys.stdout.write(csv_of(frame_of(table.row, part), header=not number))
    elif given["as_json"]:
        names = list(columns_of(table.row))
        for part in found:
            for row in part.rows:
                typer.echo(json.dumps(dict(zip(names, row, strict=True)), default=str, ensure_ascii=False))
    else:
        for part in found:
            _print(table, part)


def _write_parquet(table: ResearchTable[Any], found: Iterator[Rows], path: Path) -> None:
    from qotgate.service.research.files import write_parquet

    rows = write_parquet(table.row, found, path)
    typer.echo(say("{rows:,} rows in {path}.", rows=rows, path=path))


def _print(table: ResearchTable[Any], part: Rows) -> None:
    shown = Table(box=None, pad_edge=False)
    for name, (kind, _) in columns_of(table.row).items():
        shown.add_column(name, justify="right" if kind in (kind.WHOLE, kind.REAL) else "left", no_wrap=True)
    for row in part.rows:
        shown.add_row(*("" if value is None else str(value) for value in row))
    new_console().print(shown)


for _table in TABLES.values():
    app.command(_table.path)(_command(_table))
