"""``qotgate unload``: take files out of the database again."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress

from qotgate.cli import options
from qotgate.cli.console import new_console
from qotgate.cli.words import say
from qotgate.model import QotGateError
from qotgate.service.loading.unloading import UnloadReport
from qotgate.service.loading.unloading import unload as unload_files
from qotgate.service.reference import load_reference
from qotgate.serving.opening import open_store
from qotgate.serving.settings import read_settings

FILES_SHOWN = 20


@click.command()
@click.argument(
    "files",
    type=options.PATH,
    nargs=-1,
    metavar="[FILE]...",
    help="Loaded files, by the paths of the load.",
)
@click.option("--load", type=int, metavar="N", help="All files of load N.")
@options.dry_run
@options.as_json
@options.lang
@options.db
@options.tables
def unload(files: Sequence[Path], load: int | None, dry_run: bool, as_json: bool, **flags: Any) -> None:
    """Unload files, as if they had never been loaded.

    All derived data is computed again from the remaining files, in one transaction; that takes about as long
    as loading them did. `qotgate status` and the Data page show the numbers of loads.
    """
    if bool(files) == (load is not None):
        raise QotGateError(say("unload takes files, or a load by its number: FILE... or --load N."))
    settings = read_settings(**flags)
    errors = new_console(stderr=True)
    with (
        open_store(settings, makes=False) as store,
        Progress(console=errors, disable=not errors.is_terminal) as progress,
    ):
        task = progress.add_task(say("Reading what remains"), total=None)
        report = unload_files(
            store,
            load_reference(settings.tables),
            files,
            load,
            dry_run=dry_run,
            progress=lambda done, of: progress.update(task, completed=done, total=of),
        )
    if as_json:
        click.echo(json.dumps({"dry_run": dry_run, **asdict(report)}, ensure_ascii=False, indent=2))
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
