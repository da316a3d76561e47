"""The loaded files, their lines, and the problems in them that need attention."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from qotgate.model.sentences import SENTENCES, Language
from qotgate.service.reference import Reference
from qotgate.store import Store, reads
from qotgate.store import loads as load_history
from qotgate.store.tables import Row

FILES_ON_A_PAGE = 50
LINES_ON_A_PAGE = 60
LINES_BEFORE = 5
"""Lines shown above the requested line."""
REJECTS_OF_A_FILE = 100
SETTLE_ON_A_PAGE = 50
LOADS_SHOWN = 5
LEFT_OUT_OF_A_LOAD = 1000


@dataclass(frozen=True)
class FileLines:
    """A loaded file and some of its lines as read; ``more_from`` is the line to continue from, None at the
    end. ``rejects`` are the first of the file's rejected lines."""

    file: Row
    columns: tuple[str, ...]
    lines: list[Row]
    more_from: int | None
    rejects: list[Row]


@dataclass(frozen=True, slots=True)
class Hole:
    """A period without inferred trades of a fund, because too many of its holdings files are missing:
    ``sessions`` trading days between ``first_day`` and ``last_day`` have no notice either."""

    fund: str
    first_day: date
    last_day: date
    sessions: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """The extent of the data: the first and the last day of ARK's trades, the last day of the notes, the
    number of loaded files, the time of the last load (UTC, ISO 8601), and the number of rejected lines.
    ``holes`` are those of all funds, from :func:`holes`."""

    first_ark_day: date | None
    ark_day: date | None
    note_day: date | None
    files: int
    loaded_at: str | None
    left_out: int
    holes: tuple[Hole, ...]


@dataclass(frozen=True)
class Unsettled:
    """Problems: grade words and lines without a code, which the tables do not know; lines whose identifier is
    not believed; and the number of unreadable files, with the latest of them. ``more_grades``,
    ``more_uncoded``, ``more_contradictions`` and ``more_unread`` are the starts of the next pages."""

    grades: list[Row]
    more_grades: int | None
    uncoded: list[Row]
    more_uncoded: int | None
    contradictions: list[Row]
    more_contradictions: int | None
    unread_files: int
    unread: list[Row]
    more_unread: int | None


@dataclass(frozen=True)
class LeftOut:
    """A load, and the first of its rejects: whole files, whose line is None, before lines of other files."""

    load: Row
    rows: list[Row]


def files(
    store: Store, before: int | None = None, kind: str | None = None, count: int = FILES_ON_A_PAGE
) -> tuple[list[Row], int | None]:
    """A page of loaded files, latest first, and the ``before`` of the next page."""
    with store.reading() as connection:
        rows = reads.files.files(connection, before, count + 1, kind)
    return _page(rows, count)


def rejects(
    store: Store, before: int | None = None, count: int = FILES_ON_A_PAGE
) -> tuple[list[Row], int | None]:
    """A page of rejected lines, latest first, and the ``before`` of the next page."""
    with store.reading() as connection:
        rows = reads.files.rejects(connection, before, count + 1)
    return _page(rows, count)


def _page(rows: list[Row], count: int = FILES_ON_A_PAGE) -> tuple[list[Row], int | None]:
    shown = rows[:count]
    return shown, shown[-1]["id"] if len(shown) < len(rows) else None


def loads(
    store: Store, before: int | None = None, count: int = FILES_ON_A_PAGE
) -> tuple[list[Row], int | None]:
    """A page of loads, latest first, and the ``before`` of the next page."""
    with store.reading() as connection:
        rows = load_history.loads(connection, before, count + 1)
    return _page(rows, count)


def left_out(store: Store, number: int) -> LeftOut | None:
    """A load and its rejects; None if the history has no load with the number."""
    with store.reading() as connection:
        load = load_history.load(connection, number)
        if load is None:
            return None
        return LeftOut(load, load_history.left_out(connection, number, LEFT_OUT_OF_A_LOAD))


