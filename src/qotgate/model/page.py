"""One page of a longer answer."""

from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """``rows`` of this page, the cursor of the next one (None on the last), and the number of rows on all
    pages.

    ``left_out`` are the funds that the sums leave out because no holdings file near the day is loaded, each
    with its last known day. ``known_to`` is the day of the answer: the requested day, or the last known day
    if that is earlier; None if a client named no day.
    """

    rows: tuple[T, ...]
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
