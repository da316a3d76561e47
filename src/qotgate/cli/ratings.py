"""``qotgate ratings``: analysts' rating changes."""

from typing import Any

import click
from rich.table import Table

from qotgate.cli import options
from qotgate.cli.facts import shown
from qotgate.cli.options import read_day
from qotgate.cli.pages import print_json, print_table, read_choice
from qotgate.cli.words import say
from qotgate.model import Market, Page, QotGateError, RatingChange, RatingChangeType
from qotgate.protocol.interface import RATING_CHANGES
from qotgate.service.ratings.changes import rating_changes
from qotgate.serving.opening import open_questions
from qotgate.serving.settings import read_settings


@click.command()
@click.option("--market", default="US", show_default=True, metavar="US|CA", help="The market.")
@click.option(
    "--change-type",
    default="upgrade",
    show_default=True,
    metavar=RATING_CHANGES.choices[1].metavar,
    help="What to list.",
)
@options.count("Rows", RATING_CHANGES.count, RATING_CHANGES.most)
@options.page
@options.as_of
@options.as_json
@options.lang
@options.db
@options.tables
def ratings(
    market: str,
    change_type: str,
    count: int,
    page: str | None,
    as_of: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """List rating changes, newest first."""
    kind = read_choice(RatingChangeType, change_type, "--change-type")
    if market.upper() not in ("US", "CA"):
        raise QotGateError(say("--market takes US or CA, not {market!r}.", market=market))
    day = read_day(as_of)
    with open_questions(read_settings(**flags), makes=False) as questions:
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
