"""Flags that several commands share, and the objects that they open."""

from collections.abc import Callable
from datetime import date
from inspect import Parameter, Signature
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args

import typer

from qotgate.cli.words import say, speak
from qotgate.model import QotGateError
from qotgate.serving.settings import Settings, about

OTHER_NAMES = {"funds": ("--fund",)}


def _option(name: str) -> Any:
    """The flag of an option, as described in the table of options."""
    field = Settings.model_fields[name]
    hints = (field.annotation, *get_args(field.annotation))
    words = "|".join(word for hint in hints for word in get_args(hint) if isinstance(word, str))
    return typer.Option(
        f"--{name.replace('_', '-')}",
        *OTHER_NAMES.get(name, ()),
        metavar=about(name)["metavar"] or words or None,
        help=field.description,
        callback=speak if name == "lang" else None,
        show_default=False,
    )


def flag(name: str) -> Any:
    """The annotation of a parameter for an option; None if the flag is not given."""
    hint = Settings.model_fields[name].annotation
    hints = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    kind = next((kind for kind in (bool, int, float, Path) if kind in hints), str)
    return Annotated[kind | None, _option(name)]


def takes_all_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Make a command accept every option in the table that has a flag, by keyword."""
    signed: Any = command
    signed.__signature__ = Signature(
        [
            Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=flag(name))
            for name in Settings.model_fields
            if about(name)["flag"]
        ]
    )
    return command


Database = Annotated[str | None, _option("db")]
Tables = Annotated[Path | None, _option("tables")]
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
WindowDays = Annotated[int | None, _option("window_days")]


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
