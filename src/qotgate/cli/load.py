"""``qotgate load``: read files into the database."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import click
from click.exceptions import Exit
from rich.progress import Progress
from rich.table import Table

from qotgate.cli import options
from qotgate.cli.console import Console, new_console
from qotgate.cli.words import language, say
from qotgate.model import DayOrder
from qotgate.service.coverage.provenance import contradiction_sentence
from qotgate.service.loading import LoadReport, find_files
from qotgate.service.loading import load as load_files
from qotgate.service.reference import load_reference
from qotgate.serving.opening import open_store
from qotgate.serving.settings import Settings, read_settings

STEP_BACK = 10
"""Added to the process's niceness: a gateway on the machine serves people, while a load can wait."""
REJECTS_SHOWN = 20
NAMED_TOGETHER = 3
"""Files or lines named for one reason, if there are more of them."""
WORDS_SHOWN = 10
NOTHING_LOADED = 1


@click.command()
@click.argument(
    "paths",
    type=options.PATH,
    nargs=-1,
    required=True,
    metavar="PATH...",
    help="Files, and folders (read recursively).",
)
@options.dry_run
@click.option("--any-book", is_flag=True, help="Accept incomplete books of a fund too.")
@click.option(
    "--dates",
    type=click.Choice(DayOrder, case_sensitive=False),
    metavar="dmy|mdy",
    help="The order of days such as 1/2/2024 in notes that do not show it.",
)
@options.as_json
@options.lang
@options.db
@options.tables
def load(
    paths: Sequence[Path],
    dry_run: bool,
    any_book: bool,
    dates: DayOrder | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Load ARK holdings, ARK trade notices and analyst notes.

    The content decides what a file is. Unreadable files and lines are rejected and listed; the rest is loaded
    in one transaction, and gateways on the same database answer from it at once.
    """
    settings = read_settings(**flags)
    if not load_into(settings, paths, dry_run=dry_run, any_book=any_book, dates=dates, as_json=as_json):
        raise Exit(NOTHING_LOADED)


def load_into(
    settings: Settings,
    paths: Sequence[Path],
    *,
    dry_run: bool = False,
    any_book: bool = False,
    dates: DayOrder | None = None,
    as_json: bool = False,
) -> bool:
    """Load files, and print the report. Returns whether one of them is, or was before, in the database."""
    _step_back()
    reference = load_reference(settings.tables)
    passed_over: Counter[str] = Counter()
    files = find_files(paths, passed_over)
    errors = new_console(stderr=True)
    with open_store(settings) as store, Progress(console=errors, disable=not errors.is_terminal) as progress:
        task = progress.add_task(say("Loading"), total=len(files))
        report = load_files(
            store,
            reference,
            files,
            dry_run=dry_run,
            any_book=any_book,
            dates=dates,
            progress=lambda done, _total: progress.update(task, completed=done),
        )
    if as_json:
        said = _as_json(report, dry_run) | {"passed_over": dict(passed_over)}
        click.echo(json.dumps(said, default=str, ensure_ascii=False, indent=2))
    else:
        _print(report, dry_run, passed_over)
    return bool(report.read or report.unchanged)


@cache
def _step_back() -> None:
    """Lower the priority of the process, once: a fetch at intervals loads again and again."""
    if hasattr(os, "nice"):
        os.nice(STEP_BACK)


def _as_json(report: LoadReport, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "files": {
            "found": report.files,
            "read": report.read,
            "unchanged": report.unchanged,
            "rejected": report.rejected,
        },
        "rows": {kind: {"read": n, "new": report.added[kind]} for kind, n in report.rows.items()},
        "rejects": [{"file": path, "line": line, "reason": reason} for path, line, reason in report.rejects],
        "unknown_grades": dict(report.unknown_grades),
        "unmapped": dict(report.unmapped),
        "contradictions": report.contradictions,
        "generation": report.generation,
        "load": None if dry_run else report.number,
    }


def _print(report: LoadReport, dry_run: bool, passed_over: Counter[str]) -> None:
    console = new_console(soft_wrap=True)
    table = Table(say("files"), "", title=say("Dry run: nothing is kept") if dry_run else None)
    for label, number in (
        ("read", report.read),
        ("unchanged", report.unchanged),
        ("rejected", report.rejected),
    ):
        table.add_row(say(label), f"{number:,}")
    console.print(table)
    if report.rows:
        rows = Table(*map(say, ("rows", "read", "new")))
        for kind, number in sorted(report.rows.items()):
            rows.add_row(say(kind), f"{number:,}", f"{report.added[kind]:,}")
        console.print(rows)
    if passed_over:
        suffixes = ", ".join(
            f"{suffix or say('no suffix')}: {n:,}" for suffix, n in passed_over.most_common()
        )
        console.print(
            say(
                "{count:,} files passed over, as their names do not end as those of data do ({suffixes}); "
                "name one to have it read.",
                count=passed_over.total(),
                suffixes=suffixes,
            )
        )
    _list(console, "Left out", _reasons(report.rejects), REJECTS_SHOWN, of=len(report.rejects))
    _list(
        console,
        "Grades that the scale does not know (add them to grades.csv in --tables)",
        [
            say("{word} (notes: {count:,})", word=word, count=number)
            for word, number in report.unknown_grades.most_common()
        ],
        WORDS_SHOWN,
    )
    _list(
        console,
        "Securities without a code (add them to listings.csv in --tables)",
        [
            say("{line} (lines: {count:,})", line=line, count=number)
            for line, number in report.unmapped.most_common()
        ],
        WORDS_SHOWN,
    )
    _list(
        console,
        "Identifiers not believed, as other lines contradict them (their lines count under ticker and name)",
        [contradiction_sentence(row, language()) for row in report.contradictions],
        REJECTS_SHOWN,
    )
    which = "Generation {generation}." if dry_run else "Load {number}. Generation {generation}."
    console.print(say(which, number=report.number, generation=report.generation))


def _reasons(rejects: list[tuple[str, int | None, str]]) -> list[str]:
    """The rejects, with one sentence for all files, or all lines of a file, with the same reason."""
    files: dict[str, list[str]] = {}
    lines: dict[tuple[str, str], list[str]] = {}
    for path, line, reason in rejects:
        if line is None:
            files.setdefault(reason, []).append(path)
        else:
            lines.setdefault((path, reason), []).append(str(line))
    said = [say("{names}: {reason}", names=_several(paths), reason=reason) for reason, paths in files.items()]
    for (path, reason), numbers in lines.items():
        where = "{path}, lines {names}: {reason}" if len(numbers) > 1 else "{path}, line {names}: {reason}"
        said.append(say(where, path=path, names=_several(numbers), reason=reason))
    return said


def _several(names: list[str]) -> str:
    if len(names) <= NAMED_TOGETHER + 1:
        return ", ".join(names)
    first = ", ".join(names[:NAMED_TOGETHER])
    return say("{names} and {count:,} more", names=first, count=len(names) - NAMED_TOGETHER)


def _list(console: Console, title: str, lines: list[str], most: int, *, of: int | None = None) -> None:
    """Print ``lines``, at most ``most`` of them, under a title with their number; a line may represent more
    than one of ``of``."""
    if not lines:
        return
    console.print(say("{title}: {count:,}", title=say(title), count=len(lines) if of is None else of))
    for line in lines[:most]:
        console.print(f"  {line}")
    if len(lines) > most:
        console.print("  " + say("and {count:,} more (--json lists all)", count=len(lines) - most))
