"""Rows of answers, and their conversion to pandas, Polars and Arrow, each imported at first use."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import fields
from datetime import date
from types import UnionType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args, get_type_hints, overload

from qotgate.model import Page, Part, ProtocolError, RateLimited, Security

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

log = logging.getLogger("qotgate.client")

T = TypeVar("T")
Turned = TypeVar("Turned", bound=Page[Any] | Part[Any])
NUMBERS = {
    int: ("Int64", "int64"),
    float: ("Float64", "float64"),
    bool: ("Boolean", "bool_"),
    date: ("Date", "date32"),
}
"""Type names in Polars and Arrow for columns that are not text."""
BESIDE = ("untold", "known_to")
"""Fields about the completeness of an answer, which are not columns of a table."""


class Rows(Sequence[T], Generic[T]):
    """Answers in order, one dataclass a row; also a table with a column for each field.

    In a table, securities are codes such as ``US.TSLA``, enum words are text, days are dates, and None is a
    missing value.
    """

    def __init__(self, kind: type[T], rows: Sequence[T]) -> None:
        self._kind: type[Any] = kind
        self._rows = tuple(rows)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> "Rows[T]": ...
    def __getitem__(self, index: int | slice) -> "T | Rows[T]":
        if isinstance(index, slice):
            return Rows(self._kind, self._rows[index])
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and (self._kind, self._rows) == (other._kind, other._rows)

    def __hash__(self) -> int:
        return hash((self._kind, self._rows))

    def __repr__(self) -> str:
        return f"<{len(self)} rows of {self._kind.__name__}>"

    def to_pandas(self) -> "pd.DataFrame":
        """A DataFrame; days are ``datetime64[s]``. Raises ImportError without pandas."""
        import pandas as pd

        columns: Any = self._columns()
        if not self:
            columns = {name: pd.Series([], dtype="str") for name in columns}
        table = pd.DataFrame(columns)
        return table.astype({name: self._pandas_type(name, kind) for name, kind in self._types()})

    def to_polars(self) -> "pl.DataFrame":
        """A DataFrame. Raises ImportError without Polars."""
        import polars as pl

        types = {name: getattr(pl, NUMBERS[kind][0]) for name, kind in self._types()}
        return pl.DataFrame(self._columns(), {name: types.get(name, pl.String) for name in self._names()})

    def to_arrow(self) -> "pa.Table":
        """A Table. Raises ImportError without pyarrow."""
        import pyarrow as pa

        types = {name: getattr(pa, NUMBERS[kind][1])() for name, kind in self._types()}
        schema = pa.schema([(name, types.get(name, pa.string())) for name in self._names()])
        return pa.table(self._columns(), schema=schema)

    def _pandas_type(self, name: str, kind: type) -> str:
        if kind is date:
            return "datetime64[s]"
        # NumPy's integers have no missing value; pandas' own integers have one.
        missing = kind is not float and any(getattr(row, name) is None for row in self._rows)
        return {int: "Int64", bool: "boolean"}[kind] if missing else NUMBERS[kind][1].rstrip("_")

    def _names(self) -> list[str]:
        # The security comes first, even if its field is the last of the dataclass.
        beside = BESIDE if _is_answer(self._kind) else ()
        names = (field.name for field in fields(self._kind) if field.name not in beside)
        return sorted(names, key=lambda name: name != "security") if _is_answer(self._kind) else list(names)

    def _columns(self) -> dict[str, list[Any]]:
        typed = dict(self._types())
        return {
            name: [
                value if value is None or name in typed else str(value)
                for value in (getattr(row, name) for row in self._rows)
            ]
            for name in self._names()
        }

    def _types(self) -> list[tuple[str, type]]:
        """The columns that are not text, and their types."""
        return [
            (name, kind)
            for name, hint in get_type_hints(self._kind).items()
            for kind in (get_args(hint) if isinstance(hint, UnionType) else (hint,))
            if kind in NUMBERS
        ]


def _is_answer(kind: type) -> bool:
    """Whether a row is an answer by itself, not a row of a research table."""
    return get_type_hints(kind).get("security") in (Security, Security | None)


class _Pages(Generic[T, Turned]):
    """The progress through the pages of an answer; ``_last`` is the last page fetched, None before the
    first."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._cursor: str | None = None
        self._rows: Iterator[T] | None = None
        self._last: Turned | None = None
        self.note: str | None = None
        """A sentence about the unknown codes, with suggestions; it is logged too. None if all are known, and
        before the first row."""

    def _take(self, page: Turned) -> None:
        if page.next_page is not None and page.next_page == self._cursor:
            raise ProtocolError("a page says that it is the next page itself")
        if isinstance(page, Part) and page.note:
            log.warning("%s", page.note)
            self.note = page.note
        self._rows, self._cursor, self._last = iter(page.rows), page.next_page, page


