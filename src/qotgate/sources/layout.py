"""Turns tables into records: finds the header, names the columns, and gives the reason for each reject.

A layout describes one published format: its columns, the headers of each, and how a row becomes a record.
Headers are compared by letters and digits alone, so that ``market value($)``, ``"market value ($)"`` and
``Market_Value`` are equal. The header may follow a preamble. In joined files it may repeat further down, with
its columns in another order.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from functools import lru_cache
from itertools import chain, islice
from operator import attrgetter
from typing import Any, TypeVar

from qotgate.model import DayOrder, FileKind, Holding, Note, Notice, ParsedFile, Reject, Unreadable
from qotgate.sources import cells
from qotgate.sources.batches import Batch
from qotgate.sources.days import Days
from qotgate.sources.lines import Cell, Line

_HEADER_WITHIN = 20  # rows; the notices have three of disclaimer above it
_ENOUGH_TO_NAME = 2  # required columns that make a line a broken header, not just any line
_ENOUGH_OF_ALL = 3  # or columns of any kind

_UNKNOWN = "it is of no known format; docs/formats.md lists those that are read"

MAX_BATCH, MIN_BATCH = 8192, 16
"""Lines read at once, and the smallest batch, after a header with other columns."""
MAX_REJECTS = 10_000
"""Rejects of a file; with more, it is not this format."""
MAX_KNOWN_HEADERS, MAX_KNOWN_HEADER = 200, 1000
"""Lines remembered with what they are as headers, and the longest one, in characters."""
MAX_FUNDS = 100
"""Funds in a file; ARK has 15."""

T = TypeVar("T")

_CELLS, _PROBLEM = map(attrgetter, ("cells", "problem"))


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a layout in a table: the index and the header of each, and the header's width."""

    indexes: Mapping[str, int]
    titles: Mapping[str, str]
    width: int


