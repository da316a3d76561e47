"""``qotgate ark-check``: compare inferred trades with ARK's notices."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from qotgate import sources
from qotgate.ark.grounds import CONFIDENCE, Ground
from qotgate.ark.notices import merge
from qotgate.cli import options
from qotgate.cli.console import new_console
from qotgate.model import FileKind, Notice, QotGateError, Unreadable
from qotgate.service.ark.check import Comparison, Score, compare, score
from qotgate.service.loading import find_files
from qotgate.service.reference import load_reference
from qotgate.serving.opening import open_store
from qotgate.serving.settings import read_settings


@click.command()
@click.argument(
    "notices",
    type=options.PATH,
    nargs=-1,
    required=True,
    metavar="NOTICES...",
    help="ARK trade notices, and folders of them.",
)
@click.option(
    "--worst", default=20, metavar="NUMBER", show_default=True, help="The number of worst misses to list."
)
@options.as_json
@options.funds
@options.db
@options.tables
def ark_check(notices: Sequence[Path], worst: int, as_json: bool, **flags: Any) -> None:
    """Compare the trades inferred from the loaded holdings with ARK's notices: precision, recall, the share
    that is exact to 0.1%, wrong signs, and the precision of each ground next to its confidence.

    Trades under 100 shares or 0.01% of the position are ignored on both sides. The notices are read from the
    given files and are not loaded.
    """
    settings = read_settings(**flags)
    reference = load_reference(settings.tables)
    lines = _read(notices)
    with open_store(settings, makes=False) as store:
        found = compare(store, reference, lines, settings.funds)
    if not found:
        raise QotGateError("No fund and day has both a notice and holdings before and after: load holdings.")
    misses = sorted(
        (one for one in found if not one.exact), key=lambda one: abs(one.inferred - one.noticed), reverse=True
    )
    groups = {
        "all": {"all": score(found)},
        "fund": _grouped(found, lambda one: one.fund),
        "month": _grouped(found, lambda one: f"{one.day:%Y-%m}"),
        "ground": _grouped([one for one in found if one.ground], lambda one: f"{one.ground}, {one.day.year}"),
    }
    if as_json:
        shown = {
            kind: {name: asdict(one) | _figures(one) for name, one in scores.items()}
            for kind, scores in groups.items()
        }
        click.echo(
            json.dumps(shown | {"misses": [asdict(one) for one in misses[:worst]]}, default=str, indent=2)
        )
    else:
        _print(groups, misses[:worst])


def _read(paths: Sequence[Path]) -> list[Notice]:
    files: list[list[Notice]] = []
    for path in find_files(paths):
        try:
            parsed = sources.read(path.read_bytes())
        except (Unreadable, OSError) as error:
            click.echo(f"qotgate: {path} is left out: {error}", err=True)
            continue
        if parsed.kind is FileKind.NOTICES:
            files.append([line for line in parsed.records if isinstance(line, Notice)])
    if not files:
        raise QotGateError("None of the files is an ARK trade notice.")
    return merge(files)


def _grouped(found: list[Comparison], key: Callable[[Comparison], str]) -> dict[str, Score]:
    names = sorted({key(one) for one in found})
    return {name: score(one for one in found if key(one) == name) for name in names}


def _figures(one: Score) -> dict[str, float | None]:
    """The figures; None for those without trades."""
    figures = {"precision": one.precision, "recall": one.recall, "exactness": one.exactness}
    return {name: None if isnan(figure) else figure for name, figure in figures.items()}


def _print(groups: dict[str, dict[str, Score]], misses: list[Comparison]) -> None:
    console = new_console()
    table = Table("", "in notices", "inferred", "precision", "recall", "exact to 0.1%", "wrong sign")
    for kind, scores in groups.items():
        for name, one in scores.items():
            figures = ["" if value is None else f"{value:.4f}" for value in _figures(one).values()]
            if kind == "ground":
                # For inferred trades only; notices have no ground. The confidence is shown next to it.
                name = f"{name}: confidence {CONFIDENCE[Ground[name.partition(',')[0]]]:.2f}"
                figures[1] = ""
            table.add_row(name, f"{one.noticed:,}", f"{one.inferred:,}", *figures, f"{one.wrong_sign:,}")
        table.add_section()
    console.print(table)
    if misses:
        worst = Table("day", "fund", "security", "noticed", "inferred", "held", title="The worst misses")
        for miss in misses:
            shares = (f"{shares:+,}" if shares else "none" for shares in (miss.noticed, miss.inferred))
            worst.add_row(str(miss.day), miss.fund, miss.security, *shares, f"{miss.held:,.0f}")
        console.print(worst)
