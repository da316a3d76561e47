"""Flags and arguments that several commands share."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import click

from qotgate.cli.words import say, speak
from qotgate.model import QotGateError
from qotgate.serving.kinds import SWITCH
from qotgate.serving.settings import OPTIONS

Command = TypeVar("Command", bound=Callable[..., None])

OTHER_NAMES = {"funds": ("--fund",)}
PATH = click.Path(path_type=Path)


def _flag(name: str) -> Callable[[Command], Command]:
    """The flag of an option, as described in the table of options: its text, None if it is not given."""
    option = OPTIONS[name]
    switches: dict[str, Any] = {"callback": _speak, "is_eager": True} if name == "lang" else {}
    return click.option(
        option.flag_name,
        *OTHER_NAMES.get(name, ()),
        name,
        is_flag=option.kind is SWITCH,
        default=None,
        metavar=option.metavar or None,
        help=option.help,
        **switches,
    )


def _speak(_context: click.Context, _option: click.Parameter, lang: str | None) -> str | None:
    speak(lang)
    return lang


def together(*flags: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several flags, in this order."""

    def take(command: Command) -> Command:
        for flag in reversed(flags):
            command = flag(command)
        return command

    return take


db = _flag("db")
tables = _flag("tables")
lang = _flag("lang")
funds = _flag("funds")
window_days = _flag("window_days")
all_flags = together(*(_flag(name) for name, option in OPTIONS.items() if option.flag))
as_of = click.option(
    "--as-of", metavar="DAY", help="The answer as it was known at the end of that day, YYYY-MM-DD."
)
page = click.option("--page", help="The cursor at the end of an earlier page.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
dry_run = click.option("--dry-run", is_flag=True, help="Do everything, then roll back.")
code = click.argument("code", metavar="CODE", help="Such as US.TSLA.")


def count(of: str, default: int, most: int) -> Callable[[Command], Command]:
    """The flag of a page's length; ``of`` names what is counted."""
    return click.option(
        "--count", default=default, show_default=True, metavar="NUMBER", help=f"{of}, 1 to {most}."
    )


def read_day(text: str | None, flag: str = "--as-of") -> date | None:
    """A day given as YYYY-MM-DD. Raises QotGateError, which names ``flag``."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise QotGateError(
            say("{flag} takes a day as YYYY-MM-DD, not {text!r}.", flag=flag, text=text)
        ) from error
