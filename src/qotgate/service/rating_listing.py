"""Rating changes as one leafs through them: by any institution, security, market and day, each with the line
of the file that its note stands in.

The interface's own question is narrower; the rows, their order and the cursors are the same.
"""

from dataclasses import dataclass
from datetime import date

from qotgate.model import (
    InvalidRequest,
    Market,
    NothingLoaded,
    Page,
    RatingChange,
    RatingChangeType,
    Security,
)
from qotgate.service.cursor import Cursor
from qotgate.service.questions import RATING_MARKETS, Questions, check_not_before, check_reached, day_asked
from qotgate.store import reads
from qotgate.store.database import generation
from qotgate.store.reads.ark import Place
from qotgate.store.reads.ratings import RatingFilter


@dataclass(frozen=True, slots=True)
class ListedChange:
    """A rating change, the institution's own word for its grade, and where its note stands."""

    change: RatingChange
    word: str
    place: Place


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

    ``market`` is US or CA; ``institution`` a name in either language or a spelling; None is any. ``page`` is
    the ``next_page`` of an earlier answer to the same question. Raises InvalidRequest.
    """
    if market is not None and market not in RATING_MARKETS:
        raise InvalidRequest("rating_market", value=market)
    wanted = RatingFilter(
        market=security.market if security else market,
        change_type=change_type,
        institution=institution and questions.reference.institutions.named(institution),
        code=security.code if security else None,
        day=day,
    )
    question = ("rating_listing", *(str(part) for part in _parts(wanted)), str(as_of or ""))
    with questions.store.reading() as connection:
        cursors = questions.cursors(connection)
        if page:
            cursor = cursors.read(question, page, Cursor)
            check_reached(connection, cursor)
            number, asked, after = cursor.generation, date.fromisoformat(cursor.as_of), cursor.after
            all_count = cursor.all_count
        else:
            latest = reads.ratings.latest_note_day(connection)
            if latest is None:
                raise NothingLoaded("no_notes")
            check_not_before(as_of, reads.ratings.first_note_day(connection))
            number, asked, after = generation(connection), day_asked(as_of, latest), None
            all_count = reads.ratings.count_changes(connection, wanted, number, asked)
        found = reads.ratings.changes(connection, wanted, number, asked, after, count + 1, places=True)
    rows = found[:count]
    next_page = None
    if len(rows) < len(found):
        last = rows[-1]
        next_page = cursors.write(
            question, Cursor(number, asked.isoformat(), all_count, last["day"].isoformat(), last["note_id"])
        )
    listed = (
        ListedChange(
            questions.rating_change(Market(row["market"]), row),
            row["word"],
            Place(row["file_id"], row["path"], row["line"]),
        )
        for row in rows
    )
    return Page(tuple(listed), next_page, all_count, known_to=asked)


def _parts(wanted: RatingFilter) -> tuple[object, ...]:
    return wanted.market, wanted.change_type, wanted.institution, wanted.code, wanted.day


def institution_names(questions: Questions) -> list[str]:
    """The institutions that a note is loaded of, by their names in the language of the questions."""
    with questions.store.reading() as connection:
        found = reads.ratings.institutions(connection)
    return sorted({questions.reference.institutions.name(one, questions.lang) for one in found})
