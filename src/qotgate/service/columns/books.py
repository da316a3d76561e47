"""The ARK funds' books in memory, and the two lists as of any day computed from them.

A list is computed here if every fund has a book of exactly the days at either end of its cycle, as is almost
always the case. If a file is missing or a fund begins, and in any other case that needs more of the rules in
:mod:`qotgate.ark.positions`, NotAtHand is raised and the database answers.

As in :mod:`qotgate.service.columns.trades`, columns are immutable.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fractions import Fraction
from itertools import groupby
from math import copysign, trunc
from operator import itemgetter
from sys import intern
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from sqlalchemy import Connection

from qotgate.ark.codes import CASH_PREFIX
from qotgate.ark.dynamics import Split
from qotgate.service.columns.sizes import Budget
from qotgate.service.columns.source import DayTrade, Ends, NotAtHand, SeenSplit
from qotgate.service.cursor import Cursors
from qotgate.store.database import secret
from qotgate.store.reads import columns as reads
from qotgate.store.sums import PARTS
from qotgate.store.tables import HOLE

if TYPE_CHECKING:
    from qotgate.service.columns.book_sets import Book, BookSets

MONEY_MARKET = 0
"""In place of a security's id: the money-market funds that hold the funds' cash. They are one row without
code and name, as in OpenD."""
FRESH_SESSIONS = 10
"""Trading days for which a fund's latest book counts as its current holdings."""
BOOK_BYTES = 1000
LINE_BYTES = 24
SET_LINE_BYTES = 80
"""Memory of a security in the sums of all books of a day: there are at most as many as lines, times
MAX_SETS."""
MAX_SETS = 4
"""Choices of funds whose sums are cached; the database answers for others."""
MAX_SPANS = 64
"""Choices of funds whose first and last day are cached."""
TRADE_BYTES = 200
SPELLING_BYTES = 500
SESSION_BYTES = 8

Spelling = tuple[str, str, str]
"""Ticker, identifier, name."""
Key = tuple[tuple[str, ...], str]
"""Funds, and the digest of the tables that give their lines codes."""


class FundBooks(NamedTuple):
    """A fund's books, oldest first, and the last day of each."""

    throughs: tuple[date, ...] = ()
    books: tuple["Book", ...] = ()

    @classmethod
    def of(cls, books: Iterable["Book"]) -> "FundBooks":
        found = tuple(books)
        return cls(tuple(book.through for book in found), found)

    def before(self, day: date) -> "FundBooks":
        """The books that show no day from ``day`` on."""
        end = bisect_left(self.throughs, day)
        return FundBooks(self.throughs[:end], self.books[:end])

    def after(self, others: "FundBooks") -> "FundBooks":
        """These books, with the ``others`` before them."""
        return FundBooks(others.throughs + self.throughs, others.books + self.books)

    def get(self, through: date) -> "Book | None":
        place = bisect_left(self.throughs, through)
        return self.books[place] if self.throughs[place : place + 1] == (through,) else None


NO_BOOKS = FundBooks()


