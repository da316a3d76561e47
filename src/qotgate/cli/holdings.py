"""``qotgate holdings``: ask what the ARK funds hold, and how it changed."""

from typing import Annotated

import typer
from rich.table import Table

from qotgate.cli.options import (
    AsJson,
    AsOf,
    Cycle,
    Database,
    Funds,
    Lang,
    PageCursor,
    SortDir,
    Tables,
    open_questions,
)
from qotgate.cli.pages import numbers_table, print_json, print_table, read_choice, shown
from qotgate.cli.settings import read_day, read_settings
from qotgate.model import (
    ArkCycleType,
    ArkFundHoldingSortField,
    ArkHoldingType,
    FundHolding,
    Page,
    RankSortDir,
)
from qotgate.service.questions import HOLDING_COUNT_DEFAULT


def holdings(
    holding_type: Annotated[
        str, typer.Option("--type", metavar="position|increase|decrease|new|sold_out", help="What to list.")
    ] = "position",
    cycle: Cycle = "one_day",
    sort_field: Annotated[
        str,
        typer.Option(
            "--sort", metavar="shares|weight_change|shares_change|market_value|weight", help="By what."
        ),
    ] = "shares",
    sort_dir: SortDir = "descending",
    count: Annotated[int, typer.Option(help="Rows, 1 to 200.")] = HOLDING_COUNT_DEFAULT,
    page: PageCursor = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    funds: Funds = None,
    lang: Lang = None,
    db: Database = None,
    tables: Tables = None,
) -> None:
    """List what the ARK funds hold together; for positions the changes are over one day."""
    kind = read_choice(ArkHoldingType, holding_type, "--type")
    days = read_choice(ArkCycleType, cycle, "--cycle")
    field = read_choice(ArkFundHoldingSortField, sort_field, "--sort")
    direction = read_choice(RankSortDir, sort_dir, "--sort-dir")
    day = read_day(as_of)
    with open_questions(
        read_settings(lang=lang, funds=funds, db=db, tables=tables), loaded=True
    ) as questions:
        answer = questions.fund_holdings(kind, days, field, direction, count, page, day)
    if as_json:
        print_json(answer)
    else:
        print_table(_table(answer), answer)


def _table(answer: Page[FundHolding]) -> Table:
    table = numbers_table("shares", "change", "USD", "weight %", "change")
    for row in answer.rows:
        table.add_row(
            shown(row.security),
            row.name or "money-market funds",
            f"{row.shares:,}",
            f"{row.shares_change:+,}",
            shown(row.market_value, ",.0f"),
            shown(row.weight, ".2f"),
            shown(row.weight_change, "+.2f"),
        )
    return table
