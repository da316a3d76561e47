"""``qotgate trading-days`` and ``qotgate market-state``: answers from the exchanges' calendars."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from qotgate.cli import options
from qotgate.cli.console import new_console
from qotgate.cli.options import read_day
from qotgate.cli.pages import plain_row, rows_table
from qotgate.cli.words import say
from qotgate.model import Market, QotGateError, Security, SecurityState, TradingDay
from qotgate.service.calendar import CALENDARS, trading_days
from qotgate.service.markets import security_states
from qotgate.serving.opening import open_questions
from qotgate.serving.settings import read_settings


@click.command()
@click.argument("market", metavar="MARKET", help=f"One of {', '.join(CALENDARS)}.")
@click.option("--start", metavar="DAY", help="Default: a year before the end.")
@click.option("--end", metavar="DAY", help="Default: a year after the start, or today.")
@options.as_json
def days(market: str, start: str | None, end: str | None, as_json: bool) -> None:
    """List the days on which a market trades."""
    name = market.upper()
    if name not in CALENDARS:
        values = {"flag": "MARKET", "words": ", ".join(CALENDARS), "text": market}
        raise QotGateError(say("{flag} takes {words}, not {text!r}.", **values))
    first, last = read_day(start, "--start"), read_day(end, "--end")
    found = trading_days(Market[name], first, last, datetime.now(UTC).date(), ("--start", "--end"))
    _print(found, TradingDay, as_json)


@click.command()
@click.argument("codes", nargs=-1, required=True, metavar="CODE...", help="Such as US.TSLA.")
@options.as_json
@options.lang
@options.db
@options.tables
def states(codes: Sequence[str], as_json: bool, **flags: Any) -> None:
    """Show the current state of the markets of some stocks."""
    securities = [Security.parse(code, "CODE") for code in codes]
    with open_questions(read_settings(**flags), makes=False) as questions:
        found = security_states(questions, securities, datetime.now(UTC), "CODE")
    _print(found, SecurityState, as_json)


def _print(rows: Sequence[Any], kind: type, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(list(map(plain_row, rows)), ensure_ascii=False, indent=2))
    else:
        new_console().print(rows_table(rows, kind))
