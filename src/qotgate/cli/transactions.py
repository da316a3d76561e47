"""``qotgate transactions``: ask what the ARK funds actively bought and sold."""

from typing import Annotated

import typer

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
    read_day,
)
from qotgate.cli.pages import list_table, print_json, print_table, read_choice
from qotgate.model import (
    ArkActiveTransactionHoldingType,
    ArkActiveTransactionSortField,
    ArkCycleType,
    RankSortDir,
)
from qotgate.protocol.interface import ACTIVE_TRANSACTIONS
from qotgate.service.ark.lists import active_transactions
from qotgate.serving.opening import open_questions
from qotgate.serving.settings import read_settings

KIND, _CYCLE, SORT, _SORT_DIR = ACTIVE_TRANSACTIONS.choices
Count = Annotated[int, typer.Option(help=f"Rows, 1 to {ACTIVE_TRANSACTIONS.most}.")]


def transactions(
    holding_type: Annotated[
        str,
        typer.Option("--type", metavar=KIND.metavar, help="What became of the position."),
    ] = "increase",
    cycle: Cycle = "one_day",
    sort_field: Annotated[
        str, typer.Option("--sort", metavar=SORT.metavar, help="By what.")
    ] = "change_amount",
    sort_dir: SortDir = "descending",
    count: Annotated[
        int, typer.Option(help=f"Rows, 1 to {ACTIVE_TRANSACTIONS.most}.")
    ] = ACTIVE_TRANSACTIONS.count,
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
        read_settings(lang=lang, funds=funds, db=db, tables=tables), loaded=True, makes=False
    ) as questions:
        answer = active_transactions(questions, kind, days, field, direction, count, page, day)
    if as_json:
        print_json(answer)
    else:
        print_table(list_table(ACTIVE_TRANSACTIONS, answer), answer)
