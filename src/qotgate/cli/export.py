"""``qotgate export``: the research tables as Parquet files, and as one SQLite file."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from qotgate.cli.options import Database, Funds, Lang, Tables
from qotgate.serving.opening import open_questions
from qotgate.serving.settings import read_settings
from qotgate.store.exported import SqliteFile


def export(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Made where it is not there.")],
    sqlite: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A SQLite file with the same tables, too.")
    ] = None,
    funds: Funds = None,
    lang: Lang = None,
    db: Database = None,
    tables: Tables = None,
) -> None:
    """Write trades, transactions, positions, holdings, rating changes, notes and coverage as Parquet files, a
    file a month; of an earlier export only what has changed since."""
    # Imported late: what writes columns takes a while to import.
    from qotgate.service.research.export import export as write
    from qotgate.service.research.export import is_current
    from qotgate.service.research.sql import SqliteTables

    settings = read_settings(lang=lang, funds=funds, db=db, tables=tables)
    with ExitStack() as stack:
        questions = stack.enter_context(open_questions(settings, loaded=True))
        if sqlite is None and is_current(questions, folder):
            typer.echo(f"Nothing has changed since the last export to {folder}.")
            return
        others = [] if sqlite is None else [SqliteTables(stack.enter_context(SqliteFile(sqlite)))]
        done = write(questions, folder, *others)
    for table in done:
        removed = f", {table.removed} removed" if table.removed else ""
        typer.echo(
            f"{table.table}: {table.rows:,} rows of {table.months} months, {table.written} written{removed}"
        )
