"""Flags that several commands share, and the objects that they open."""

from collections.abc import Callable
from datetime import date
from inspect import Parameter, Signature
from typing import Annotated, Any

import typer

from qotgate.cli.words import say, speak
from qotgate.model import QotGateError
from qotgate.serving.kinds import SWITCH
from qotgate.serving.settings import OPTIONS

OTHER_NAMES = {"funds": ("--fund",)}


def _option(name: str) -> Any:
    """The flag of an option, as described in the table of options."""
    option = OPTIONS[name]
    return typer.Option(
        option.flag_name,
        *OTHER_NAMES.get(name, ()),
        metavar=option.metavar or None,
        help=option.help,
        callback=speak if name == "lang" else None,
        show_default=False,
    )


def flag(name: str) -> Any:
    """The annotation of a parameter for an option; None if the flag is not given."""
    return Annotated[(bool if OPTIONS[name].kind is SWITCH else str) | None, _option(name)]


def takes_all_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Make a command accept every option in the table that has a flag, by keyword."""
    signed: Any = command
    signed.__signature__ = Signature(
        [
            Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=flag(name))
            for name, option in OPTIONS.items()
            if option.flag
        ]
    )
    return command


Database = Annotated[str | None, _option("db")]
Tables = Annotated[str | None, _option("tables")]
Lang = Annotated[str | None, _option("lang")]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of", metavar="DAY", help="The answer as it was known at the end of that day, YYYY-MM-DD."
    ),
]
PageCursor = Annotated[
    str | None, typer.Option("--page", help="The cursor at the end of an earlier page.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Funds = Annotated[str | None, _option("funds")]
WindowDays = Annotated[str | None, _option("window_days")]


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
