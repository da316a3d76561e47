"""``qotgate status``: show what is loaded."""

import json
from dataclasses import asdict
from typing import Any

import click
from rich.table import Table

from qotgate.cli import options
from qotgate.cli.console import new_console
from qotgate.cli.words import language, say
from qotgate.service.coverage.provenance import contradiction_sentence
from qotgate.service.coverage.status import Status
from qotgate.service.coverage.status import status as read_status
from qotgate.serving.opening import open_store
from qotgate.serving.settings import read_settings

TITLES = {
    "holdings": "Holdings",
    "notices": "Trade notices",
    "ark_days": "ARK trading days covered, by notices and by the difference of holdings",
    "notes": "Analyst notes",
    "rating_changes": "Rating changes",
}
HOLES = "Holes: too many holdings files are missing to infer trades"


@click.command()
@options.as_json
@options.lang
@options.db
def status(as_json: bool, **flags: Any) -> None:
    """Show what is loaded: files, rows, day ranges, the generation, and rejects."""
    with open_store(read_settings(**flags), makes=False) as store:
        found = read_status(store)
    if as_json:
        click.echo(json.dumps(asdict(found), default=str, ensure_ascii=False, indent=2))
    else:
        _print(found)


def _print(found: Status) -> None:
    console = new_console(soft_wrap=True)
    console.print(
        say("{database}, generation {generation}", database=found.database, generation=found.generation)
    )
    if not found.files:
        console.print(say("Nothing is loaded yet: qotgate load PATH"))
    for row in found.files:
        kind = say(row["kind"])
        console.print(
            say("{kind}: {files:,} files, {rows:,} rows", kind=kind, files=row["files"], rows=row["records"])
        )
    for title, rows in found.spans.items():
        if rows:
            console.print(_table(TITLES[title], rows))
    if found.holes:
        console.print(_table(HOLES, [asdict(hole) for hole in found.holes]))
    console.print(
        say(
            "{reiterations:,} reiterations; feeds' prior ratings that differ from our history: {prior:,}",
            reiterations=found.reiterations,
            prior=found.prior_disagreements,
        )
    )
    for load in found.loads:
        console.print(_load(load))
    if found.loads:
        console.print(say("Take one out again: qotgate unload --load N, or qotgate unload FILE"))
    console.print(say("Files that could not be read: {count:,}", count=found.unread_files))
    for file in found.unread:
        console.print("  " + say("{names}: {reason}", names=file["path"], reason=file["reason"]))
    grades = len(found.unknown_grades)
    console.print(
        say(
            "Lines left out: {lines:,}; unknown grades: {grades:,}", lines=found.rejected_lines, grades=grades
        )
    )
    for reject in found.rejects:
        where = "{names}: {reason}" if reject["line"] is None else "{path}, line {names}: {reason}"
        names = reject["path"] if reject["line"] is None else reject["line"]
        console.print("  " + say(where, path=reject["path"], names=names, reason=reject["reason"]))
    if found.contradictions:
        console.print(
            say(
                "Identifiers not believed, as other lines contradict them: {count:,}",
                count=found.contradicted,
            )
        )
    for row in found.contradictions:
        console.print(f"  {contradiction_sentence(row, language())}")
    if found.contradicted > len(found.contradictions):
        more = found.contradicted - len(found.contradictions)
        console.print("  " + say("and {count:,} more (the Data page lists all)", count=more))


def _load(load: dict[str, Any]) -> str:
    """A load in one line."""
    return say(
        "Load {number}, {moment}: {outcome}; files: {read:,} read, {known:,} known, {rejected:,} rejected; "
        "rows: {added:,} new; lines left out: {left_out:,}",
        number=load["id"],
        moment=load["loaded_at"],
        outcome=say(load["outcome"].lower().replace("_", " ")),
        known=load["unchanged"],
        **{name: load[name] for name in ("read", "rejected", "added", "left_out")},
    )


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(*map(say, rows[0]), title=say(title), title_justify="left")
    for row in rows:
        table.add_row(*(_cell(name, value) for name, value in row.items()))
    return table


def _cell(column: str, value: Any) -> str:
    if column in ("source", "change_type"):
        return say(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
