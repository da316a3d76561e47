"""Rating changes and notes over a period, with the notes' own words."""

from typing import Any

from qotgate.model import Security
from qotgate.ratings.words import known_grade, level
from qotgate.service.ratings.institutions import identity_of
from qotgate.service.research.scope import Found, Scope, cut
from qotgate.store import reads
from qotgate.store.reads.research import NoteFilter

ANY_CHANGE = ""


def rating_changes(scope: Scope) -> Found:
    """A part of the table of rating changes."""
    chosen = scope.values["change_type"]
    return _rows(scope, ANY_CHANGE if chosen == "ALL" else chosen)


def notes(scope: Scope) -> Found:
    """A part of the table of notes."""
    return _rows(scope, None)


def _rows(scope: Scope, change_type: str | None) -> Found:
    values, questions = scope.values, scope.questions
    codes: tuple[Security, ...] | None = values["codes"]
    named = values["institutions"]
    wanted = NoteFilter(
        start=scope.start,
        end=scope.end,
        market=values["market"],
        codes=None if codes is None else tuple((str(code.market), code.code) for code in codes),
        institutions=None
        if named is None
        else tuple(sorted({identity_of(questions, name, "institutions") for name in named})),
        change_type=change_type,
    )
    days = cut(reads.research.note_counts(scope.connection, wanted, scope.generation))
    if days is None:
        return Found([])
    wanted = wanted._replace(start=days.start, end=days.end)
    found = reads.research.notes(scope.connection, wanted, scope.generation)
    return Found([_row(scope, row) for row in found], days.following)


def _row(scope: Scope, row: Any) -> tuple[Any, ...]:
    questions = scope.questions
    security = Security.parse(f"{row.market}.{row.code}")
    # The notes of a day may complete each other: a change has their combined values.
    changed = row.change_type is not None
    grade = known_grade(row.changed_grade if changed else row.grade)
    last = known_grade(row.last_grade) if row.has_last else None
    return (
        row.day,
        str(security),
        questions.reference.security_name(security, questions.lang, row.name),
        questions.reference.institutions.name(row.institution, questions.lang),
        row.change_type,
        row.word,
        level(grade).value,
        level(last).value if row.has_last else None,
        grade and grade.name,
        last and last.name,
        row.changed_target if changed else row.target,
        row.last_target,
        row.last_day,
        row.firm,
        row.prior_word or None,
        row.prior_target,
        bool(row.disagrees),
        row.path,
        row.line,
    )
