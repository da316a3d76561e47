"""Flags that several commands share, and what they open."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from qotgate.cli.settings import Settings
from qotgate.model import ACTIVE_FUNDS, QotGateError
from qotgate.service.questions import Questions
from qotgate.service.reference import load_reference
from qotgate.store import Store, books

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


@contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    store = Store.open(settings.db)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def open_questions(settings: Settings, *, loaded: bool = False) -> Iterator[Questions]:
    """Questions to the database; with ``loaded``, QotGateError for a fund of which nothing is loaded."""
    reference = load_reference(settings.tables)
    with open_store(settings) as store:
        if loaded and settings.funds != ACTIVE_FUNDS:
            with store.reading() as connection:
                known = books.loaded_funds(connection)
            unknown = [fund for fund in settings.funds if fund not in known]
            if known and unknown:
                raise QotGateError(
                    f"--funds names {', '.join(unknown)}, of which nothing is loaded; "
                    f"loaded are {', '.join(sorted(known))}."
                )
        yield Questions(
            store,
            reference,
            lang=settings.lang,
            funds=settings.named_funds,
            window_days=settings.window_days,
        )
