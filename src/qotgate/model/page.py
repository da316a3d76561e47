"""One page of a longer answer."""

from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """``rows`` of this page, the cursor of the next one (None on the last), and the rows of all pages.

    ``left_out`` are the funds that the answer does not sum, as no book of about the day is loaded, each with
    the last day that is known of it. ``known_to`` is the day that the answer is of: the day asked for, or the
    last known one where that is earlier; None where a client named no day.
    """

    rows: tuple[T, ...]
    next_page: str | None
    all_count: int
    left_out: tuple[tuple[str, date], ...] = ()
    known_to: date | None = None


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """``rows`` of a part of a research table, and the cursor of the next part, None on the last.

    ``known_to`` is the last day that is known, up to the one asked for; None where no day bounds the table.
    """

    rows: tuple[T, ...]
    next_page: str | None
    known_to: date | None = None
