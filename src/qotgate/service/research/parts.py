"""A part of a research table by its cursor, and all parts in order.

Each part is a short read of its own: no transaction stays open between them. A load that changes the data
ends the paging with a sentence, since earlier and later parts would not match.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection

from qotgate.model import InvalidRequest, NothingLoaded, Part, Unavailable
from qotgate.protocol.research import (
    COVERAGE,
    DYNAMICS,
    HOLDINGS,
    LATEST_DAYS,
    NOTES,
    POSITIONS,
    RATINGS,
    STREAKS,
    TRADES,
    TRANSACTIONS,
    ResearchTable,
)
from qotgate.service.ark.dynamics import ark_day
from qotgate.service.calendar import ARK_START
from qotgate.service.cursor import PartCursor
from qotgate.service.questions import Questions, of_funds
from qotgate.service.research import coverage, dynamics, positions, ratings, streaks, trades
from qotgate.service.research.scope import Found, Scope
from qotgate.service.search import Search
from qotgate.store import reads
from qotgate.store.database import generation

READERS: Mapping[ResearchTable[Any], Callable[[Scope], Found]] = {
    DYNAMICS: dynamics.dynamics,
    TRADES: trades.trades,
    TRANSACTIONS: trades.transactions,
    POSITIONS: positions.positions,
    HOLDINGS: positions.holdings,
    RATINGS: ratings.rating_changes,
    NOTES: ratings.notes,
    COVERAGE: coverage.coverage,
    LATEST_DAYS: coverage.latest_days,
    STREAKS: streaks.streaks,
}
OF_NOTES = (RATINGS, NOTES)
OF_ALL = (COVERAGE, LATEST_DAYS)
"""Tables without a day as bound."""


def part(
    questions: Questions, table: ResearchTable[Any], values: Mapping[str, Any], page: str | None = None
) -> Part[tuple[Any, ...]]:
    """The first part of ``table`` for parameters from :meth:`ResearchTable.values`, or the part at ``page``,
    the ``next_page`` of an earlier part of the same question. A row is a tuple of the values of the table's
    columns.

    Raises InvalidRequest, also if a load has changed the data since the first part.
    """
    if () in values.values():
        # An empty list of codes, funds or days has no rows.
        return Part((), None)
    funds = values.get("funds")
    questions = of_funds(questions, funds) if funds else questions
    texts = (f"{name}={value}" for name, value in sorted(values.items()))
    question = ("research", table.name, *texts, questions.lang, *questions.funds)
    with questions.store.reading() as connection:
        number = generation(connection)
        cursors = questions.cursors(connection)
        if page:
            cursor = cursors.read(question, page, PartCursor)
            if cursor.generation > number:
                raise Unavailable("page_ahead")
            if cursor.generation < number:
                raise InvalidRequest("page_changed")
            day, start = date.fromisoformat(cursor.as_of), date.fromisoformat(cursor.start)
        else:
            day = _day(questions, connection, table, values)
            # Notes may be older than ARK's funds.
            start = values.get("start") or (date.min if table in OF_NOTES else ARK_START)
        found = READERS[table](
            Scope(questions, connection, dict(values), day, start, number, is_first=not page)
        )
        next_page = None
        if found.following is not None:
            cursor = PartCursor(number, day.isoformat(), found.following.isoformat())
            next_page = cursors.write(question, cursor)
    codes, note = values.get("codes"), None
    if isinstance(codes, tuple) and not page:
        search = Search(questions.store, questions.reference)
        note = search.note_on(codes, questions.lang, in_ratings=table in OF_NOTES)
    return Part(tuple(found.rows), next_page, None if table in OF_ALL else day, note)


def parts(
    questions: Questions, table: ResearchTable[Any], values: Mapping[str, Any]
) -> Iterator[Part[tuple[Any, ...]]]:
    """All parts of a table, each read on demand. Raises the errors of :func:`part`."""
    following: list[str | None] = [None]

    def next_part() -> Part[tuple[Any, ...]] | None:
        if not following:
            return None
        found = part(questions, table, values, following.pop())
        if found.next_page:
            following.append(found.next_page)
        return found

    # A generator would keep a part in memory while its rows are used.
    return iter(next_part, None)


def _day(
    questions: Questions, connection: Connection, table: ResearchTable[Any], values: Mapping[str, Any]
) -> date:
    """The last known day, or an earlier requested day. Raises InvalidRequest."""
    if table in OF_ALL:
        return date.max
    if table in OF_NOTES:
        latest = reads.ratings.latest_note_day(connection)
        if latest is None:
            raise NothingLoaded("no_notes")
        return min(values.get("end") or latest, latest)
    if table is HOLDINGS:
        spans = reads.research.book_spans(connection, questions.held_funds, date.max)
        if not spans:
            raise NothingLoaded("no_holdings")
        latest = max(last for _, last in spans.values())
        return min(values.get("end") or latest, latest)
    asked, source = values.get("as_of"), questions.trades_in(connection)
    if isinstance(asked, tuple):
        ark_day(questions, source, min(asked))
        asked = max(asked)
    return ark_day(questions, source, asked)
