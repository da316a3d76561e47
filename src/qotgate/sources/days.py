"""Days with the year last, as 1/2/2024: which of month and day comes first is decided for a file as a whole.

A number above 12 is a day, and shows the order of its file. A file that shows both orders, and one that shows
none though it makes a difference, are refused: half of its days would be wrong.
"""

from collections.abc import Sequence
from datetime import date, time

from qotgate.model import DayOrder, Note, Unreadable
from qotgate.sources import cells
from qotgate.sources.lines import Cell

_MONTHS = 12
_ADVICE = "load it with --dates dmy or --dates mdy"


class Days:
    """The days of one file in ``order``, None where the file is to show it. ``used`` tells whether the order
    made a difference."""

    def __init__(self, order: DayOrder | None) -> None:
        self.used = False
        self._order = order
        self._shown: dict[DayOrder, str] = {}
        self._either: dict[int, str] = {}

    def moment(self, cell: Cell, line: int, first_year: int) -> tuple[date, time | None]:
        """As :func:`cells.moment`; where the order is not known yet, the month is taken to be first unless it
        cannot be. Raises ValueError."""
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
        """The notes of the file with the days that they have in its order. Raises Unreadable."""
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
