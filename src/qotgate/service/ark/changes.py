"""The changes of the funds' holdings over a cycle, by security: the rules of :mod:`qotgate.ark.positions` on
the books and trades of the database."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, timedelta
from fractions import Fraction
from typing import NamedTuple

from sqlalchemy import Connection

from qotgate.ark.codes import CASH_PREFIX
from qotgate.ark.dynamics import Split
from qotgate.ark.positions import CYCLE_SESSIONS, Book, Change, Cycle, Trade, changes
from qotgate.model import ArkCycleType, Language, NothingLoaded, Security
from qotgate.service.columns.books import FRESH_SESSIONS, MONEY_MARKET
from qotgate.service.reference import Reference
from qotgate.store import books
from qotgate.store.deriving import BookDay, FundDay

Label = tuple[Security | None, str]
NO_LABEL: Label = (None, "")


def labelled_changes(
    connection: Connection,
    reference: Reference,
    lang: Language,
    funds: Collection[str],
    as_of: date,
    cycle_type: ArkCycleType,
    *,
    traded: bool,
) -> list[tuple[Change, Label]]:
    """The change of every security over the cycle that ends on ``as_of``, with its code and name, and its
    trades if ``traded``; otherwise trades are read only if a position depends on them.

    Raises InvalidRequest if no holdings are loaded.
    """
    cycle = cycle_of(connection, as_of, cycle_type)
    holes = books.holes(connection, funds, cycle.before, cycle.last)
    now, then, moved = _book_days(connection, funds, cycle, holes)
    if not now:
        if books.first_book(connection, funds) is None:
            raise NothingLoaded("no_holdings")
        return []
    lines: dict[FundDay, list[Line]] = {
        (fund, book.day): [] for ends in (now, then) for fund, book in ends.items()
    }
    # Fetched at once: row by row, the driver takes several times as long.
    for fund, day, *line in connection.execute(books.lines_query(funds, {day for _, day in lines})).all():
        if (fund, day) in lines:
            lines[fund, day].append(Line._make(line))
    seen: dict[int, dict[str, list[Split]]] = {}
    for security, fund, day, new, old in books.splits(connection, funds, as_of):
        seen.setdefault(security, {}).setdefault(fund, []).append(Split(day, Fraction(new, old)))
    since = min(cycle.before, *(book.through for book in then.values())) + timedelta(days=1)
    trades: list[Trade] = []
    if asked := funds if traded else moved:
        query = books.trades_query(asked, since, cycle.before, as_of, seen, moved)
        trades = [Trade._make(row) for row in connection.execute(query).all()]
        # A cycle that spans a hole in a fund's files starts with the first book after it.
        trades = [trade for trade in trades if trade.through > holes.get(trade.fund, date.min)]
    books_now, books_then = (
        [_book(fund, book.through, lines[fund, book.day]) for fund, book in ends.items()]
        for ends in (now, then)
    )
    found = changes(cycle, books_now, books_then, trades, seen)
    labels = _labels((line for each in lines.values() for line in each), reference)
    unnamed = [change.security for change in found if change.security not in labels]
    if unnamed:
        for security, (code, name) in books.securities(connection, unnamed).items():
            labels[security] = (Security.parse(code) if code else None, name)
    return [(change, _named(labels[change.security], reference, lang)) for change in found]


def left_out(connection: Connection, funds: Collection[str], as_of: date) -> tuple[tuple[str, date], ...]:
    """The funds without a book in the last ``FRESH_SESSIONS`` trading days up to ``as_of``, and the last day
    that an earlier book shows."""
    sessions = books.sessions(connection, as_of, FRESH_SESSIONS + 1)
    oldest = sessions[-1] if len(sessions) > FRESH_SESSIONS else date.min
    shown = books.last_shown(connection, funds, as_of)
    return tuple((fund, day) for fund, day in sorted(shown.items()) if day < oldest)


def cycle_of(connection: Connection, as_of: date, cycle_type: ArkCycleType) -> Cycle:
    """The trading days at the ends of a cycle; one that begins before the data covers all of it."""
    length = CYCLE_SESSIONS[cycle_type]
    days = books.sessions(connection, as_of, length + 1)
    return Cycle(days[length] if len(days) > length else date.min, days[0] if days else date.min, as_of)


class Line(NamedTuple):
    """A line of a holdings file, as read."""

    security: int | None
    ticker: str
    identifier: str
    name: str
    shares: float
    value: float | None


def _book_days(
    connection: Connection, funds: Collection[str], cycle: Cycle, holes: Mapping[str, date]
) -> tuple[dict[str, BookDay], dict[str, BookDay], list[str]]:
    """The books of either end of a cycle by fund, and the funds without a file of exactly these ends.

    A fund from :func:`left_out` is in neither end. A fund whose files begin within the cycle, or after one of
    its ``holes``, counts from the first of them: an unknown change counts as none.
    """
    level = books.level_books(connection, funds, (cycle.last, cycle.before))
    stale = dict(left_out(connection, funds, cycle.last))
    now: dict[str, BookDay] = {}
    then: dict[str, BookDay] = {}
    moved: list[str] = []
    for fund in funds:
        if fund in stale:
            continue
        latest = _level(level, fund, cycle.last) or books.latest_book(connection, fund, cycle.as_of)
        if latest is None:
            continue
        start = holes.get(fund, cycle.before)
        earlier = _level(level, fund, start) or books.latest_book(connection, fund, start)
        now[fund] = latest
        then[fund] = earlier or books.first_book(connection, [fund]) or latest
        if (now[fund].through, then[fund].through) != (cycle.last, cycle.before):
            moved.append(fund)
    return now, then, moved


def _level(level: Mapping[FundDay, date], fund: str, through: date) -> BookDay | None:
    day = level.get((fund, through))
    return None if day is None else BookDay(through, day)


def _book(fund: str, through: date, lines: Iterable[Line]) -> Book:
    positions: dict[int, tuple[float, float | None]] = {}
    total: float | None = 0.0
    for security, ticker, identifier, _, shares, value in lines:
        total = _sum(total, value)
        if security is None and identifier.startswith(CASH_PREFIX) and not ticker:
            security = MONEY_MARKET
        if security is not None:
            more, worth = positions.get(security, (0.0, 0.0))
            positions[security] = (shares + more, _sum(value, worth))
    return Book(fund, through, positions, total)


def _labels(lines: Iterable[Line], reference: Reference) -> dict[int, Label]:
    """The code and name of a security in the files: from its first line with a code, else from its first
    line."""
    labels: dict[int, Label] = {MONEY_MARKET: NO_LABEL}
    for security, ticker, identifier, name, _, _ in lines:
        if security is not None and labels.get(security, NO_LABEL)[0] is None:
            code = reference.listings.code(ticker, identifier, name)
            if code is not None or security not in labels:
                labels[security] = (code, name)
    return labels


def _named(label: Label, reference: Reference, lang: Language) -> Label:
    security, name = label
    return security, name if security is None else reference.security_name(security, lang, name)


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
