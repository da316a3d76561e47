"""``qotgate holdings`` and ``qotgate transactions``: the lists that sum over the ARK funds. Their options are
generated from the descriptions of the questions."""

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Annotated, Any

import typer

from qotgate.cli.options import AsJson, AsOf, Database, Funds, Lang, PageCursor, Tables, read_day
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


def _command(question: ListQuestion[Any], said: str, types: str) -> Callable[..., None]:
    """The command of a question; ``said`` is its help, ``types`` the help of ``--type``."""

    def command(
        count: Annotated[int, typer.Option(help=f"Rows, 1 to {question.most}.")] = question.count,
        page: PageCursor = None,
        as_of: AsOf = None,
        as_json: AsJson = False,
        funds: Funds = None,
        lang: Lang = None,
        db: Database = None,
        tables: Tables = None,
        **words: str,
    ) -> None:
        chosen = [
            read_choice(choice.words, words[choice.name], FLAGS[choice.name]) for choice in question.choices
        ]
        day = read_day(as_of)
        settings = read_settings(lang=lang, funds=funds, db=db, tables=tables)
        with open_questions(settings, loaded=True, makes=False) as questions:
            answer = LIST_CALLS[question](questions, *chosen, count, page, day)
        if as_json:
            print_json(answer)
        else:
            print_table(list_table(question, answer), answer)

    choices = [
        Parameter(
            choice.name,
            Parameter.KEYWORD_ONLY,
            default=choice.named_default.name.lower(),
            annotation=Annotated[
                str,
                typer.Option(FLAGS[choice.name], metavar=choice.metavar, help=HELP.get(choice.name, types)),
            ],
        )
        for choice in question.choices
    ]
    others = [
        one.replace(kind=Parameter.KEYWORD_ONLY)
        for one in signature(command).parameters.values()
        if one.name != "words"
    ]
    made: Any = command
    made.__signature__ = Signature([*choices, *others])
    made.__doc__ = said
    return command


holdings = _command(
    FUND_HOLDINGS,
    "List the ARK funds' combined holdings; for positions the changes are over one day.",
    "The kind of holdings.",
)
transactions = _command(
    ACTIVE_TRANSACTIONS,
    "List the ARK funds' combined active purchases (positive) and sales.",
    "The change of the position.",
)
