"""A group of commands."""

from typing import Any

import click


class Group(click.Group):
    """Commands under one name, in the help in the order of their definition. The name alone is an error."""

    def __init__(self, name: str | None = None, **attributes: Any) -> None:
        super().__init__(name, no_args_is_help=False, **attributes)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click passes it
        """The names, as defined."""
        return list(self.commands)
