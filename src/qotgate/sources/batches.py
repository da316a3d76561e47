"""Reads many lines at once, column by column: most cells of a column repeat, and each is parsed once.

The result is the same as line by line. Any unusual line is None here, and is read by itself: that finds its
reason, or that it is the header of a joined file.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import repeat
from typing import Any, TypeVar

from qotgate.sources.lines import Cell, Line

MAX_KNOWN = 1 << 14
"""Number of cells that one reader caches."""
MAX_KNOWN_LENGTH = 100
"""Longest cell that is cached, in characters."""
REFUSED: Any = object()
"""The value of a cell that the reader refuses."""

T = TypeVar("T", bound=tuple[Any, ...])


class Reader(dict[Any, Any]):
    """Reads texts, or tuples of texts, with ``read``, which raises ValueError to refuse one: then the value
    is REFUSED, and it is counted. So it is for cells that are not texts: the cache would not distinguish 1
    from True. Values are cached, unless they rarely repeat (``remembers``)."""

    def __init__(self, read: Callable[[Any], Any], *, remembers: bool = True) -> None:
        super().__init__()
        self.refused = 0
        self._read = read
        self._remembers = remembers

    def __missing__(self, cell: Any) -> Any:
        value = REFUSED
        if isinstance(cell, str) or (isinstance(cell, tuple) and all(isinstance(one, str) for one in cell)):
            with suppress(ValueError):
                value = self._read(cell)
        if value is REFUSED:
            self.refused += 1
        elif self._remembers and sum(map(len, cell)) <= MAX_KNOWN_LENGTH:
            if len(self) >= MAX_KNOWN:
                self.clear()
            self[cell] = value
        return value


class Batch:
    """Lines with as many cells as their header, whose ``indexes`` give the position of each field. ``odd``
    are the indexes of lines to be read by themselves."""

    def __init__(self, lines: Sequence[Line], indexes: Mapping[str, int]) -> None:
        self.numbers, rows, _ = zip(*lines, strict=True)
        self.odd: set[int] = set()
        self._columns = list(zip(*rows, strict=True))
        self._indexes = indexes

    def __contains__(self, field: str) -> bool:
        """Whether the table has a column for ``field``."""
        return field in self._indexes

    def values(self, reader: Reader, *fields: str) -> list[Any]:
        """The values by ``reader`` of the cells of a column, or of several columns as a tuple."""
        if not any(field in self for field in fields):
            value = reader["" if len(fields) == 1 else ("",) * len(fields)]
            if value is REFUSED:
                self.odd.update(range(len(self.numbers)))
            return [value] * len(self.numbers)
        columns = [self._cells(field) for field in fields]
        refused = reader.refused
        cells: Any = columns[0] if len(columns) == 1 else zip(*columns, strict=True)
        values = list(map(reader.__getitem__, cells))
        if reader.refused != refused:
            self.odd.update(index for index, value in enumerate(values) if value is REFUSED)
        return values

    def parts(self, reader: Reader, *fields: str) -> list[Any]:
        """As :meth:`values`, for a reader that returns a tuple with a value for each of ``fields``: a list
        for each."""
        none = ("",) * len(fields)
        values = [none if value is REFUSED else value for value in self.values(reader, *fields)]
        return list(zip(*values, strict=True))

    def records(self, kind: type[T], *values: Sequence[Any]) -> list[T | None]:
        """A named tuple of each line from its values and its number, None for an odd line."""
        # As kind(...), which is a function of Python.
        make: Any = tuple.__new__
        found: list[T | None] = list(map(make, repeat(kind), zip(*values, self.numbers, strict=True)))
        for index in self.odd:
            found[index] = None
        return found

    def _cells(self, field: str) -> Sequence[Cell]:
        index = self._indexes.get(field)
        return ("",) * len(self.numbers) if index is None else self._columns[index]
