"""Common code of the commands that list pages of a longer answer: reading a choice, printing a page."""

import json
from collections.abc import Sequence
from dataclasses import fields
from enum import StrEnum
from typing import Any, TypeVar

import click
from rich.table import Table

from qotgate.cli.console import new_console
from qotgate.cli.facts import shown
from qotgate.cli.words import say
from qotgate.model import Page, QotGateError
from qotgate.protocol.interface import Column, ListQuestion

T = TypeVar("T")
Word = TypeVar("Word", bound=StrEnum)


def read_choice(words: type[Word], text: str, flag: str) -> Word:
    """The word in ``text``, in any case. Raises QotGateError, which names ``flag``."""
    for word in words:
        if text.lower() == word.name.lower():
            return word
    known = ", ".join(word.name.lower() for word in words)
    raise QotGateError(say("{flag} takes {words}, not {text!r}.", flag=flag, words=known, text=text))


def print_json(answer: Page[Any]) -> None:
    rows = list(map(plain_row, answer.rows))
    known_to = answer.known_to and answer.known_to.isoformat()
    shown = {
        "all_count": answer.all_count,
        "next_page": answer.next_page,
        "known_to": known_to,
        "rows": rows,
    }
    if answer.left_out:
        shown["left_out"] = [{"fund": fund, "until": str(day)} for fund, day in answer.left_out]
    click.echo(json.dumps(shown, ensure_ascii=False, indent=2))


def plain_row(row: Any) -> dict[str, Any]:
    """A row of an answer by field, as in JSON."""
    return {field.name: _plain(getattr(row, field.name)) for field in fields(row)}


def rows_table(rows: Sequence[Any], kind: type) -> Table:
    """A table with a column for each field of the rows' dataclass, ``kind``."""
    table = Table(box=None, pad_edge=False)
    for field in fields(kind):
        table.add_column(say(field.name.replace("_", " ")), no_wrap=True)
    for row in rows:
        table.add_row(*(shown(getattr(row, field.name)) for field in fields(kind)))
    return table


def list_table(question: ListQuestion[T], answer: Page[T]) -> Table:
    """A table of securities with columns of numbers, narrow enough for 80 characters."""
    table = Table(box=None, pad_edge=False)
    table.add_column(say("security"), no_wrap=True)
    table.add_column(say("name"), min_width=10)
    for column in question.columns[2:]:
        table.add_column(say(column.heading), justify="right", no_wrap=True)
    for row in answer.rows:
        table.add_row(*(_cell(column, getattr(row, column.name)) for column in question.columns))
    return table


def _cell(column: Column, value: Any) -> str:
    if value == "" and column.omits_empty:
        return say("money-market funds")
    return format(value, column.form) if column.form and value is not None else shown(value)


def print_table(table: Table, answer: Page[Any]) -> None:
    """Print the rows in ``table``, and how to get the next page."""
    console = new_console()
    console.print(table)
    console.print(say("{count:,} in all.", count=answer.all_count))
    console.print(say("Known to {day}.", day=answer.known_to))
    for fund, day in answer.left_out:
        console.print(say("{fund} is left out: its last book shows {day}.", fund=fund, day=day))
    if answer.next_page:
        console.print(say("Next page: --page {page}", page=answer.next_page), soft_wrap=True)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float) else str(value)
