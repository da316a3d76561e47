"""``qotgate transactions``: ask what the ARK funds actively bought and sold."""

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
    ActiveTransaction,
    ArkActiveTransactionHoldingType,
    ArkActiveTransactionSortField,
    ArkCycleType,
    Page,
    RankSortDir,
)
from qotgate.service.questions import TRANSACTION_COUNT_DEFAULT


def transactions(
    holding_type: Annotated[
        str,
        typer.Option("--type", metavar="increase|decrease|new|sold_out", help="What became of the position."),
    ] = "increase",
    cycle: Cycle = "one_day",
    sort_field: Annotated[
        str, typer.Option("--sort", metavar="change_amount|change_shares", help="By what.")
    ] = "change_amount",
    sort_dir: SortDir = "descending",
    count: Annotated[int, typer.Option(help="Rows, 1 to 200.")] = TRANSACTION_COUNT_DEFAULT,
    page: PageCursor = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    funds: Funds = None,
    lang: Lang = None,
    db: Database = None,
    tables: Tables = None,
) -> None:
    """List what the ARK funds actively bought (positive) and sold together."""
    kind = read_choice(ArkActiveTransactionHoldingType, holding_type, "--type")
    days = read_choice(ArkCycleType, cycle, "--cycle")
    field = read_choice(ArkActiveTransactionSortField, sort_field, "--sort")
    direction = read_choice(RankSortDir, sort_dir, "--sort-dir")
    day = read_day(as_of)
    with open_questions(
        read_settings(lang=lang, funds=funds, db=db, tables=tables), loaded=True
    ) as questions:
        answer = questions.active_transactions(kind, days, field, direction, count, page, day)
    if as_json:
        print_json(answer)
    else:
        print_table(_table(answer), answer)


def _table(answer: Page[ActiveTransaction]) -> Table:
    table = numbers_table("USD", "shares")
    for row in answer.rows:
        amount = shown(row.change_amount, "+,.2f")
        table.add_row(shown(row.security), row.name, amount, f"{row.change_shares:+,}")
    return table