def coverage(store: Store, funds: Collection[str]) -> Coverage:
    """The extent of the data; the trades of ``funds`` count."""
    with store.reading() as connection:
        loaded_at, left_out = reads.files.last_load(connection)
        return Coverage(
            first_ark_day=reads.ark.first_ark_day(connection, funds),
            ark_day=reads.ark.latest_ark_day(connection, funds),
            note_day=reads.ratings.latest_note_day(connection),
            files=sum(row["files"] for row in reads.files.kinds(connection)),
            loaded_at=loaded_at,
            left_out=left_out,
            holes=holes(connection),
        )


def holes(connection: Connection) -> tuple[Hole, ...]:
    """The holes in the files of every fund, by fund, oldest first."""
    return tuple(Hole(**row) for row in reads.ark.holes(connection))


def file_lines(store: Store, file_id: int, start: int = 1) -> FileLines | None:
    """A loaded file from line ``start`` on; None if no file has the number."""
    with store.reading() as connection:
        file = reads.files.file(connection, file_id)
        if file is None:
            return None
        rows = reads.files.lines(connection, file_id, file["kind"], start, LINES_ON_A_PAGE + 1)
        left_out = reads.files.rejects_of(connection, file_id, REJECTS_OF_A_FILE)
    lines = rows[:LINES_ON_A_PAGE]
    more_from = rows[-1]["line"] if len(lines) < len(rows) else None
    return FileLines(file, reads.files.LINE_COLUMNS[file["kind"]], lines, more_from, left_out)


def unsettled(store: Store, reference: Reference) -> Unsettled:
    """The problems that a user can solve with an own table or by correcting a file: the first page of
    each."""
    with store.reading() as connection:
        unread_files = load_history.count_unread(connection)
    return Unsettled(
        *unknown_grades(store),
        *uncoded(store, reference),
        *contradictions(store),
        unread_files,
        *rejected_files(store),
    )


def unknown_grades(
    store: Store, start: int = 1, count: int = SETTLE_ON_A_PAGE
) -> tuple[list[Row], int | None]:
    """A page of the grade words that the table of grades does not know, the most frequent first, from number
    ``start`` on, and the ``start`` of the next page."""
    with store.reading() as connection:
        rows = reads.ratings.unknown_grades(connection, start, count + 1)
    return rows[:count], start + count if len(rows) > count else None


def rejected_files(
    store: Store, before: int | None = None, count: int = SETTLE_ON_A_PAGE
) -> tuple[list[Row], int | None]:
    """A page of unreadable files that no later load has read, latest first, and the ``before`` of the next
    page."""
    with store.reading() as connection:
        rows = load_history.unread_files(connection, before, count + 1)
    return _page(rows, count)


def uncoded(
    store: Store, reference: Reference, start: int = 1, count: int = SETTLE_ON_A_PAGE
) -> tuple[list[Row], int | None]:
    """A page of lines without a code, the most frequent first, from number ``start`` on, and the ``start`` of
    the next page. Listings known to be on a market without codes are not included."""
    with store.reading() as connection:
        rows = reads.securities.uncoded(connection)
        known = {
            security_id
            for security_id, identifiers in reads.securities.identifiers(connection).items()
            if any(map(reference.listings.knows, identifiers))
        }
    unknown = [row for row in rows if row["security_id"] not in known]
    end = start + count
    return unknown[start - 1 : end - 1], end if end <= len(unknown) else None


def contradictions(
    store: Store, before: int | None = None, count: int = SETTLE_ON_A_PAGE
) -> tuple[list[Row], int | None]:
    """A page of lines whose identifier is not believed, and the ``before`` of the next page."""
    with store.reading() as connection:
        return reads.securities.contradictions(connection, before, count)


def contradiction_sentence(row: Row, lang: Language = "en") -> str:
    """The contradiction between a line and another one, as a sentence."""
    values = {name: row[name] for name in ("path", "line", "identifier")}
    values["spelled"] = f"{row['ticker']} {row['name']}"
    other = row["against"]
    if other is None:
        return SENTENCES["contradiction_tables"][lang].format(**values)
    return SENTENCES["contradiction"][lang].format(
        **values,
        other=f"{other['ticker']} {other['name']}",
        other_path=other["path"],
        other_line=other["line"],
    )
