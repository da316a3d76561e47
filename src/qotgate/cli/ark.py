"""``qotgate ark``: the ARK funds' trading of a stock."""

import json
from dataclasses import asdict
from datetime import date
from typing import Any

import click

from qotgate.cli import options
from qotgate.cli.facts import print_fact
from qotgate.cli.options import read_day
from qotgate.cli.words import say
from qotgate.model import ArkDynamic, Security, TradeEvidence
from qotgate.service.ark.dynamics import ark_stock_dynamic, explain_ark_stock_dynamic
from qotgate.service.questions import Questions
from qotgate.serving.opening import open_questions
from qotgate.serving.settings import read_settings

WHY = {
    "untold": "{days} {fund}: the fund's flow cannot be separated from its trades, so they are unknown",
    "hole": "{days} {fund}: too many of its holdings files are missing, so its trades are unknown",
}


@click.command()
@options.code
@options.as_of
@click.option("--explain", is_flag=True, help="Show each trade behind the answer, with its files and lines.")
@options.as_json
@options.funds
@options.window_days
@options.lang
@options.db
@options.tables
def ark(
    code: str,
    as_of: str | None,
    explain: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Show the dynamic of a stock: what the ARK funds' latest transactions in it amount to."""
    security = Security.parse(code, "CODE")
    day = read_day(as_of)
    settings = read_settings(**flags)
    with open_questions(settings, loaded=True, makes=False) as questions:
        evidence: tuple[TradeEvidence, ...] = ()
        if explain:
            answer, evidence = explain_ark_stock_dynamic(questions, security, day)
        else:
            answer = ark_stock_dynamic(questions, security, day)
        note = _note(questions, security, answer)
    if note:
        click.echo(note, err=True)
    shown = _answer(answer)
    if as_json:
        trades: dict[str, Any] = {"trades": [asdict(trade) for trade in evidence]} if explain else {}
        if explain:
            trades["untold"] = [asdict(days) for days in answer.untold]
        click.echo(json.dumps(shown | trades, default=str))
        return
    for name, value in shown.items():
        print_fact(name, value)
    if day is not None and answer.known_to != day:
        print_fact("known_to", answer.known_to)
    if explain:
        for trade in evidence:
            _print(trade)
        for untold in answer.untold:
            days = _span(untold.first_day, untold.last_day)
            click.echo("\n" + say(WHY[untold.why], days=days, fund=untold.fund))


def _note(questions: Questions, security: Security, answer: ArkDynamic) -> str | None:
    """A sentence about an unknown security; one with transactions is known."""
    if answer.transaction_count:
        return None
    # Imported late: a search reads the names of all securities.
    from qotgate.service.search import Search

    return Search(questions.store, questions.reference).note(security, questions.lang)


def _answer(answer: ArkDynamic) -> dict[str, Any]:
    return {
        "dynamic_type": answer.dynamic_type,
        "transaction_count": answer.transaction_count,
        "net_shares": answer.net_shares,
        "last_transaction_time": answer.last_transaction_day and answer.last_transaction_day.isoformat(),
    }


def _span(first: date, last: date) -> str:
    return f"{first}" if first == last else say("{first} to {last}", first=first, last=last)


def _print(trade: TradeEvidence) -> None:
    days = _span(trade.day, trade.through)
    headline = say(
        "{days} {fund} {shares:+,} shares, confidence {confidence:.2f}",
        days=days,
        fund=trade.fund,
        shares=trade.shares,
        confidence=trade.confidence,
    )
    more = ""
    if trade.change is not None and trade.flow is not None:
        more = say(
            " ({change:+,.0f} in the holdings, of which flow {flow:+,})", change=trade.change, flow=trade.flow
        )
    click.echo(f"\n{headline}\n  " + say("from {ground}{more}", ground=say(trade.ground), more=more))
    for path, line in trade.places:
        place = "{path}, not in it" if line is None else "{path}, line {line}"
        click.echo("  " + say(place, path=path, line=line))
