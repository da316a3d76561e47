"""``qotgate ark``: ask how the ARK funds trade a stock."""

import json
from typing import Annotated

import typer

from qotgate.cli.options import AsJson, AsOf, Database, Tables, open_questions
from qotgate.cli.settings import read_day, read_settings
from qotgate.model import Security


def ark(
    code: Annotated[str, typer.Argument(metavar="CODE", help="Such as US.TSLA.")],
    as_of: AsOf = None,
    as_json: AsJson = False,
    db: Database = None,
    tables: Tables = None,
) -> None:
    """Show the dynamic of a stock: what the ARK funds' latest transactions in it amount to."""
    security = Security.parse(code, "CODE")
    day = read_day(as_of)
    with open_questions(read_settings(db=db, tables=tables)) as questions:
        answer = questions.ark_stock_dynamic(security, day)
    shown = {
        "dynamic_type": answer.dynamic_type.value,
        "transaction_count": answer.transaction_count,
        "net_shares": answer.net_shares,
        "last_transaction_time": answer.last_transaction_day and answer.last_transaction_day.isoformat(),
    }
    if as_json:
        typer.echo(json.dumps(shown))
    else:
        for name, value in shown.items():
            typer.echo(f"{name}: {'N/A' if value is None else value}")
