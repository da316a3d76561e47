"""Queries for many rows at a time: trades, positions, lines and notes of a period, for the research tables.

``securities`` are ids, None for all; ``start`` and ``end`` are days, both included.
"""

from collections.abc import Collection, Sequence
from datetime import date
from fractions import Fraction
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select

from qotgate.ark.dynamics import Split
from qotgate.store import tables
from qotgate.store.tables import HOLE, UNTOLD

Ids = Collection[int] | None


class DatedSplit(NamedTuple):
    """A split, and the day on which it becomes known."""

    split: Split
    through: date


class TradeRow(NamedTuple):
    """A trade as stored, with the dates of the two files whose difference it is."""

    security: int
    fund: str
    day: date
    through: date
    shares: int
    ground: str | None
    change: float | None
    flow: int | None
    price: float | None
    before: date | None
    after: date | None


class PositionRow(NamedTuple):
    """A security in a book; ``through`` is the day that the book shows, ``day`` the date of its file."""

    fund: str
    day: date
    security: int
    shares: float
    value: float | None
    weight: float | None
    line: int


class Book(NamedTuple):
    through: date
    fund: str
    day: date
    path: str


Place = tuple[str, int]
PlaceKey = tuple[str, date, int]
"""Fund, day (of a notice, or of a holdings file) and security."""


def ids_of(connection: Connection, codes: Collection[str]) -> dict[str, int]:
    """By code, the securities whose lines have, or had, it; codes without lines are missing."""
    spelling = tables.spelling
    query = select(spelling.c.code, func.min(spelling.c.security_id)).where(spelling.c.code.in_(codes))
    return {row[0]: row[1] for row in connection.execute(query.group_by(spelling.c.code))}


def names(connection: Connection) -> dict[int, tuple[str | None, str]]:
    """The code and the published name of every security."""
    security = tables.security
    return {
        row[0]: (row[1], row[2])
        for row in connection.execute(select(security.c.id, security.c.code, security.c.name))
    }


def first_days(connection: Connection) -> dict[int, date]:
    """By security, the day of the first line that names it."""
    spelling = tables.spelling
    query = select(spelling.c.security_id, func.min(spelling.c.first_day)).group_by(spelling.c.security_id)
    return {row[0]: row[1] for row in connection.execute(query)}


def sessions(connection: Connection, start: date, end: date) -> list[date]:
    """The loaded trading days, oldest first."""
    day = tables.session.c.day
    return list(connection.scalars(select(day).where(day.between(start, end)).order_by(day)))


def _of(column: ColumnElement[Any], ids: Ids) -> list[ColumnElement[bool]]:
    return [] if ids is None else [column.in_(ids)]


def trade_counts(
    connection: Connection, funds: Collection[str], securities: Ids, start: date, end: date, as_of: date
) -> list[tuple[date, int]]:
    """The number of trades known on ``as_of`` on each day, oldest first."""
    trade = tables.trade
    query = select(trade.c.day, func.count()).where(
        trade.c.fund.in_(funds),
        trade.c.day.between(start, end),
        trade.c.through <= as_of,
        *_of(trade.c.security_id, securities),
    )
    rows = connection.execute(query.group_by(trade.c.day).order_by(trade.c.day))
    return [(row[0], row[1]) for row in rows]


def trades(
    connection: Connection, funds: Collection[str], securities: Ids, start: date, end: date, as_of: date
) -> list[TradeRow]:
    """The trades known on ``as_of``, by day, fund and security."""
    trade, day = tables.trade, tables.ark_day
    query = (
        select(
            *(trade.c.security_id, trade.c.fund, trade.c.day, trade.c.through, trade.c.shares),
            *(trade.c.ground, trade.c.change, trade.c.flow, trade.c.price, day.c.before, day.c.after),
        )
        .join(day, and_(day.c.fund == trade.c.fund, day.c.day == trade.c.day))
        .where(
            trade.c.fund.in_(funds),
            trade.c.day.between(start, end),
            trade.c.through <= as_of,
            *_of(trade.c.security_id, securities),
        )
        .order_by(trade.c.day, trade.c.fund, trade.c.security_id)
    )
    return [TradeRow._make(row) for row in connection.execute(query).all()]


def signed_trades(
    connection: Connection, funds: Collection[str], securities: Ids, start: date, end: date
) -> Sequence[Any]:
    """(security id, day, fund, shares, day on which it becomes known) of each trade, oldest first."""
    trade = tables.trade
    query = (
        select(trade.c.security_id, trade.c.day, trade.c.fund, trade.c.shares, trade.c.through)
        .where(
            trade.c.fund.in_(funds),
            trade.c.day.between(start, end),
            *_of(trade.c.security_id, securities),
        )
        .order_by(trade.c.day, trade.c.fund)
    )
    return connection.execute(query).all()


