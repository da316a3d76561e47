"""The consoles of all commands. Text of files, feeds and databases is plain: markup, emoji codes and links in
it have no effect in any table or sentence."""

import os

from rich.console import Console

__all__ = ["Console", "new_console"]

WHOLE = 100_000
"""Columns of a console that is not a terminal."""


def new_console(*, stderr: bool = False, soft_wrap: bool = False) -> Console:
    """A console on standard output, or on standard error, that prints texts unchanged; without a terminal,
    lines are never wrapped."""
    console = Console(stderr=stderr, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WHOLE
    return console
