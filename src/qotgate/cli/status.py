"""``qotgate status``: show what is loaded."""

import json
from dataclasses import asdict
from typing import Any

import typer
from rich.table import Table

from qotgate.cli.console import new_console
from qotgate.cli.options import AsJson, Database
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


def status(as_json: AsJson = False, db: Database = None) -> None:
    """Show what is loaded: files, rows, day ranges, the generation, and what could not be read."""
    with open_store(read_settings(db=db), makes=False) as store:
        found = read_status(store)
    if as_json:
        typer.echo(json.dumps(asdict(found), default=str, ensure_ascii=False, indent=2))
    else:
        _print(found)


def _print(found: Status) -> None:
    console = new_console()
    console.print(f"{found.database}, generation {found.generation}", soft_wrap=True)
    if not found.files:
        console.print("Nothing is loaded yet: qotgate load PATH")
    for row in found.files:
        console.print(f"{row['files']:,} files of {row['kind']}, {row['records']:,} rows")
    for kind, rows in found.spans.items():
        if rows:
            console.print(_table(TITLES[kind], rows))
    if found.holes:
        console.print(_table(HOLES, [asdict(hole) for hole in found.holes]))
    console.print(
        f"{found.reiterations:,} reiterations; feeds' own prior views that our history overrules: "
        f"{found.prior_disagreements:,}"
    )
    for load in found.loads:
        console.print(_load(load), soft_wrap=True)
    if found.loads:
        console.print("Take one out again: qotgate unload --load N, or qotgate unload FILE")
    console.print(f"{found.unread_files:,} files could not be read")
    for file in found.unread:
        console.print(f"  {file['path']}: {file['reason']}", soft_wrap=True, markup=False)
    console.print(f"{found.rejected_lines:,} lines left out; unknown grades: {len(found.unknown_grades):,}")
    for reject in found.rejects:
        where = reject["path"] if reject["line"] is None else f"{reject['path']}, line {reject['line']}"
        console.print(f"  {where}: {reject['reason']}", soft_wrap=True, markup=False)
    if found.contradictions:
        console.print(f"{found.contradicted:,} identifiers not believed, as other lines contradict them:")
    for row in found.contradictions:
        console.print(f"  {contradiction_sentence(row)}", markup=False, soft_wrap=True)
    if found.contradicted > len(found.contradictions):
        more = found.contradicted - len(found.contradictions)
        console.print(f"  and {more:,} more (the Data page lists all)")


def _load(load: dict[str, Any]) -> str:
    """A load in a line."""
    outcome = load["outcome"].lower().replace("_", " ")
    files = f"{load['read']:,} files read, {load['unchanged']:,} known, {load['rejected']:,} rejected"
    rows = f"{load['added']:,} rows new, {load['left_out']:,} lines left out"
    return f"Load {load['id']}, {load['loaded_at']}: {outcome}; {files}; {rows}"


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(*rows[0], title=title, title_justify="left")
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()))
    return table
