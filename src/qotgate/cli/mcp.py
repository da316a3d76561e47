"""``qotgate mcp``: the questions as tools for an agent, on standard input and output."""

import sys
from collections.abc import Mapping
from typing import Any, get_args

import click

from qotgate.cli import options
from qotgate.model import Language
from qotgate.service.questions import Questions
from qotgate.service.search import Search
from qotgate.serving.log import configure_log
from qotgate.serving.opening import open_questions
from qotgate.serving.settings import read_settings


class _Desk:
    """The services of one agent, without an allowance."""

    def __init__(self, questions: Questions) -> None:
        languages: tuple[Language, ...] = get_args(Language)
        self.questions: Mapping[Language, Questions] = {
            lang: questions.varied(lang=lang) for lang in languages
        }
        self.search = Search(questions.store, questions.reference)

    def count(self, interface: str) -> None:
        """Do nothing."""


@click.command()
@options.funds
@options.window_days
@options.db
@options.tables
def mcp(**flags: Any) -> None:
    """Serve the questions to an agent as MCP tools, on standard input and output.

    An agent host starts this command. A gateway that runs serves the same at http://HOST:PORT/mcp.
    """
    from qotgate.mcp.server import make_server

    configure_log()
    settings = read_settings(**flags)
    with open_questions(settings, loaded=True, makes=False) as questions:
        if sys.stdin.isatty():
            sys.stderr.write("qotgate: an agent host talks to this command; see docs/agents.md.\n")
        make_server(_Desk(questions)).run("stdio")
