"""The scope of a part of a research table, and how a table is cut into parts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import Connection

from qotgate.ark.dynamics import Split
from qotgate.model import Security
from qotgate.service.questions import Questions
from qotgate.store import reads

MAX_ROWS = 20_000
"""Rows in a part. A day's rows stay together, whatever their number."""
Splits = dict[str, list[Split]]


class Found(NamedTuple):
    """The rows of a part, each with the values of the table's columns, and the day that the next part begins
    with."""

    rows: list[tuple[Any, ...]]
    following: date | None = None


class DaysOfPart(NamedTuple):
    """The days of a part, and the first day of the next one."""

    start: date
    end: date
    following: date | None


def cut(counts: Sequence[tuple[date, int]]) -> DaysOfPart | None:
    """The days of a part with at most ``MAX_ROWS`` rows; ``counts`` are the rows of each day, oldest first.
    None if there are no rows."""
    rows = 0
    for number, (day, count) in enumerate(counts):
        if number and rows + count > MAX_ROWS:
            return DaysOfPart(counts[0][0], counts[number - 1][0], day)
        rows += count
    return DaysOfPart(counts[0][0], counts[-1][0], None) if counts else None


@dataclass(frozen=True)
class Scope:
    """A request for a part: ``values`` are the parameters, ``day`` is the day of the answer, ``start`` the
    first day of the part, ``generation`` the state of the data; ``is_first`` marks the first part."""

    questions: Questions
    connection: Connection
    values: dict[str, Any]
    day: date
    start: date
    generation: int
    is_first: bool

    @property
    def end(self) -> date:
        """The last requested day."""
        return min(self.values.get("end") or self.day, self.day)

    @cached_property
    def ids(self) -> list[int] | None:
        """The requested securities; None for all."""
        codes: tuple[Security, ...] | None = self.values.get("codes")
        if codes is None:
            return None
        found = reads.research.ids_of(self.connection, [str(code) for code in codes])
        return sorted(set(found.values()))

    @cached_property
    def known(self) -> dict[int, tuple[str | None, str]]:
        """The code and the name of every security, in the language of the questions."""
        reference, lang = self.questions.reference, self.questions.lang
        return {
            security: (
                code,
                name if code is None else reference.security_name(Security.parse(code), lang, name),
            )
            for security, (code, name) in reads.research.names(self.connection).items()
        }

    def splits(self, funds: Iterable[str], day: date) -> dict[int, Splits]:
        """By security, the splits known on ``day``, by the fund whose files show them."""
        seen = reads.research.splits(self.connection, list(funds), day)
        return {
            security: {fund: [dated.split for dated in some] for fund, some in by_fund.items()}
            for security, by_fund in seen.items()
        }
