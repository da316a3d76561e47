"""Each fund's positions at the end of each day, and the lines of its files."""

from collections import Counter
from collections.abc import Collection
from datetime import date
from fractions import Fraction
from typing import Any

from qotgate.ark.dynamics import splits_of, units
from qotgate.service.research.scope import Found, Scope, cut
from qotgate.store import reads
from qotgate.store.reads.research import Book, PositionRow

NO_FILE = "no file"
LINES_OF_A_BOOK = 60
"""Approximate number of lines in a holdings file."""


def positions(scope: Scope) -> Found:
    """A part of the table of positions: each book's lines, a row of 0 shares when a security has left it, and
    a row for each day that no file of a fund shows."""
    funds = scope.questions.funds
    if scope.start > scope.end:
        return Found([])
    shown, following = _books_of_part(scope, funds)
    lines = _lines(scope, funds, {book.day for book in shown})
    held = _held_before(scope, funds)
    seen = scope.splits(funds, scope.day)
    rows: list[tuple[Any, ...]] = []
    for book in shown:
        of_book = lines.get((book.fund, book.day), {})
        before = held.get(book.fund, set())
        for security, row in of_book.items():
            exact = Fraction(row.shares)
            if security in seen:
                exact *= units(splits_of(book.fund, seen[security]), book.through, scope.day)
            held_then = row.shares, float(exact), row.value, row.weight
            known = scope.known[security]
            rows.append((book.through, book.fund, *known, *held_then, book.path, row.line, None))
        for security in before - of_book.keys():
            known = scope.known[security]
            rows.append((book.through, book.fund, *known, 0.0, 0.0, None, None, book.path, None, None))
        held[book.fund] = set(of_book)
    last = scope.end if following is None else date.fromordinal(following.toordinal() - 1)
    for day, fund in missing_days(scope, funds, scope.start, last):
        rows.append((day, fund, None, "", *(None,) * 6, NO_FILE))
    return Found(sorted(rows, key=lambda row: (row[0], row[1], row[2] or "", row[3])), following)


def holdings(scope: Scope) -> Found:
    """A part of the table of holdings."""
    if scope.start > scope.end:
        return Found([])
    funds = scope.questions.held_funds
    shown, following = _books_of_part(scope, funds)
    by_key = {(book.fund, book.day): book for book in shown}
    rows = []
    found = reads.research.holding_lines(scope.connection, funds, {book.day for book in shown})
    for fund, day, security, name, ticker, identifier, shares, value, weight, line in found:
        book = by_key.get((fund, day))
        if book is None:
            continue
        code, known = scope.known[security] if security is not None else (None, name)
        names = code, name if code is None else known, ticker, identifier
        rows.append((book.through, day, fund, *names, shares, value, weight, book.path, line))
    return Found(sorted(rows, key=lambda row: (row[0], row[2], row[1], row[-1])), following)


def missing_days(scope: Scope, funds: Collection[str], start: date, end: date) -> list[tuple[date, str]]:
    """The trading days between a fund's first and last book that none of its books shows."""
    sessions = reads.research.sessions(scope.connection, start, end)
    spans = reads.research.book_spans(scope.connection, funds, scope.day)
    shown = {(book.through, book.fund) for book in reads.research.books(scope.connection, funds, start, end)}
    return [
        (day, fund)
        for day in sessions
        for fund, (first, last) in sorted(spans.items())
        if first <= day <= last and (day, fund) not in shown
    ]


def _books_of_part(scope: Scope, funds: Collection[str]) -> tuple[list[Book], date | None]:
    """The books of a part, and the first day of the next part. Books of one day stay together."""
    shown = reads.research.books(scope.connection, funds, scope.start, scope.end)
    of_days = Counter(book.through for book in shown)
    days = cut([(day, books * LINES_OF_A_BOOK) for day, books in of_days.items()])
    if days is None:
        return [], None
    return [book for book in shown if book.through <= days.end], days.following


def _lines(
    scope: Scope, funds: Collection[str], days: Collection[date]
) -> dict[tuple[str, date], dict[int, PositionRow]]:
    found: dict[tuple[str, date], dict[int, PositionRow]] = {}
    for row in reads.research.positions(scope.connection, funds, scope.ids, days):
        found.setdefault((row.fund, row.day), {})[row.security] = row
    return found


def _held_before(scope: Scope, funds: Collection[str]) -> dict[str, set[int]]:
    """The contents of each fund's last book before the part."""
    before = reads.research.books_before(scope.connection, funds, scope.start)
    lines = _lines(scope, funds, {day for _, day in before})
    return {fund: set(lines.get((fund, day), ())) for fund, day in before}
