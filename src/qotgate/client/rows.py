"""Rows of answers, and what they turn into: pandas, Polars and Arrow, each imported when it is asked for."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import fields
from datetime import date
from types import UnionType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args, get_type_hints, overload

from qotgate.model import Page, ProtocolError, RateLimited

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

T = TypeVar("T")
NUMBERS = {int: ("Int64", "int64"), float: ("Float64", "float64"), date: ("Date", "date32")}
"""Polars' and Arrow's names for the types of columns that are not text."""
BESIDE = ("untold", "known_to")
"""Fields that say what an answer does not take in: no columns of a table."""


class Rows(Sequence[T], Generic[T]):
    """Answers in order, one dataclass a row; also a table with a column for each field.

    In a table, securities are codes such as ``US.TSLA``, words of enums are text, days are dates, and what
    is None is missing.
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
        types = {name: "datetime64[s]" if kind is date else NUMBERS[kind][1] for name, kind in self._types()}
        return table.astype(types)

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

    def _names(self) -> list[str]:
        # The security comes first, also where its field is the last of the dataclass.
        names = (field.name for field in fields(self._kind) if field.name not in BESIDE)
        return sorted(names, key=lambda name: name != "security")

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


class _Pages(Generic[T]):
    """How far the pages of an answer have been turned."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._cursor: str | None = None
        self._rows: Iterator[T] | None = None
        self._all_count = 0
        self._left_out: tuple[tuple[str, date], ...] = ()
        self._known_to: date | None = None

    def _take(self, page: Page[T]) -> None:
        if page.next_page is not None and page.next_page == self._cursor:
            raise ProtocolError("a page says that it is the next page itself")
        self._rows, self._cursor = iter(page.rows), page.next_page
        self._all_count = page.all_count
        self._left_out = page.left_out
        self._known_to = page.known_to


class PagedRows(_Pages[T], Iterator[T]):
    """All rows of an answer in pages, asked for one page at a time, as they are iterated.

    ``next()`` raises what :class:`~qotgate.client.QuoteClient` does, but for RateLimited: it waits instead.
    """

    def __init__(
        self, kind: type[T], page: Callable[[str | None], Page[T]], sleep: Callable[[float], object]
    ):
        super().__init__(kind)
        self._page = page
        self._sleep = sleep

    @property
    def all_count(self) -> int:
        """The rows on all pages, as the gateway counted them on the first."""
        if self._rows is None:
            self._turn()
        return self._all_count

    @property
    def left_out(self) -> tuple[tuple[str, date], ...]:
        """The funds that the answer does not sum, as no book of about the day is loaded, each with the last
        day that is known of it; none from OpenD."""
        if self._rows is None:
            self._turn()
        return self._left_out

    @property
    def known_to(self) -> date | None:
        """The day that the answer is of: ``as_of``, or the last known day where that is earlier; None where
        no ``as_of`` was named."""
        if self._rows is None:
            self._turn()
        return self._known_to

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
        """All rows that have not been iterated yet."""
        return Rows(self._kind, list(self))

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


class AsyncPagedRows(_Pages[T], AsyncIterator[T]):
    """:class:`PagedRows` for asyncio."""

    def __init__(
        self,
        kind: type[T],
        page: Callable[[str | None], Awaitable[Page[T]]],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        super().__init__(kind)
        self._page = page
        self._sleep = sleep

    async def all_count(self) -> int:
        """The rows on all pages, as the gateway counted them on the first."""
        if self._rows is None:
            await self._turn()
        return self._all_count

    async def left_out(self) -> tuple[tuple[str, date], ...]:
        """The funds that the answer does not sum, as no book of about the day is loaded, each with the last
        day that is known of it; none from OpenD."""
        if self._rows is None:
            await self._turn()
        return self._left_out

    async def known_to(self) -> date | None:
        """See :attr:`PagedRows.known_to`."""
        if self._rows is None:
            await self._turn()
        return self._known_to

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
        """All rows that have not been iterated yet."""
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