class StreamedRows(_Pages[T, Turned], Iterator[T]):
    """All rows of an answer, fetched part by part during iteration.

    ``next()`` raises as :class:`~qotgate.client.QuoteClient` does, except for RateLimited: it waits instead.
    """

    def __init__(
        self, kind: type[T], page: Callable[[str | None], Turned], sleep: Callable[[float], object]
    ) -> None:
        super().__init__(kind)
        self._page = page
        self._sleep = sleep

    @property
    def known_to(self) -> date | None:
        """The day of the answer: ``as_of``, or the last known day if that is earlier; None if no ``as_of``
        was given, or no day bounds the answer."""
        return self._known_page().known_to

    def _known_page(self) -> Turned:
        if self._last is None:
            self._turn()
        assert self._last is not None
        return self._last

    def __next__(self) -> T:
        if self._rows is None:
            self._turn()
        while True:
            assert self._rows is not None
            for row in self._rows:
                return row
            if self._cursor is None:
                raise StopIteration
            self._turn()

    def rows(self) -> Rows[T]:
        """The rows that have not been iterated yet."""
        return Rows(self._kind, list(self))

    def batches(self) -> Iterator[Rows[T]]:
        """The remaining rows, a part at a time, so that only one part is in memory."""
        while self._rows is not None or self._last is None:
            if self._rows is None:
                self._turn()
            assert self._rows is not None
            some, self._rows = list(self._rows), None
            if some:
                yield Rows(self._kind, some)
            if self._cursor is None:
                self._rows = iter(())
                return
            self._turn()

    def to_pandas(self) -> "pd.DataFrame":
        """:meth:`rows` as :meth:`Rows.to_pandas`."""
        return self.rows().to_pandas()

    def to_polars(self) -> "pl.DataFrame":
        """:meth:`rows` as :meth:`Rows.to_polars`."""
        return self.rows().to_polars()

    def to_arrow(self) -> "pa.Table":
        """:meth:`rows` as :meth:`Rows.to_arrow`."""
        return self.rows().to_arrow()

    def _turn(self) -> None:
        while True:
            try:
                self._take(self._page(self._cursor))
            except RateLimited as error:
                self._sleep(error.seconds)
            else:
                return


class PagedRows(StreamedRows[T, Page[T]]):
    """:class:`StreamedRows` of a list, with the total number of its rows."""

    @property
    def all_count(self) -> int:
        """The number of rows on all pages, as of the latest page."""
        return self._known_page().all_count

    @property
    def left_out(self) -> tuple[tuple[str, date], ...]:
        """The funds that the sums leave out because no holdings file near the day is loaded, each with its
        last known day; empty from OpenD."""
        return self._known_page().left_out


class AsyncStreamedRows(_Pages[T, Turned], AsyncIterator[T]):
    """:class:`StreamedRows` for asyncio."""

    def __init__(
        self,
        kind: type[T],
        page: Callable[[str | None], Awaitable[Turned]],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        super().__init__(kind)
        self._page = page
        self._sleep = sleep

    async def known_to(self) -> date | None:
        """See :attr:`StreamedRows.known_to`."""
        return (await self._known_page()).known_to

    async def _known_page(self) -> Turned:
        if self._last is None:
            await self._turn()
        assert self._last is not None
        return self._last

    async def __anext__(self) -> T:
        if self._rows is None:
            await self._turn()
        while True:
            assert self._rows is not None
            for row in self._rows:
                return row
            if self._cursor is None:
                raise StopAsyncIteration
            await self._turn()

    async def rows(self) -> Rows[T]:
        """The rows that have not been iterated yet."""
        return Rows(self._kind, [row async for row in self])

    async def to_pandas(self) -> "pd.DataFrame":
        """:meth:`rows` as :meth:`Rows.to_pandas`."""
        return (await self.rows()).to_pandas()

    async def to_polars(self) -> "pl.DataFrame":
        """:meth:`rows` as :meth:`Rows.to_polars`."""
        return (await self.rows()).to_polars()

    async def to_arrow(self) -> "pa.Table":
        """:meth:`rows` as :meth:`Rows.to_arrow`."""
        return (await self.rows()).to_arrow()

    async def _turn(self) -> None:
        while True:
            try:
                self._take(await self._page(self._cursor))
            except RateLimited as error:
                await self._sleep(error.seconds)
            else:
                return


class AsyncPagedRows(AsyncStreamedRows[T, Page[T]]):
    """:class:`PagedRows` for asyncio."""

    async def all_count(self) -> int:
        """The number of rows on all pages, as of the latest page."""
        return (await self._known_page()).all_count

    async def left_out(self) -> tuple[tuple[str, date], ...]:
        """See :attr:`PagedRows.left_out`."""
        return (await self._known_page()).left_out
