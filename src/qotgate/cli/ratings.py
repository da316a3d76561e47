"""``qotgate ratings``: ask how analysts changed their ratings."""

import json
from dataclasses import fields
from datetime import date
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from qotgate.cli.options import AsJson, AsOf, Database, Lang, Tables, open_questions
from qotgate.cli.settings import read_day, read_settings
from qotgate.model import Market, Page, QotGateError, RatingChange, RatingChangeType


def ratings(
    market: Annotated[str, typer.Option(metavar="US|CA", help="The market.")] = "US",
    change_type: Annotated[
        str, typer.Option(metavar="upgrade|downgrade|new_rating", help="What to list.")
    ] = "upgrade",
    count: Annotated[int, typer.Option(help="Rows, 1 to 20.")] = 10,
    page: Annotated[str | None, typer.Option(help="The cursor that ended an earlier page.")] = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    lang: Lang = None,
    db: Database = None,
    tables: Tables = None,
) -> None:
    """List rating changes, newest first."""
    kinds = {kind.value.lower(): kind for kind in RatingChangeType}
    if change_type.lower() not in kinds:
        raise QotGateError(f"--change-type takes {', '.join(kinds)}, not {change_type!r}.")
    if market.upper() not in ("US", "CA"):
        raise QotGateError(f"--market takes US or CA, not {market!r}.")
    day = read_day(as_of)
    with open_questions(read_settings(lang=lang, db=db, tables=tables)) as questions:
        answer = questions.rating_changes(
            Market(market.upper()), kinds[change_type.lower()], count, page, day
        )
    if as_json:
        typer.echo(json.dumps(_as_json(answer), ensure_ascii=False, indent=2))
    else:
        _print(answer)


def _as_json(answer: Page[RatingChange]) -> dict[str, Any]:
    rows = [{field.name: _plain(getattr(row, field.name)) for field in fields(row)} for row in answer.rows]
    return {"all_count": answer.all_count, "next_page": answer.next_page, "rows": rows}


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, float) else str(value)


def _print(answer: Page[RatingChange]) -> None:
    table = Table()
    for name in ("security", "name", "rating", "target price", "institution", "day", "last day"):
        table.add_column(name, no_wrap=name in ("security", "day", "last day"))
    for row in answer.rows:
        table.add_row(
            str(row.security),
            row.name,
            f"{_shown(row.last_rating)} → {row.rating}",
            f"{_shown(row.last_target_price)} → {_shown(row.target_price)}",
            row.institution,
            _shown(row.day),
            _shown(row.last_day),
        )
    console = Console()
    console.print(table)
    console.print(f"{answer.all_count:,} in all.", highlight=False)
    if answer.next_page:
        console.print(f"Next page: --page {answer.next_page}", highlight=False, soft_wrap=True)


def _shown(value: float | str | date | None) -> str:
    return "N/A" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
