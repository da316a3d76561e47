"""One page of a longer answer."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """``rows`` of this page, the cursor of the next one (None on the last), and the rows of all pages."""

    rows: tuple[T, ...]
    next_page: str | None
    all_count: int