class FileName:
    """The name of a file, '' if unknown, and whether reading used it (``asked``)."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.asked = False

    def ask(self) -> str:
        self.asked = True
        return self._name


class Row:
    """The cells of one line, by field."""

    __slots__ = ("_cells", "_columns", "_days", "_file", "number")

    def __init__(self, line: Line, columns: Columns, file: FileName, days: Days) -> None:
        self._cells = line.cells
        self._columns = columns
        self._file = file
        self._days = days
        self.number = line.number

    @property
    def file(self) -> str:
        """The name of the file, '' if unknown."""
        return self._file.ask()

    def __contains__(self, field: str) -> bool:
        """Whether the table has a column for ``field``."""
        return field in self._columns.indexes

    def __getitem__(self, field: str) -> Cell:
        """The cell itself, '' if the table has no such column."""
        index = self._columns.indexes.get(field)
        return "" if index is None else self._cells[index]

    def value(self, field: str, read: Callable[[Cell], T]) -> T:
        """The cell as parsed by ``read``. Raises ValueError with a sentence that names the column."""
        try:
            return read(self[field])
        except ValueError as problem:
            raise ValueError(f"{self._columns.titles.get(field, field)} {problem}") from None

    def moment(self, field: str, first_year: int) -> tuple[date, time | None]:
        """The day of a cell, in the order of the file, and the time of day if it has one. Raises
        ValueError."""
        return self.value(field, lambda cell: self._days.moment(cell, self.number, first_year))

    def text(self, field: str) -> str:
        return cells.text(self[field])

    def required(self, field: str) -> str:
        """The text of a cell that must not be blank. Raises ValueError."""
        return self.value(field, cells.required_text)


def _unread(row: Row) -> Note:
    raise ValueError(f"line {row.number} is of a table that is not read")


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """One published format.

    ``columns`` gives the headers of each field, in letters and digits only, the preferred first; ``required``
    the fields that a table of this format must have. Every layout has a ``date``. ``record`` raises
    ValueError with the reason to reject a row, and Unreadable to refuse the whole file. ``batch`` makes the
    same records from many rows at once, None for each row that is left to ``record``. ``dates`` is the
    publisher's order of days with the year last, if it has one. A table with a ``refusal``, a sentence that
    says what it is, is recognised but not read.
    """

    title: str
    kind: FileKind
    columns: Mapping[str, Sequence[str]]
    required: Sequence[str]
    record: Callable[[Row], Holding | Notice | Note] = _unread
    batch: Callable[[Batch], Sequence[Holding | Note | None]] | None = None
    dates: DayOrder | None = None
    refusal: str = ""

    def header(self, line: Sequence[Cell]) -> tuple[Columns, Sequence[str]]:
        """Try a line as the header. Returns the columns, and the reasons why it is not one."""
        # Most files have the header of the one before. A cell 1 would equal a cell True.
        words = [cell for cell in line if isinstance(cell, str)]
        if len(words) == len(line) and sum(map(len, words)) <= MAX_KNOWN_HEADER:
            return _known_header(self, tuple(words))
        return self._header(line)

    def _header(self, line: Sequence[Cell]) -> tuple[Columns, Sequence[str]]:
        titles = [cells.text(cell) for cell in line]
        names = ["".join(filter(str.isalnum, title)).lower() for title in titles]
        indexes: dict[str, int] = {}
        problems, missing = [], []
        for field, headers in self.columns.items():
            free = (name for name in headers if name in names and names.index(name) not in indexes.values())
            name = next(free, None)
            if name is not None:
                indexes[field] = names.index(name)
                if names.count(name) > 1:
                    problems.append(f"has {names.count(name)} columns headed {titles[indexes[field]]!r}")
            elif field in self.required:
                missing.append(field)
        if missing:
            *most, last = missing
            named = f"{', '.join(most)} or {last} columns" if most else f"{last} column"
            problems.insert(0, f"has no {named}")
        width = max((index + 1 for index, title in enumerate(titles) if title), default=0)
        return Columns(indexes, {field: titles[index] for field, index in indexes.items()}, width), problems

    def read(
        self, lines: Iterable[Line], columns: Columns, file: str, dates: DayOrder | None = None
    ) -> ParsedFile:
        """Read the lines below a header. Blank lines and lines of prose are skipped."""
        table = _Table(self, columns, file, Days(dates or self.dates))
        lines = iter(lines)
        while block := list(islice(lines, MAX_BATCH)):
            table.add(block)
        if self.kind is not FileKind.NOTES:
            _check_funds(table.records)
        records = tuple(table.days.settled(table.records))
        said = dates if table.days.used else None
        return ParsedFile(self.kind, records, tuple(table.rejects), table.file.asked, said)


_known_header = lru_cache(MAX_KNOWN_HEADERS)(Layout._header)


class _Table:
    """A table being read: the ``columns`` of its latest header, and the results so far."""

    def __init__(self, layout: Layout, columns: Columns, file: str, days: Days) -> None:
        self.layout = layout
        self.columns = columns
        self.days = days
        self.file = FileName(file)
        self.records: list[Any] = []
        self.rejects: list[Reject] = []

    def add(self, lines: Sequence[Line]) -> None:
        """Read the next lines. Raises Unreadable."""
        at, size = 0, len(lines)
        while at < len(lines):
            columns = self.columns
            some = lines[at : at + size]
            found = self._at_once(some)
            if None not in found:
                self.records += found
                at += len(some)
                size *= 2
                continue
            for line, record in zip(some, found, strict=True):
                at += 1
                if record is not None:
                    self.records.append(record)
                else:
                    self._add_one(line)
                    if self.columns != columns:
                        size = MIN_BATCH
                        break
            else:
                size *= 2

    def _at_once(self, lines: Sequence[Line]) -> Sequence[Holding | Note | None]:
        """The records of the lines that can be read together, None for each other line."""
        width = self.columns.width
        batch = self.layout.batch
        widths = set(map(len, map(_CELLS, lines)))
        if batch is not None and widths == {width} and not any(map(_PROBLEM, lines)):
            return batch(Batch(lines, self.columns.indexes))
        fit = [index for index, line in enumerate(lines) if len(line.cells) == width and not line.problem]
        found: list[Holding | Note | None] = [None] * len(lines)
        if batch is not None and fit:
            records = batch(Batch([lines[index] for index in fit], self.columns.indexes))
            for index, record in zip(fit, records, strict=True):
                found[index] = record
        return found

    def _add_one(self, line: Line) -> None:
        """Read one line: a record, a reject, another header, or nothing."""
        filled = sum(not isinstance(cell, str) or bool(cell.strip()) for cell in line.cells)
        if not filled and not line.problem:
            return
        try:
            _check_width(line, self.columns)
            self.records.append(self.layout.record(Row(line, self.columns, self.file, self.days)))
        except ValueError as problem:
            if filled == 1 and not _has_date(line, self.columns):
                return
            again, unfit = self.layout.header(line.cells)
            if unfit:
                self.rejects.append(Reject(line.number, str(problem)))
                _check_rejects(self.rejects)
            else:
                self.columns = again


def parse(
    tables: Iterable[Iterable[Line]],
    layouts: Sequence[Layout],
    file: str = "",
    dates: DayOrder | None = None,
) -> ParsedFile:
    """Read the first table with the header of a layout; ``file`` is the name of the file, ``dates`` the
    user's order of days with the year last. Raises Unreadable, which says what the file is, or names the
    nearest format."""
    near: tuple[tuple[int, int], str] | None = None
    refusal = ""
    for table in tables:
        lines = iter(table)
        top = list(islice(lines, _HEADER_WITHIN))
        for at, line in enumerate(top, 1):
            for layout in layouts:
                columns, problems = layout.header(line.cells)
                if layout.refusal:
                    refusal = refusal or ("" if problems else layout.refusal)
                    continue
                if not problems:
                    return layout.read(chain(top[at:], lines), columns, file, dates)
                known = sum(field in columns.indexes for field in layout.required)
                enough = known >= _ENOUGH_TO_NAME or len(columns.indexes) >= _ENOUGH_OF_ALL
                lacks = len(problems) + sum(field not in columns.indexes for field in layout.required)
                rank = lacks, -len(columns.indexes)
                if enough and (near is None or rank < near[0]):
                    near = rank, f"it looks like {layout.title} but {' and '.join(problems)}"
    raise Unreadable(refusal or (near[1] if near else _UNKNOWN))


def _check_rejects(rejects: Sequence[Reject]) -> None:
    if len(rejects) > MAX_REJECTS:
        first = f"the first is line {rejects[0].line}: {rejects[0].reason}"
        raise Unreadable(f"more than {MAX_REJECTS:,} of its lines cannot be read; {first}")


def _check_funds(records: Sequence[Any]) -> None:
    funds = {record.fund for record in records}
    if len(funds) > MAX_FUNDS:
        raise Unreadable(f"it names more than {MAX_FUNDS} funds; its fund column holds something else")


def _check_width(line: Line, columns: Columns) -> None:
    """Reject a row with more or fewer cells than the header: its cells are under the wrong columns."""
    if line.problem:
        raise ValueError(line.problem)
    extra = any(cells.text(cell) for cell in line.cells[columns.width :])
    if extra or len(line.cells) < columns.width:
        raise ValueError(f"the row has {len(line.cells)} cells, the header {columns.width}")


def _has_date(line: Line, columns: Columns) -> bool:
    try:
        cells.moment(line.cells[columns.indexes["date"]], first_year=1)
    except (ValueError, IndexError):
        return False
    return True
