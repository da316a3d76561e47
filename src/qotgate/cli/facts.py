"""Printing a value, and a field of an answer with its value, without what draws tables."""

from datetime import date
from typing import Any

import click

from qotgate.cli.words import say
from qotgate.model import DynamicType, RatingLevel, Security


def shown(value: float | str | date | Security | None, form: str = "g") -> str:
    """A cell; a float is written in ``form``, a truth value and the words of ratings and dynamics in the
    user's language."""
    if value is None or isinstance(value, bool | RatingLevel | DynamicType):
        words = {"None": "N/A", "True": "yes", "False": "no"}
        return say(words.get(str(value), str(value)))
    return format(value, form) if isinstance(value, float) else str(value)


def print_fact(name: str, value: Any) -> None:
    """Print a field of an answer; a word of the interface in the user's language."""
    click.echo(say("{name}: {value}", name=say(name), value=shown(value)))