@dataclass(frozen=True)
class BookColumns:
    """Books by fund, trades by day, splits and sessions of one generation."""

    generation: int
    size: int
    """Approximate memory in bytes."""
    cursors: Cursors
    spellings: Sequence[Spelling]
    _books: Mapping[str, FundBooks]
    _holes: Mapping[str, Sequence[date]]
    _sessions: Sequence[date]
    _splits: Sequence[SeenSplit]
    _trades: Sequence[DayTrade]
    _span: Mapping[str, tuple[date | None, date | None]]
    _spans: dict[tuple[str, ...], tuple[date | None, date | None]] = field(default_factory=dict)
    _sets: dict[Key, "BookSets"] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def read(cls, connection: Connection, generation: int, most: int) -> Self:
        """Read all columns. Raises TooLarge if they take more than ``most`` bytes."""
        return cls._made(connection, generation, date.min, most, {}, [], [])

    def extended(self, connection: Connection, generation: int, since: date, most: int) -> Self:
        """The columns of a later generation, whose rows are equal before the day ``since``. Raises
        TooLarge."""
        books = {fund: found.before(since) for fund, found in self._books.items()}
        trades = self._trades[: bisect_left(self._trades, since, key=itemgetter(0))]
        made = self._made(connection, generation, since, most, books, [*self.spellings], [*trades])
        for key, sets in self._sets.copy().items():
            made._sets[key] = sets.before(since, made)
        return made

    def renumbered(self, generation: int) -> Self:
        """The same columns for a generation without changes to them."""
        return replace(self, generation=generation)

    @classmethod
    def _made(
        cls,
        connection: Connection,
        generation: int,
        since: date,
        most: int,
        known: Mapping[str, FundBooks],
        spellings: list[Spelling],
        trades: list[DayTrade],
    ) -> Self:
        """``known`` books and ``trades`` are those before ``since``; this method may change the lists."""
        budget = Budget(most)
        funds = reads.funds(connection)
        numbers = {spelling: number for number, spelling in enumerate(spellings)}
        books = {}
        for fund in funds:
            before = known.get(fund, NO_BOOKS)
            for book in before.books:
                budget.add(_bytes(book))
            books[fund] = FundBooks.of(_books(connection, fund, since, numbers, budget)).after(before)
        budget.add(TRADE_BYTES * len(trades))
        for row in reads.priced_trades(connection, funds, since):
            budget.add(TRADE_BYTES)
            trades.append(_trade(*row))
        splits = tuple(
            SeenSplit(security, day, fund, through, Split(day, Fraction(top, bottom)))
            for security, day, fund, through, top, bottom in reads.splits(connection, funds, date.min)
        )
        sessions = reads.sessions(connection)
        budget.add(SPELLING_BYTES * len(numbers) + TRADE_BYTES * len(splits) + SESSION_BYTES * len(sessions))
        return cls(
            generation=generation,
            size=budget.size,
            cursors=Cursors(secret(connection)),
            spellings=tuple(numbers),
            _books=books,
            _holes={
                fund: [row[2] for row in reads.untold(connection, fund, date.min) if row[3] == HOLE]
                for fund in funds
            },
            _sessions=sessions,
            _splits=splits,
            _trades=trades,
            _span={fund: reads.span(connection, fund) for fund in funds},
        )

    def span(self, funds: tuple[str, ...]) -> tuple[date | None, date | None]:
        """As :meth:`~qotgate.service.columns.source.TradeSource.span`."""
        found = self._spans.get(funds)
        if found is None:
            known = [self._span[fund] for fund in funds if fund in self._span]
            first = min((one[0] for one in known if one[0]), default=None)
            found = first, max((one[1] for one in known if one[1]), default=None)
            if len(self._spans) < MAX_SPANS:
                self._spans[funds] = found
        return found

    def ends(self, funds: Sequence[str], as_of: date, length: int) -> Ends:
        """The ends of a cycle of ``length`` sessions. Raises NotAtHand unless each of ``funds``, except those
        left out, has a book of both."""
        place = bisect_right(self._sessions, as_of) - 1
        if place < length:
            raise NotAtHand
        before, last = self._sessions[place - length], self._sessions[place]
        oldest = self._sessions[place - FRESH_SESSIONS] if place >= FRESH_SESSIONS else date.min
        left_out, held = [], 0
        for fund in funds:
            books = self._books.get(fund, NO_BOOKS)
            holes = self._holes.get(fund)
            if holes and any(before < through <= last for through in holes):
                raise NotAtHand
            end = bisect_right(books.throughs, as_of)
            if not end:
                continue
            shown = books.throughs[end - 1]
            if shown < oldest:
                left_out.append((fund, shown))
                continue
            held += 1
            # Almost always there is a book of each session.
            start = end - 1 - length
            if shown != last or not (
                (start >= 0 and books.throughs[start] == before) or books.get(before) is not None
            ):
                raise NotAtHand
        if not held:
            raise NotAtHand
        return Ends(before, last, tuple(left_out))

    def book(self, fund: str, through: date) -> "Book | None":
        """A fund's book with ``through`` as its last day."""
        return self._books.get(fund, NO_BOOKS).get(through)

    def sets(self, key: Key, make: Any, *, at_hand_only: bool) -> "BookSets":
        """The sums of books for some funds, made by ``make`` if missing. Raises NotAtHand if that is not
        allowed: for years of data it takes a tenth of a second, and memory."""
        found = self._sets.get(key)
        if found is not None:
            return found
        if at_hand_only:
            raise NotAtHand
        with self._lock:
            if key not in self._sets:
                if len(self._sets) >= MAX_SETS:
                    raise NotAtHand
                self._sets[key] = make()
            return self._sets[key]

    def throughs(self, funds: Collection[str]) -> list[date]:
        """The last days of the books of ``funds``."""
        return sorted({day for fund in funds for day in self._books.get(fund, NO_BOOKS).throughs})

    def splits(self, funds: Collection[str], as_of: date, after: date = date.min) -> list[SeenSplit]:
        """The splits after the day ``after`` that are known on ``as_of``."""
        return [one for one in self._splits if one.day > after and one.through <= as_of and one.fund in funds]

    def trades(self, funds: Collection[str], before: date, as_of: date) -> dict[int, list[DayTrade]]:
        """The trades after ``before`` that are known on ``as_of``, by security, oldest first."""
        start = bisect_left(self._trades, before + timedelta(days=1), key=itemgetter(0))
        end = bisect_right(self._trades, as_of, key=itemgetter(0))
        found: dict[int, list[DayTrade]] = {}
        for trade in self._trades[start:end]:
            if trade[3] <= as_of and trade[2] in funds:
                found.setdefault(trade[1], []).append(trade)
        return found


