"""``qotgate holdings`` and ``qotgate transactions``: the lists that sum over the ARK funds. Their options are
generated from the descriptions of the questions."""

from typing import Any

import click

from qotgate.cli import options
from qotgate.cli.options import read_day
from qotgate.cli.pages import list_table, print_json, print_table, read_choice
from qotgate.protocol.interface import ACTIVE_TRANSACTIONS, FUND_HOLDINGS, ListQuestion
from qotgate.service.calls import LIST_CALLS
from qotgate.serving.opening import open_questions
from qotgate.serving.settings import read_settings

FLAGS = {"holding_type": "--type", "cycle_type": "--cycle", "sort_field": "--sort", "sort_dir": "--sort-dir"}
"""The flag of each choice."""
HELP = {
    "cycle_type": "The number of trading days over which a change is measured.",
    "sort_field": "The sort key.",
    "sort_dir": "The direction of the sort.",
}


def _command(name: str, question: ListQuestion[Any], said: str, types: str) -> click.Command:
    """The command of a question; ``said`` is its help, ``types`` the help of ``--type``."""

    @options.count("Rows", question.count, question.most)
    @options.page
    @options.as_of
    @options.as_json
    @options.funds
    @options.lang
    @options.db
    @options.tables
    def command(count: int, page: str | None, as_of: str | None, as_json: bool, **given: Any) -> None:
        chosen = [
            read_choice(choice.words, given.pop(choice.name), FLAGS[choice.name])
            for choice in question.choices
        ]
        day = read_day(as_of)
        with open_questions(read_settings(**given), loaded=True, makes=False) as questions:
            answer = LIST_CALLS[question](questions, *chosen, count, page, day)
        if as_json:
            print_json(answer)
        else:
            print_table(list_table(question, answer), answer)

    for choice in reversed(question.choices):
        command = click.option(
            FLAGS[choice.name],
            choice.name,
            default=choice.named_default.name.lower(),
            show_default=True,
            metavar=choice.metavar,
            help=HELP.get(choice.name, types),
        )(command)
    return click.command(name, help=said)(command)


holdings = _command(
    "holdings",
    FUND_HOLDINGS,
    "List the ARK funds' combined holdings; for positions the changes are over one day.",
    "The kind of holdings.",
)
transactions = _command(
    "transactions",
    ACTIVE_TRANSACTIONS,
    "List the ARK funds' combined active purchases (positive) and sales.",
    "The change of the position.",
)
