"""Rating changes in memory, by market and kind of change, in the order of the interface's list.

As in :mod:`qotgate.service.columns.trades`, columns are immutable.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from math import nan
from sys import intern
from typing import Any, NamedTuple, Self, TypeVar

from sqlalchemy import Connection

from qotgate.model import Market, RatingChangeType
from qotgate.service.columns.sizes import Budget
from qotgate.service.columns.source import ListedRow, NotAtHand
from qotgate.service.cursor import Cursors
from qotgate.store.database import read_state, secret
from qotgate.store.reads import columns as reads
from qotgate.store.reads import ratings as rating_reads
from qotgate.store.reads.ratings import RatingFilter
from qotgate.store.tables import Row

MARKETS = (Market.US, Market.CA)
CHANGE_BYTES = 90
HISTORY_BYTES = 300
"""Approximate memory of a code, an institution and their pair."""
MAX_MADE_ROWS = 1024
"""Rows of one kind and language that are kept as answers show them: some 400 KiB."""

T = TypeVar("T")
Kind = tuple[str, str]
"""A market and a change type."""
History = tuple[str, str]
"""A code and an institution."""


class Changes(NamedTuple):
    """The rating changes of one market and kind by day, then note: a column for each of their fields.

    A missing number is NaN in an array; answers show neither.
    """

    days: list[date]
    note_ids: "array[int]"
    histories: "array[int]"
    grades: list[int | None]
    has_last: bytearray
    last_grades: list[int | None]
    targets: "array[float]"
    last_targets: "array[float]"
    last_days: list[date | None]
    names: list[str]

    @classmethod
    def none(cls) -> Self:
        return cls([], array("q"), array("q"), [], bytearray(), [], array("d"), array("d"), [], [])

    def before(self, day: date) -> "Changes":
        """A copy of the changes before ``day``."""
        end = bisect_left(self.days, day)
        return Changes(*(column[:end] for column in self))  # type: ignore[arg-type]  # a slice keeps its type

    def add(
        self,
        row: tuple[
            date, int, int, int | None, bool, int | None, float | None, float | None, date | None, str
        ],
    ) -> None:
        day, note_id, history, grade, has_last, last_grade, target, last_target, last_day, name = row
        self.days.append(day)
        self.note_ids.append(note_id)
        self.histories.append(history)
        self.grades.append(grade)
        self.has_last.append(has_last)
        self.last_grades.append(last_grade)
        self.targets.append(nan if target is None else target)
        self.last_targets.append(nan if last_target is None else last_target)
        self.last_days.append(last_day)
        self.names.append(intern(name))


@dataclass(frozen=True)
class RatingColumns:
    """Implements :class:`~qotgate.service.columns.source.RatingSource`, with the same answers as the
    database."""

    generation: int
    size: int
    """Approximate memory in bytes."""
    pages_from: int
    cursors: Cursors
    _same_from: int
    """The generation since which they have not changed."""
    _span: tuple[date | None, date | None]
    _histories: Mapping[int, History]
    _changes: Mapping[Kind, Changes]
    _made_rows: dict[Hashable, dict[int, ListedRow[Any]]] = field(default_factory=dict)
    """By the name of what makes them, their kind, and their place."""

    @classmethod
    def read(cls, connection: Connection, generation: int, most: int) -> Self:
        """Read all columns. Raises TooLarge if they take more than ``most`` bytes."""
        kinds = [(market.value, kind.value) for market in MARKETS for kind in RatingChangeType]
        return cls._made(connection, generation, date.min, most, {}, {kind: Changes.none() for kind in kinds})

    def extended(self, connection: Connection, generation: int, since: date, most: int) -> Self:
        """The columns of a later generation, whose rows are equal before the day ``since``. Raises
        TooLarge."""
        changes = {kind: found.before(since) for kind, found in self._changes.items()}
        return self._made(connection, generation, since, most, self._histories, changes)

    def renumbered(self, generation: int) -> Self:
        """The same columns for a generation without changes to them."""
        return replace(self, generation=generation)

    @classmethod
    def _made(
        cls,
        connection: Connection,
        generation: int,
        since: date,
        most: int,
        histories: Mapping[int, History],
        changes: dict[Kind, Changes],
    ) -> Self:
        """``changes`` are those before ``since``; this method may change them."""
        budget = Budget(most)
        new = reads.histories(connection, max(histories, default=0))
        histories = {**histories, **new}
        budget.add(HISTORY_BYTES * len(histories))
        same: dict[date | None, date | None] = {}
        for (market, kind), found in changes.items():
            budget.add(CHANGE_BYTES * len(found.days))
            for day, *row, last_day, name in reads.changes(connection, market, kind, since):
                budget.add(CHANGE_BYTES)
                shared = same.setdefault(day, day), same.setdefault(last_day, last_day)
                found.add((shared[0], *row, shared[1], name))
        return cls(
            generation=generation,
            size=budget.size,
            pages_from=int(read_state(connection, "pages_from") or 0),
            cursors=Cursors(secret(connection)),
            _same_from=generation,
            _span=(rating_reads.first_note_day(connection), rating_reads.latest_note_day(connection)),
            _histories=histories,
            _changes=changes,
        )

    def span(self) -> tuple[date | None, date | None]:
        return self._span

    def count(self, wanted: RatingFilter, generation: int, as_of: date) -> int:
        return bisect_right(self._found(wanted, generation).days, as_of)

    def changes(
        self,
        wanted: RatingFilter,
        generation: int,
        as_of: date,
        after: tuple[date, int] | None,
        count: int,
        make: Callable[[Row], T],
        made_as: Hashable,
        *,
        places: bool = False,
    ) -> list[ListedRow[T]]:
        found = self._found(wanted, generation)
        if places:
            raise NotAtHand
        end = bisect_right(found.days, as_of)
        if after is not None and after[0] <= as_of:
            day, note_id = after
            start = bisect_left(found.days, day)
            end = bisect_left(found.note_ids, note_id, start, bisect_right(found.days, day))
        made = self._made_rows.setdefault((made_as, wanted.market, wanted.change_type), {})
        listed = []
        for place in range(end - 1, max(end - count, 0) - 1, -1):
            row = made.get(place)
            if row is None:
                # Pages of days close together have most rows in common.
                row = ListedRow(
                    found.days[place], found.note_ids[place], make(self._row(wanted, found, place))
                )
                if len(made) >= MAX_MADE_ROWS:
                    made.clear()
                made[place] = row
            listed.append(row)
        return listed

    def _found(self, wanted: RatingFilter, generation: int) -> Changes:
        """Raises NotAtHand for lists other than the interface's own, and for other generations."""
        others = (wanted.institution, wanted.code, wanted.day)
        if others != (None, None, None) or not self._same_from <= generation <= self.generation:
            raise NotAtHand
        found = self._changes.get((wanted.market or "", wanted.change_type or ""))
        if found is None:
            raise NotAtHand
        return found

    def _row(self, wanted: RatingFilter, found: Changes, place: int) -> Row:
        code, institution = self._histories[found.histories[place]]
        return {
            "market": wanted.market,
            "change_type": wanted.change_type,
            "day": found.days[place],
            "note_id": found.note_ids[place],
            "code": code,
            "institution": institution,
            "grade": found.grades[place],
            "has_last": bool(found.has_last[place]),
            "last_grade": found.last_grades[place],
            "target": found.targets[place],
            "last_target": found.last_targets[place],
            "last_day": found.last_days[place],
            "name": found.names[place],
        }