def splits(
    connection: Connection, funds: Collection[str], as_of: date
) -> dict[int, dict[str, list[DatedSplit]]]:
    """By security and fund, the splits known on ``as_of``, oldest first."""
    split = tables.split
    query = select(
        *(split.c.security_id, split.c.fund, split.c.day, split.c.numerator, split.c.denominator),
        split.c.through,
    ).where(split.c.fund.in_(funds), split.c.through <= as_of)
    found: dict[int, dict[str, list[DatedSplit]]] = {}
    for security, fund, day, new, old, through in connection.execute(query.order_by(split.c.day)):
        dated = DatedSplit(Split(day, Fraction(new, old)), through)
        found.setdefault(security, {}).setdefault(fund, []).append(dated)
    return found


def noticed(
    connection: Connection, funds: Collection[str], securities: Ids, start: date, end: date
) -> dict[PlaceKey, Place]:
    """The first line of the notices of each fund, day and security."""
    notice, file = tables.notice, tables.file
    query = (
        select(notice.c.fund, notice.c.day, notice.c.security_id, file.c.path, notice.c.line)
        .join(file)
        .where(
            notice.c.fund.in_(funds),
            notice.c.day.between(start, end),
            *_of(notice.c.security_id, securities),
        )
        .order_by(notice.c.id.desc())
    )
    return {(row[0], row[1], row[2]): (row[3], row[4]) for row in connection.execute(query).all()}


def held_lines(
    connection: Connection, funds: Collection[str], securities: Ids, start: date, end: date
) -> dict[PlaceKey, int]:
    """The first line of each security in the holdings files dated ``start`` to ``end``."""
    holding = tables.holding
    query = (
        select(holding.c.fund, holding.c.day, holding.c.security_id, func.min(holding.c.line))
        .where(
            holding.c.fund.in_(funds),
            holding.c.day.between(start, end),
            holding.c.security_id.is_not(None),
            *_of(holding.c.security_id, securities),
        )
        .group_by(holding.c.fund, holding.c.day, holding.c.security_id)
    )
    return {(row[0], row[1], row[2]): row[3] for row in connection.execute(query).all()}


def files_of(
    connection: Connection, funds: Collection[str], start: date, end: date
) -> dict[tuple[str, date], str]:
    """The paths of the holdings files dated ``start`` to ``end``, by fund and day."""
    snapshot, file = tables.snapshot, tables.file
    query = (
        select(snapshot.c.fund, snapshot.c.day, file.c.path)
        .join(file)
        .where(snapshot.c.fund.in_(funds), snapshot.c.day.between(start, end))
    )
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def books(connection: Connection, funds: Collection[str], start: date, end: date) -> list[Book]:
    """The holdings files that show the days from ``start`` to ``end``, oldest first."""
    snapshot, file = tables.snapshot, tables.file
    query = (
        select(snapshot.c.through, snapshot.c.fund, snapshot.c.day, file.c.path)
        .join(file)
        .where(snapshot.c.fund.in_(funds), snapshot.c.through.between(start, end))
        .order_by(snapshot.c.through, snapshot.c.day, snapshot.c.fund)
    )
    return [Book._make(row) for row in connection.execute(query)]


def books_before(connection: Connection, funds: Collection[str], day: date) -> list[tuple[str, date]]:
    """The fund and the file's date of each fund's last book that shows no trading from ``day`` on."""
    snapshot = tables.snapshot
    found = []
    for fund in funds:
        query = (
            select(snapshot.c.day)
            .where(snapshot.c.fund == fund, snapshot.c.through < day)
            .order_by(snapshot.c.through.desc(), snapshot.c.day.desc())
            .limit(1)
        )
        last = connection.scalar(query)
        if last is not None:
            found.append((fund, last))
    return found


def book_spans(connection: Connection, funds: Collection[str], as_of: date) -> dict[str, tuple[date, date]]:
    """By fund, the first and the last trading day up to ``as_of`` in its books."""
    snapshot = tables.snapshot
    query = select(snapshot.c.fund, func.min(snapshot.c.through), func.max(snapshot.c.through)).where(
        snapshot.c.fund.in_(funds), snapshot.c.through <= as_of
    )
    return {row[0]: (row[1], row[2]) for row in connection.execute(query.group_by(snapshot.c.fund))}


def shown_days(connection: Connection, funds: Collection[str]) -> dict[str, set[date]]:
    """By fund, the trading days in its books."""
    snapshot = tables.snapshot
    query = select(snapshot.c.fund, snapshot.c.through).where(snapshot.c.fund.in_(funds))
    found: dict[str, set[date]] = {}
    for fund, through in connection.execute(query):
        found.setdefault(fund, set()).add(through)
    return found


def positions(
    connection: Connection, funds: Collection[str], securities: Ids, days: Collection[date]
) -> list[PositionRow]:
    """The positions in the holdings files dated ``days``; several lines of a security in one file are
    combined."""
    holding = tables.holding
    query = (
        select(
            *(holding.c.fund, holding.c.day, holding.c.security_id, func.sum(holding.c.shares)),
            *(func.sum(holding.c.market_value), func.sum(holding.c.weight), func.min(holding.c.line)),
        )
        .where(
            holding.c.fund.in_(funds),
            holding.c.day.in_(days),
            holding.c.security_id.is_not(None),
            *_of(holding.c.security_id, securities),
        )
        .group_by(holding.c.fund, holding.c.day, holding.c.security_id)
        .order_by(holding.c.fund, holding.c.day, holding.c.security_id)
    )
    return [PositionRow._make(row) for row in connection.execute(query).all()]