def _bytes(book: "Book") -> int:
    return BOOK_BYTES + (LINE_BYTES + SET_LINE_BYTES) * len(book.security)


def _trade(day: date, security: int, fund: str, through: date, shares: int, price: float | None) -> DayTrade:
    # Interned, a fund is found among the wanted ones without comparing its letters.
    fund = intern(fund)
    if price is None:
        return DayTrade(day, security, fund, through, shares, None)
    # Rounded as the engines do in qotgate.store.sums.
    exact = shares * price * float(PARTS)
    return DayTrade(day, security, fund, through, shares, trunc(exact + copysign(0.5, exact)))


def _books(
    connection: Connection, fund: str, since: date, numbers: dict[Spelling, int], budget: Budget
) -> Iterable["Book"]:
    """A fund's books from ``since`` on. Of books that show the same day, the one with the latest date counts;
    new spellings are added to ``numbers``."""
    from qotgate.service.columns.book_sets import make_book

    shown = dict(reads.books(connection, fund, since))
    throughs = {day: through for through, day in shown.items()}
    if not throughs:
        return
    found = {}
    lines = reads.book_lines(connection, fund, min(throughs), max(throughs))
    for day, rows in groupby(lines, itemgetter(0)):
        if day not in throughs:
            continue
        book = make_book(throughs[day], (_line(row, numbers) for row in rows))
        budget.add(_bytes(book))
        found[book.through] = book
    yield from (found[through] for through in sorted(found))


def _line(row: Any, numbers: dict[Spelling, int]) -> tuple[int | None, int, float, float | None]:
    _, security, ticker, identifier, name, shares, value = row
    if security is None and identifier.startswith(CASH_PREFIX) and not ticker:
        security, identifier, name = MONEY_MARKET, "", ""
    return security, numbers.setdefault((ticker, identifier, name), len(numbers)), shares, value
