"""The consoles of all commands: what files, feeds and databases say is text. No markup, no emoji code and no
link in it is obeyed, in whichever table or sentence it stands."""

from rich.console import Console

__all__ = ["Console", "new_console"]


def new_console(*, stderr: bool = False, soft_wrap: bool = False) -> Console:
    """A console on standard output, or on standard error, that prints texts as they are."""
    return Console(stderr=stderr, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False)
