"""``qotgate holdings``: ask what the ARK funds hold, and how it changed."""

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
    ArkCycleType,
    ArkFundHoldingSortField,
    ArkHoldingType,
    RankSortDir,
)
from qotgate.protocol.interface import FUND_HOLDINGS
from qotgate.service.ark.lists import fund_holdings
from qotgate.serving.opening import open_questions
from qotgate.serving.settings import read_settings

KIND, _CYCLE, SORT, _SORT_DIR = FUND_HOLDINGS.choices
Count = Annotated[int, typer.Option(help=f"Rows, 1 to {FUND_HOLDINGS.most}.")]


def holdings(
    holding_type: Annotated[
        str, typer.Option("--type", metavar=KIND.metavar, help="What to list.")
    ] = "position",
    cycle: Cycle = "one_day",
    sort_field: Annotated[
        str,
        typer.Option("--sort", metavar=SORT.metavar, help="By what."),
    ] = "shares",
    sort_dir: SortDir = "descending",
    count: Count = FUND_HOLDINGS.count,
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
        read_settings(lang=lang, funds=funds, db=db, tables=tables), loaded=True, makes=False
    ) as questions:
        answer = fund_holdings(questions, kind, days, field, direction, count, page, day)
    if as_json:
        print_json(answer)
    else:
        print_table(list_table(FUND_HOLDINGS, answer), answer)
