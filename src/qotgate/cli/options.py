"""Flags that several commands share, and what they open."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from qotgate.model import QotGateError

Database = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="URL",
        help="Database, sqlite:///FILE or postgresql://USER@HOST/DATABASE (QOTGATE_DB).",
        show_default=False,
    ),
]
Tables = Annotated[
    Path | None,
    typer.Option(
        "--tables",
        metavar="FOLDER",
        help="Folder of your own grades.csv, institutions.csv, listings.csv, securities.csv.",
        show_default=False,
    ),
]
Lang = Annotated[
    str | None, typer.Option("--lang", metavar="zh|en", help="Language of names.", show_default=False)
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DAY", help="As it was known at the end of that day, YYYY-MM-DD."),
]
PageCursor = Annotated[
    str | None, typer.Option("--page", help="The cursor that ended an earlier page.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Funds = Annotated[
    str | None,
    typer.Option(
        "--funds",
        "--fund",
        help="ARK funds, comma separated, or one. Unless given: for trades the active ones (ARKF, ARKG, "
        "ARKK, ARKQ, ARKW, ARKX), for holdings IZRL and PRNT too.",
        show_default=False,
    ),
]
Cycle = Annotated[
    str,
    typer.Option(
        metavar="one_day|five_day|ten_day|thirty_day|sixty_day",
        help="The trading days that a change is over.",
    ),
]
SortDir = Annotated[
    str, typer.Option("--sort-dir", metavar="descending|ascending", help="The direction of the sort.")
]
WindowDays = Annotated[
    int | None,
    typer.Option(
        "--window-days",
        help="Calendar days that a dynamic looks back on; 30 unless given.",
        show_default=False,
    ),
]


def read_day(text: str | None) -> date | None:
    """A day given as YYYY-MM-DD. Raises QotGateError."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise QotGateError(f"--as-of takes a day as YYYY-MM-DD, not {text!r}.") from error
