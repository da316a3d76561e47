"""``qotgate unload``: take files out of the database again."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from qotgate.cli.console import new_console
from qotgate.cli.options import AsJson, Database, Lang, Tables
from qotgate.cli.words import say
from qotgate.model import QotGateError
from qotgate.service.loading.unloading import UnloadReport
from qotgate.service.loading.unloading import unload as unload_files
from qotgate.service.reference import load_reference
from qotgate.serving.opening import open_store
from qotgate.serving.settings import read_settings

FILES_SHOWN = 20


def unload(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...", help="Loaded files, by the paths of the load.", show_default=False
        ),
    ] = None,
    load: Annotated[
        int | None,
        typer.Option("--load", metavar="N", help="All files of load N.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything, then roll back.")] = False,
    as_json: AsJson = False,
    lang: Lang = None,
    db: Database = None,
    tables: Tables = None,
) -> None:
    """Unload files, as if they had never been loaded.

    All derived data is computed again from the remaining files, in one transaction; that takes about as long
    as loading them did. `qotgate status` and the Data page show the numbers of loads.
    """
    if bool(files) == (load is not None):
        raise QotGateError(say("unload takes files, or a load by its number: FILE... or --load N."))
    settings = read_settings(lang=lang, db=db, tables=tables)
    errors = new_console(stderr=True)
    with (
        open_store(settings, makes=False) as store,
        Progress(console=errors, disable=not errors.is_terminal) as progress,
    ):
        task = progress.add_task(say("Reading what remains"), total=None)
        report = unload_files(
            store,
            load_reference(settings.tables),
            files or (),
            load,
            dry_run=dry_run,
            progress=lambda done, of: progress.update(task, completed=done, total=of),
        )
    if as_json:
        typer.echo(json.dumps({"dry_run": dry_run, **asdict(report)}, ensure_ascii=False, indent=2))
    else:
        _print(report, dry_run)


def _print(report: UnloadReport, dry_run: bool) -> None:
    console = new_console(soft_wrap=True)
    if dry_run:
        console.print(say("Dry run: nothing is kept."))
    console.print(say("Files taken out: {count:,}", count=len(report.files)))
    for path in report.files[:FILES_SHOWN]:
        console.print(f"  {path}")
    if len(report.files) > FILES_SHOWN:
        more = len(report.files) - FILES_SHOWN
        console.print("  " + say("and {count:,} more (--json lists all)", count=more))
    for path, reason in report.unread:
        console.print(say("{path} remains and counts no more: {reason}", path=path, reason=reason))
    console.print(
        say(
            "Files that remain: {count:,}. Generation {generation}.",
            count=report.left,
            generation=report.generation,
        )
    )
