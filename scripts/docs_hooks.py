"""Fills in generated parts of the documentation site, and removes others, during the build."""

import re
from typing import Any

from click.testing import CliRunner

from qotgate.cli.main import COMMANDS, app

COMMANDS_HERE = "<!-- commands -->"
WIDTH = "100"
# A link to a file of the repository that is not a page: only its text stays.
_OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+(?:deploy|examples|src|CONTRIBUTING|CHANGELOG)[^)]*\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs with the text of each page."""
    if COMMANDS_HERE in markdown:
        markdown = markdown.replace(COMMANDS_HERE, "\n".join(map(_section, COMMANDS)))
    return _OUTSIDE.sub(r"\1", markdown)


def _section(name: str) -> str:
    help_text = _help(name)
    # A group of commands: each has its own help.
    listed = re.search(r"(?m)^Commands:\n((?:  .*\n)+)", help_text)
    inner = re.findall(r"(?m)^  ([a-z]\S*)", listed[1]) if listed else []
    parts = [f"### {name} {command}\n\n```text\n{_help(name, command)}```\n" for command in inner]
    return "\n".join([f"## {name}\n\n```text\n{help_text}```\n", *parts])


def _help(*arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": WIDTH}, prog_name="qotgate")
    if done.exit_code:
        raise RuntimeError(f"qotgate {' '.join(arguments)} --help failed: {done.output}")
    return done.stdout.strip("\n") + "\n"
