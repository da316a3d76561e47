"""Rating changes, newest first: the interface's own list, of one market, and the listing of any institution,
security, market and day, each row with the file and line of its note.

The rules are in :mod:`qotgate.ratings.changes`.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TypeVar

from qotgate.model import (
    InvalidRequest,
    Market,
    NothingLoaded,
    Page,
    RatingChange,
    RatingChangeType,
    Security,
    Unavailable,
)
from qotgate.protocol.interface import RATING_CHANGES
from qotgate.ratings.words import known_grade, level
from qotgate.service.columns.ratings import RatingColumns
from qotgate.service.columns.source import RatingSource
from qotgate.service.cursor import Cursor, SummaryCursor
from qotgate.service.questions import Questions, check_count, day_of_answer
from qotgate.service.ratings.institutions import identity_of
from qotgate.store import reads
from qotgate.store.database import generation
from qotgate.store.reads.ark import Place
from qotgate.store.reads.ratings import RatingFilter
from qotgate.store.tables import Row

RATING_MARKETS = (Market.US, Market.CA)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ListedChange:
    """A rating change, with the institution's own word for its grade, and the place of its note."""

    change: RatingChange
    word: str
    place: Place


def rating_changes(
    questions: Questions,
    market: Market,
    change_type: RatingChangeType = RatingChangeType.UPGRADE,
    count: int = RATING_CHANGES.count,
    page: str | None = None,
    as_of: date | None = None,
) -> Page[RatingChange]:
    """Analysts' rating changes in ``market`` (US or CA), newest first.

    ``count`` is 1 to 20 rows; ``page`` the ``next_page`` of an earlier answer to the same question. Raises
    InvalidRequest.
    """
    _check_market(market)
    check_count(RATING_CHANGES, count)
    wanted = RatingFilter(market, change_type)
    question = ("rating_changes", market, change_type)
    return _page(questions, question, wanted, count, page, as_of, partial(_rating_change, questions))


def rating_listing(
    questions: Questions,
    *,
    market: Market | None = None,
    change_type: RatingChangeType | None = None,
    security: Security | None = None,
    institution: str | None = None,
    day: date | None = None,
    count: int,
    page: str | None = None,
    as_of: date | None = None,
) -> Page[ListedChange]:
    """Up to ``count`` rows, newest first.

    ``market`` is US or CA; ``institution`` a name in either language or a spelling; None matches all.
    ``page`` is the ``next_page`` of an earlier answer to the same question. Raises InvalidRequest.
    """
    _check_market(market)
    wanted = RatingFilter(
        market=security.market if security else market,
        change_type=change_type,
        institution=institution and identity_of(questions, institution),
        code=security.code if security else None,
        day=day,
    )
    parts = (wanted.market, wanted.change_type, wanted.institution, wanted.code, wanted.day)
    question = ("rating_listing", *map(str, parts))

    def listed(row: Row) -> ListedChange:
        place = Place(row["file_id"], row["path"], row["line"])
        return ListedChange(_rating_change(questions, row), row["word"], place)

    return _page(questions, question, wanted, count, page, as_of, listed, places=True)


@dataclass(frozen=True, slots=True)
class Facets:
    """The number of rows of a listing by kind of change, and by institution, most first; each with the other
    filters applied."""

    kinds: dict[RatingChangeType, int]
    institutions: list[tuple[str, int]]


def rating_facets(
    questions: Questions,
    *,
    market: Market | None = None,
    change_type: RatingChangeType | None = None,
    institution: str | None = None,
    day: date | None = None,
    as_of: date | None = None,
) -> Facets:
    """The facets of :func:`rating_listing` with the same filters. Raises InvalidRequest."""
    _check_market(market)
    institutions = questions.reference.institutions
    identity = institution and identity_of(questions, institution)
    with questions.store.reading() as connection:
        latest = reads.ratings.latest_note_day(connection)
        if latest is None:
            raise NothingLoaded("no_notes")
        known = day_of_answer(as_of, reads.ratings.first_note_day(connection), latest)
        number, wanted = generation(connection), RatingFilter(market=market, day=day)
        rows = questions.remembered(
            ("rating facets", wanted, number, known),
            lambda: reads.ratings.facets(connection, wanted, number, known),
        )
    kinds = dict.fromkeys((kind for kind in RatingChangeType), 0)
    counts: Counter[str] = Counter()
    for kind, of_institution, count in rows:
        if identity in (None, of_institution):
            kinds[RatingChangeType(kind)] += count
        if change_type in (None, kind):
            counts[institutions.name(of_institution, questions.lang)] += count
    return Facets(kinds, counts.most_common())


def institution_names(questions: Questions) -> list[str]:
    """The institutions with loaded notes, by their names in the language of the questions."""
    with questions.store.reading() as connection:
        found = reads.ratings.institutions(connection)
    return sorted({questions.reference.institutions.name(one, questions.lang) for one in found})


def _page(
    questions: Questions,
    question: tuple[str, ...],
    wanted: RatingFilter,
    count: int,
    page: str | None,
    as_of: date | None,
    make: Callable[[Row], T],
    *,
    places: bool = False,
) -> Page[T]:
    """Up to ``count`` rows of the store, converted by ``make``, in the generation and on the day of the first
    page."""
    question = (*question, str(as_of or ""))

    def ask(source: RatingSource) -> Page[T]:
        if page:
            cursor = source.cursors.read(question, page, Cursor)
            check_reached(cursor, source.generation, source.pages_from)
            number, day, after = cursor.generation, date.fromisoformat(cursor.as_of), cursor.after
            all_count = cursor.all_count
        else:
            first, latest = source.span()
            if latest is None:
                raise NothingLoaded("no_notes")
            day, number, after = day_of_answer(as_of, first, latest), source.generation, None
            all_count = source.count(wanted, number, day)
        made_as = question[0], questions.lang, questions.reference.digest
        found = source.changes(wanted, number, day, after, count + 1, make, made_as, places=places)
        rows = found[:count]
        next_page = None
        if len(rows) < len(found):
            last = rows[-1]
            cursor = Cursor(number, day.isoformat(), all_count, last.day.isoformat(), last.note_id)
            next_page = source.cursors.write(question, cursor)
        return Page(tuple([one.row for one in rows]), next_page, all_count, known_to=day)

    return questions.answer(RatingColumns, ask, lambda connection: ask(questions.ratings_in(connection)))


def _rating_change(questions: Questions, row: Row) -> RatingChange:
    """A row of the store in the model's words, its names in the language of the questions."""
    security = Security(Market(row["market"]), row["code"])
    return RatingChange(
        security=security,
        name=questions.reference.security_name(security, questions.lang, row["name"]),
        rating=level(known_grade(row["grade"])),
        last_rating=level(known_grade(row["last_grade"])) if row["has_last"] else None,
        target_price=row["target"],
        last_target_price=row["last_target"],
        change_type=RatingChangeType(row["change_type"]),
        institution=questions.reference.institutions.name(row["institution"], questions.lang),
        day=row["day"],
        last_day=row["last_day"],
    )


def _check_market(market: Market | None) -> None:
    if market is not None and market not in RATING_MARKETS:
        raise InvalidRequest("rating_market", value=market)


def check_reached(cursor: Cursor | SummaryCursor, latest: int, pages_from: int) -> None:
    """Raises Unavailable for a cursor of a generation that this database, a replica, has not received yet,
    and InvalidRequest if files were unloaded since."""
    if cursor.generation > latest:
        raise Unavailable("page_ahead")
    if cursor.generation < pages_from:
        raise InvalidRequest("page_changed")
