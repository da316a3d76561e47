"""Days with the year last, such as 1/2/2024: the order of month and day is decided for a whole file.

A number above 12 is a day, and shows the order of its file. A file that shows both orders is refused, and so
is a file that shows none although it matters: half of its days would be wrong.
"""

from collections.abc import Sequence
from datetime import date, time

from qotgate.model import DayOrder, Note, Unreadable
from qotgate.sources import cells
from qotgate.sources.lines import Cell

_MONTHS = 12
_ADVICE = "load it with --dates dmy or --dates mdy"


class Days:
    """The days of one file in ``order`` (None if the file has to show it). ``used`` tells whether the order
    mattered."""

    def __init__(self, order: DayOrder | None) -> None:
        self.used = False
        self._order = order
        self._shown: dict[DayOrder, str] = {}
        self._either: dict[int, str] = {}

    def moment(self, cell: Cell, line: int, first_year: int) -> tuple[date, time | None]:
        """As :func:`cells.moment`; while the order is unknown, the first number is the month unless it cannot
        be. Raises ValueError."""
        numbers = cells.day_and_month(cell)
        self.used = self.used or numbers is not None
        if numbers is None or self._order is not None:
            return cells.moment(cell, first_year, self._order or DayOrder.MDY)
        first, second = numbers
        order = DayOrder.DMY if first > _MONTHS else DayOrder.MDY
        found = cells.moment(cell, first_year, order)
        if max(numbers) > _MONTHS:
            self._shown.setdefault(order, f"{cells.shown(cell)} in line {line}")
        elif first != second:
            self._either[line] = cells.shown(cell)
        return found

    def settled(self, notes: Sequence[Note]) -> Sequence[Note]:
        """The notes of the file with their days in the file's order. Raises Unreadable."""
        if len(self._shown) > 1:
            month, day = self._shown[DayOrder.MDY], self._shown[DayOrder.DMY]
            raise Unreadable(f"it has days as M/D/Y ({month}) and as D/M/Y ({day}); {_ADVICE}")
        if self._either and not self._shown:
            line, shown = next(iter(self._either.items()))
            raise Unreadable(f"its days may be D/M/Y or M/D/Y, as {shown} in line {line}; {_ADVICE}")
        if DayOrder.DMY not in self._shown:
            return notes
        return [
            note._replace(day=note.day.replace(month=note.day.day, day=note.day.month))
            if note.line in self._either
            else note
            for note in notes
        ]
