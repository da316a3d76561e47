"""``qotgate consensus`` and ``qotgate rating-summary``: institutions' ratings of one stock, in sum and one by
one."""

import json
from dataclasses import fields
from typing import Any

import click

from qotgate.cli import options
from qotgate.cli.console import new_console
from qotgate.cli.facts import print_fact
from qotgate.cli.options import read_day
from qotgate.cli.pages import plain_row, rows_table
from qotgate.cli.words import say
from qotgate.model import InstitutionRating, Security
from qotgate.protocol.rating_answers import MAX_INSTITUTIONS
from qotgate.service.questions import Questions
from qotgate.service.ratings.summary import (
    INSTITUTIONS,
    analyst_consensus,
    institution_ratings,
    rating_summary,
)
from qotgate.service.search import Search
from qotgate.serving.opening import open_questions
from qotgate.serving.settings import read_settings


@click.command()
@options.code
@options.as_of
@options.as_json
@options.lang
@options.db
@options.tables
def consensus(code: str, as_of: str | None, as_json: bool, **flags: Any) -> None:
    """Show the institutions' consensus on a stock, from the last note of each in three months."""
    security, day = Security.parse(code, "CODE"), read_day(as_of)
    with open_questions(read_settings(**flags), makes=False) as questions:
        answer = analyst_consensus(questions, security, day)
        _tell_near(questions, security)
    if as_json:
        click.echo(json.dumps({"total": answer.total, **plain_row(answer)}))
        return
    for name in ("total", *(field.name for field in fields(answer))):
        print_fact(name, getattr(answer, name))


@click.command()
@options.code
@click.option("--institution", help="Only this one, by any of its names.")
@options.count("Institutions", INSTITUTIONS, MAX_INSTITUTIONS)
@options.page
@options.as_of
@options.as_json
@options.lang
@options.db
@options.tables
def summary(
    code: str,
    institution: str | None,
    count: int,
    page: str | None,
    as_of: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """List the ratings of a stock by institution, sorted by each one's newest rating."""
    security, day = Security.parse(code, "CODE"), read_day(as_of)
    with open_questions(read_settings(**flags), makes=False) as questions:
        if institution is None:
            answer = rating_summary(questions, security, count=count, page=page, as_of=day)
        else:
            answer = institution_ratings(questions, security, institution, day)
        _tell_near(questions, security)
    if as_json:
        rows = list(map(plain_row, answer.rows))
        beside = {"next_page": answer.next_page, "known_to": str(answer.known_to)}
        click.echo(json.dumps({**beside, "rows": rows}, ensure_ascii=False, indent=2))
        return
    console = new_console()
    console.print(rows_table(answer.rows, InstitutionRating))
    console.print(say("Known to {day}.", day=answer.known_to))
    if answer.next_page:
        console.print(say("Next page: --page {page}", page=answer.next_page), soft_wrap=True)


def _tell_near(questions: Questions, security: Security) -> None:
    """Print on standard error that a stock is unknown, with suggestions."""
    note = Search(questions.store, questions.reference).note(security, questions.lang, in_ratings=True)
    if note:
        click.echo(note, err=True)
