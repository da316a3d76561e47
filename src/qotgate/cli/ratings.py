"""``qotgate ratings``: analysts' rating changes."""

from typing import Annotated

import typer
from rich.table import Table

from qotgate.cli.facts import shown
from qotgate.cli.options import AsJson, AsOf, Database, Lang, PageCursor, Tables, read_day
from qotgate.cli.pages import print_json, print_table, read_choice
from qotgate.cli.words import say
from qotgate.model import Market, Page, QotGateError, RatingChange, RatingChangeType
from qotgate.protocol.interface import RATING_CHANGES
from qotgate.service.ratings.changes import rating_changes
from qotgate.serving.opening import open_questions
from qotgate.serving.settings import read_settings


def ratings(
    market: Annotated[str, typer.Option(metavar="US|CA", help="The market.")] = "US",
    change_type: Annotated[
        str, typer.Option(metavar=RATING_CHANGES.choices[1].metavar, help="What to list.")
    ] = "upgrade",
    count: Annotated[int, typer.Option(help=f"Rows, 1 to {RATING_CHANGES.most}.")] = RATING_CHANGES.count,
    page: PageCursor = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    lang: Lang = None,
    db: Database = None,
    tables: Tables = None,
) -> None:
    """List rating changes, newest first."""
    kind = read_choice(RatingChangeType, change_type, "--change-type")
    if market.upper() not in ("US", "CA"):
        raise QotGateError(say("--market takes US or CA, not {market!r}.", market=market))
    day = read_day(as_of)
    with open_questions(read_settings(lang=lang, db=db, tables=tables), makes=False) as questions:
        answer = rating_changes(questions, Market(market.upper()), kind, count, page, day)
    if as_json:
        print_json(answer)
    else:
        print_table(_table(answer), answer)


def _table(answer: Page[RatingChange]) -> Table:
    table = Table()
    for name in ("security", "name", "rating", "target price", "institution", "day", "last day"):
        table.add_column(say(name), no_wrap=name in ("security", "day", "last day"))
    for row in answer.rows:
        table.add_row(
            str(row.security),
            row.name,
            f"{say(row.last_rating or 'N/A')} → {say(row.rating)}",
            f"{shown(row.last_target_price)} → {shown(row.target_price)}",
            row.institution,
            shown(row.day),
            shown(row.last_day),
        )
    return table
