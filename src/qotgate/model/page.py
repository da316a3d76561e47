"""One page of a longer answer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class ColumnRows(Sequence[T]):
    """Rows of one ``kind``, made from columns when they are read. ``columns`` has one column for each field
    of the kind, in order, with the values that the fields have."""

    __slots__ = ("columns", "kind")

    def __init__(self, kind: Callable[..., T], columns: tuple[Sequence[Any], ...]) -> None:
        self.kind = kind
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns[0])

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[T, ...]: ...
    def __getitem__(self, place: int | slice) -> T | tuple[T, ...]:
        if isinstance(place, slice):
            return tuple(self)[place]
        return self.kind(*[column[place] for column in self.columns])

    def __iter__(self) -> Iterator[T]:
        return map(self.kind, *self.columns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, tuple | ColumnRows) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """``rows`` of this page, the cursor of the next one (None on the last), and the number of rows on all
    pages.

    ``left_out`` are the funds that the sums leave out because no holdings file near the day is loaded, each
    with its last known day. ``known_to`` is the day of the answer: the requested day, or the last known day
    if that is earlier; None if a client named no day.
    """

    rows: Sequence[T]
    next_page: str | None
    all_count: int
    left_out: tuple[tuple[str, date], ...] = ()
    known_to: date | None = None


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """``rows`` of a part of a research table, and the cursor of the next part (None on the last).

    ``known_to`` is the last known day, up to the requested one; None if no day bounds the table. ``note`` of
    the first part says which of the requested codes are not known, and what may be meant; None if all are.
    """

    rows: tuple[T, ...]
    next_page: str | None
    known_to: date | None = None
    note: str | None = None