def holding_lines(connection: Connection, funds: Collection[str], days: Collection[date]) -> Sequence[Any]:
    """(fund, day, security id, name, ticker, identifier, shares, value, weight, line) of each line of the
    holdings files dated ``days``."""
    holding = tables.holding
    query = (
        select(
            *(holding.c.fund, holding.c.day, holding.c.security_id, holding.c.name, holding.c.ticker),
            *(holding.c.identifier, holding.c.shares, holding.c.market_value, holding.c.weight),
            holding.c.line,
        )
        .where(holding.c.fund.in_(funds), holding.c.day.in_(days))
        .order_by(holding.c.day, holding.c.fund, holding.c.line)
    )
    return connection.execute(query).all()


def not_told(connection: Connection, funds: Collection[str], start: date, end: date) -> Sequence[Any]:
    """(fund, first day, last day, UNTOLD or HOLE) of the periods of unknown trades that start within the
    days, by day."""
    day = tables.ark_day
    query = (
        select(day.c.fund, day.c.day, day.c.through, day.c.source)
        .where(day.c.fund.in_(funds), day.c.source.in_((UNTOLD, HOLE)), day.c.day.between(start, end))
        .order_by(day.c.day, day.c.fund)
    )
    return connection.execute(query).all()


def ark_days(connection: Connection) -> Sequence[Any]:
    """(fund, day, through, source) of each row of known and missing days, by fund and day."""
    day = tables.ark_day
    query = select(day.c.fund, day.c.day, day.c.through, day.c.source).order_by(day.c.fund, day.c.day)
    return connection.execute(query).all()


def note_spans(connection: Connection) -> Sequence[Any]:
    """(market, first day, last day, days with a note) of the notes."""
    note, history = tables.note, tables.history
    query = (
        select(
            history.c.market,
            func.min(note.c.day),
            func.max(note.c.day),
            func.count(note.c.day.distinct()),
        )
        .join(history, history.c.id == note.c.history_id)
        .group_by(history.c.market)
        .order_by(history.c.market)
    )
    return connection.execute(query).all()


class NoteFilter(NamedTuple):
    """A filter of notes; None matches all. ``codes`` are (market, code); ``change_type`` "" matches any
    change."""

    start: date
    end: date
    market: str | None
    codes: tuple[tuple[str, str], ...] | None
    institutions: tuple[str, ...] | None
    change_type: str | None


def _notes(wanted: NoteFilter, generation: int) -> Select[Any]:
    note, history, change = tables.note, tables.history, tables.rating_change
    standing = and_(change.c.note_id == note.c.id, change.c.since <= generation, change.c.until > generation)
    query = (
        select()
        .select_from(note)
        .join(history, history.c.id == note.c.history_id)
        .join(change, standing, isouter=wanted.change_type is None)
        .where(note.c.day.between(wanted.start, wanted.end))
    )
    if wanted.change_type:
        query = query.where(change.c.change_type == wanted.change_type)
    if wanted.market is not None:
        query = query.where(history.c.market == wanted.market)
    if wanted.institutions is not None:
        query = query.where(history.c.institution.in_(wanted.institutions))
    if wanted.codes is not None:
        codes: dict[str, list[str]] = {}
        for market, code in wanted.codes:
            codes.setdefault(market, []).append(code)
        of_market = [
            and_(history.c.market == market, history.c.code.in_(some)) for market, some in codes.items()
        ]
        chosen = of_market[0]
        for one in of_market[1:]:
            chosen = chosen | one
        query = query.where(chosen)
    return query


def note_counts(connection: Connection, wanted: NoteFilter, generation: int) -> list[tuple[date, int]]:
    """The number of notes on each day, oldest first."""
    day = tables.note.c.day
    query = _notes(wanted, generation).add_columns(day, func.count()).group_by(day).order_by(day)
    return [(row[0], row[1]) for row in connection.execute(query)]


def notes(connection: Connection, wanted: NoteFilter, generation: int) -> Sequence[Any]:
    """The notes with their changes in the state ``generation``, by day and in the order of loading."""
    note, history, change, file = tables.note, tables.history, tables.rating_change, tables.file
    query = (
        _notes(wanted, generation)
        .add_columns(
            *(note.c.day, history.c.market, history.c.code, history.c.institution, note.c.name),
            *(note.c.firm, note.c.word, note.c.grade, note.c.target, note.c.prior_word),
            *(note.c.prior_target, note.c.disagrees, note.c.line, file.c.path),
            *(change.c.change_type, change.c.has_last, change.c.last_grade),
            change.c.grade.label("changed_grade"),
            *(change.c.target.label("changed_target"), change.c.last_target, change.c.last_day),
        )
        .join(file, file.c.id == note.c.file_id)
        .order_by(note.c.day, note.c.id)
    )
    return connection.execute(query).all()
