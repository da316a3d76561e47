"""``qotgate research TABLE``: whole research tables, on the screen or as CSV, JSON or Parquet.

Each table is a command with its parameters as options, generated from the table's description.
"""

import json
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from qotgate.cli import options
from qotgate.cli.console import new_console
from qotgate.cli.groups import Group
from qotgate.cli.words import say
from qotgate.model import Part, QotGateError
from qotgate.protocol.research import TABLES, ResearchTable, columns_of
from qotgate.serving.opening import open_questions
from qotgate.serving.settings import read_settings

Rows = Part[tuple[Any, ...]]
app = Group("research", help="Print or write a whole table: many stocks, many days.")


def _command(table: ResearchTable[Any]) -> click.Command:
    @click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, one row a line.")
    @click.option("--parquet", type=options.PATH, metavar="FILE", help="Write a Parquet file.")
    @options.lang
    @options.db
    @options.tables
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
                click.echo(first.note, err=True)
            _write(table, chain([first], found), given)

    for parameter in reversed(table.parameters):
        command = click.option(
            f"--{parameter.name.replace('_', '-')}",
            parameter.name,
            type=str,
            multiple=parameter.many,
            help=parameter.description,
        )(command)
    return click.command(table.path, help=table.description)(command)


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
                click.echo(json.dumps(dict(zip(names, row, strict=True)), default=str, ensure_ascii=False))
    else:
        for part in found:
            _print(table, part)


def _write_parquet(table: ResearchTable[Any], found: Iterator[Rows], path: Path) -> None:
    from qotgate.service.research.files import write_parquet

    rows = write_parquet(table.row, found, path)
    click.echo(say("{rows:,} rows in {path}.", rows=rows, path=path))


def _print(table: ResearchTable[Any], part: Rows) -> None:
    shown = Table(box=None, pad_edge=False)
    for name, (kind, _) in columns_of(table.row).items():
        shown.add_column(name, justify="right" if kind in (kind.WHOLE, kind.REAL) else "left", no_wrap=True)
    for row in part.rows:
        shown.add_row(*("" if value is None else str(value) for value in row))
    new_console().print(shown)


for _table in TABLES.values():
    app.add_command(_command(_table))
