"""Institutions' ratings of one security: in sum, and one by one."""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import chain, groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection

from qotgate.model import (
    AnalystConsensus,
    InstitutionRating,
    InvalidRequest,
    NothingLoaded,
    Part,
    Security,
)
from qotgate.protocol.rating_answers import MAX_INSTITUTIONS
from qotgate.ratings.changes import NOTHING, DatedNote, View
from qotgate.ratings.consensus import consensus, daily
from qotgate.ratings.words import known_grade, level
from qotgate.service.cursor import SummaryCursor
from qotgate.service.questions import Questions, day_of_answer
from qotgate.service.ratings.changes import check_reached
from qotgate.service.ratings.institutions import SHOWN, identity_of
from qotgate.store import reads
from qotgate.store.database import generation, read_state

INSTITUTIONS = 10


def analyst_consensus(
    questions: Questions, security: Security, as_of: date | None = None
) -> AnalystConsensus:
    """The consensus on ``security`` in the three months up to ``as_of``. Raises InvalidRequest."""
    with questions.store.reading() as connection:
        day = _day(connection, as_of)
        rows = reads.ratings.notes_on(connection, security.market, security.code, day)
    splits = questions.reference.splits.get(str(security), ())
    return consensus(_histories(rows).values(), day, [split.day for split in splits])


def rating_summary(
    questions: Questions,
    security: Security,
    *,
    count: int = INSTITUTIONS,
    page: str | None = None,
    as_of: date | None = None,
    parameter: str = "count",
) -> Part[InstitutionRating]:
    """The ratings of the institutions that rated ``security`` up to ``as_of``, sorted by each one's newest
    note, newest first; each one's ratings are newest first too.

    ``count`` is 1 to 20 institutions; the caller calls it ``parameter``. ``page`` is the ``next_page`` of an
    earlier answer to the same question, which continues with the notes known at the first page. Raises
    InvalidRequest, and Unavailable.
    """
    if not 1 <= count <= MAX_INSTITUTIONS:
        raise InvalidRequest("count", parameter=parameter, most=MAX_INSTITUTIONS, value=count)
    question = ("rating_summary", str(security), str(as_of or ""))
    with questions.store.reading() as connection:
        cursors = questions.cursors(connection)
        if page:
            cursor = cursors.read(question, page, SummaryCursor)
            check_reached(cursor, generation(connection), int(read_state(connection, "pages_from") or 0))
        else:
            day = _day(connection, as_of)
            newest = reads.ratings.newest_note(connection)
            cursor = SummaryCursor(generation(connection), day.isoformat(), newest, 0)
        day = date.fromisoformat(cursor.as_of)
        rows = reads.ratings.notes_on(connection, security.market, security.code, day, cursor.newest_note)
    found = _institutions(questions, rows)
    end = cursor.offset + count
    next_page = None
    if end < len(found):
        following = SummaryCursor(cursor.generation, cursor.as_of, cursor.newest_note, end)
        next_page = cursors.write(question, following)
    return Part(_rows(found[cursor.offset : end]), next_page, day)


def institution_ratings(
    questions: Questions,
    security: Security,
    institution: str,
    as_of: date | None = None,
    parameter: str = "institution",
) -> Part[InstitutionRating]:
    """The ratings of one institution, given by any of its names, newest first. Raises InvalidRequest if it is
    unknown or has none; the error calls it ``parameter``."""
    identity = identity_of(questions, institution, parameter)
    with questions.store.reading() as connection:
        day = _day(connection, as_of)
        rows = reads.ratings.notes_on(connection, security.market, security.code, day)
    found = [one for one in _institutions(questions, rows) if one[0].uid == identity]
    if not found:
        raise InvalidRequest("rating_uid", parameter=parameter, security=security, value=institution[:SHOWN])
    return Part(_rows(found), None, day)


def _day(connection: Connection, as_of: date | None) -> date:
    latest = reads.ratings.latest_note_day(connection)
    if latest is None:
        raise NothingLoaded("no_notes")
    return day_of_answer(as_of, reads.ratings.first_note_day(connection), latest)


def _histories(rows: Sequence[Any]) -> dict[str, list[DatedNote]]:
    """The notes of each institution, by day."""
    return {
        institution: [
            DatedNote(
                row.id, row.day, row.time, View(known_grade(row.grade), row.target), NOTHING, row.starts
            )
            for row in notes
        ]
        for institution, notes in groupby(rows, key=attrgetter("institution"))
    }


def _institutions(questions: Questions, rows: Sequence[Any]) -> list[list[InstitutionRating]]:
    """The ratings of each institution, newest first, sorted by each one's newest note."""
    found = []
    for identity, history in _histories(rows).items():
        name = questions.reference.institutions.name(identity, questions.lang)
        found.append(
            [
                InstitutionRating(name, identity, note.day, level(note.view.grade), note.view.target)
                for note in reversed(daily(history))
            ]
        )
    return sorted(found, key=lambda ratings: (-ratings[0].day.toordinal(), ratings[0].uid))


def _rows(institutions: Iterable[Iterable[InstitutionRating]]) -> tuple[InstitutionRating, ...]:
    return tuple(chain.from_iterable(institutions))
