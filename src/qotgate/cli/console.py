"""The consoles of all commands: what files, feeds and databases say is text. No markup, no emoji code and no
link in it is obeyed, in whichever table or sentence it stands."""

import os

from rich.console import Console

__all__ = ["Console", "new_console"]

WHOLE = 100_000
"""Columns of a console that is no terminal."""


def new_console(*, stderr: bool = False, soft_wrap: bool = False) -> Console:
    """A console on standard output, or on standard error, that prints texts as they are; where it is no
    terminal, whole, however long a line is."""
    console = Console(stderr=stderr, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WHOLE
    return console
