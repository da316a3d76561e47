"""``qotgate export``: the research tables as Parquet files, and as one SQLite file."""

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from qotgate.cli import options
from qotgate.cli.words import say
from qotgate.serving.opening import open_questions
from qotgate.serving.settings import read_settings
from qotgate.store.exported import SqliteFile


@click.command()
@click.argument("folder", type=options.PATH, metavar="FOLDER", help="Created if missing.")
@click.option(
    "--sqlite", type=options.PATH, metavar="FILE", help="Also write a SQLite file with the same tables."
)
@options.funds
@options.lang
@options.db
@options.tables
def export(folder: Path, sqlite: Path | None, **flags: Any) -> None:
    """Write trades, transactions, positions, holdings, rating changes, notes and coverage as Parquet files,
    one for each month; only changes since an earlier export are written."""
    # Imported late: libraries for columns are slow to import.
    from qotgate.service.research.export import export as write
    from qotgate.service.research.export import is_current
    from qotgate.service.research.sql import SqliteTables

    settings = read_settings(**flags)
    with ExitStack() as stack:
        questions = stack.enter_context(open_questions(settings, loaded=True, makes=False))
        if sqlite is None and is_current(questions, folder):
            click.echo(say("Nothing has changed since the last export to {folder}.", folder=folder))
            return
        others = [] if sqlite is None else [SqliteTables(stack.enter_context(SqliteFile(sqlite)))]
        done = write(questions, folder, *others)
    for table in done:
        said = "{table}: {rows:,} rows of {months} months, {written} written"
        click.echo(say(f"{said}, {{removed}} removed" if table.removed else said, **asdict(table)))
