"""The files that the data comes from, their lines, and what in them needs attention."""

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
"""Shown above the line that was asked for."""
REJECTS_OF_A_FILE = 100
GRADES_SHOWN = 50
UNREAD_SHOWN = 50
UNCODED_ON_A_PAGE = 50
CONTRADICTIONS_ON_A_PAGE = 50
LOADS_SHOWN = 5
LEFT_OUT_OF_A_LOAD = 1000


@dataclass(frozen=True)
class FileLines:
    """A loaded file and some of its lines as they were read; ``more_from`` is the line to go on from, None
    at the end. ``rejects`` are the first of the lines that were left out."""

    file: Row
    columns: tuple[str, ...]
    lines: list[Row]
    more_from: int | None
    rejects: list[Row]


@dataclass(frozen=True, slots=True)
class Hole:
    """Trading days over which nothing is inferred of a fund, as too many of its holdings files are missing:
    ``sessions`` of them between ``first_day`` and ``last_day`` have no notice either."""

    fund: str
    first_day: date
    last_day: date
    sessions: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far the data goes: the first and the last day of ARK's trades, the last of the notes, the loaded
    files, when one was last loaded (UTC, ISO 8601), and how many lines were left out of them. ``holes`` are
    those in the files of each fund, as :func:`holes` gives them."""

    first_ark_day: date | None
    ark_day: date | None
    note_day: date | None
    files: int
    loaded_at: str | None
    left_out: int
    holes: tuple[Hole, ...]


@dataclass(frozen=True)
class Unsettled:
    """What the tables do not know, grade words and lines without a code; lines whose identifier is not
    believed; and how many files could not be read at all, with the latest of them. ``more_uncoded`` and
    ``more_contradictions`` are where the next pages begin."""

    grades: list[Row]
    uncoded: list[Row]
    more_uncoded: int | None
    contradictions: list[Row]
    more_contradictions: int | None
    unread_files: int
    unread: list[Row]


@dataclass(frozen=True)
class LeftOut:
    """A load, and the first of what it left out: whole files, whose line is None, before lines of others."""

    load: Row
    rows: list[Row]


def files(
    store: Store, before: int | None = None, kind: str | None = None, count: int = FILES_ON_A_PAGE
) -> tuple[list[Row], int | None]:
    """A page of loaded files, the latest first, and the ``before`` of the next page."""
    with store.reading() as connection:
        rows = reads.files.files(connection, before, count + 1, kind)
    return _page(rows, count)


def rejects(store: Store, before: int | None = None) -> tuple[list[Row], int | None]:
    """A page of lines that were left out, the latest first, and the ``before`` of the next page."""
    with store.reading() as connection:
        rows = reads.files.rejects(connection, before, FILES_ON_A_PAGE + 1)
    return _page(rows)


def _page(rows: list[Row], count: int = FILES_ON_A_PAGE) -> tuple[list[Row], int | None]:
    shown = rows[:count]
    return shown, shown[-1]["id"] if len(shown) < len(rows) else None


def loads(
    store: Store, before: int | None = None, count: int = FILES_ON_A_PAGE
) -> tuple[list[Row], int | None]:
    """A page of loads, the latest first, and the ``before`` of the next page."""
    with store.reading() as connection:
        rows = load_history.loads(connection, before, count + 1)
    return _page(rows, count)


def left_out(store: Store, number: int) -> LeftOut | None:
    """A load and what it left out; None where no load that is kept has the number."""
    with store.reading() as connection:
        load = load_history.load(connection, number)
        if load is None:
            return None
        return LeftOut(load, load_history.left_out(connection, number, LEFT_OUT_OF_A_LOAD))


def coverage(store: Store, funds: Collection[str]) -> Coverage:
    """How far the data goes, ``funds`` being those whose trades count."""
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
    """The holes in the files of every fund, by fund, the oldest first."""
    return tuple(Hole(**row) for row in reads.ark.holes(connection))


def file_lines(store: Store, file_id: int, start: int = 1) -> FileLines | None:
    """A loaded file from line ``start`` on; None where no file has the number."""
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
    """What a user could settle, by tables of their own or by mending a file: the first page of each."""
    with store.reading() as connection:
        grades = reads.ratings.unknown_grades(connection, GRADES_SHOWN)
        unread_files, unread = load_history.unread_files(connection, UNREAD_SHOWN)
    return Unsettled(
        grades, *uncoded(store, reference), *contradictions(store), unread_files=unread_files, unread=unread
    )


def uncoded(store: Store, reference: Reference, start: int = 1) -> tuple[list[Row], int | None]:
    """A page of lines without a code, the most frequent first, from number ``start`` on, and the ``start`` of
    the next page. Listings that are known to be on a market without codes are not among them."""
    with store.reading() as connection:
        rows = reads.securities.uncoded(connection)
        known = {
            security_id
            for security_id, identifiers in reads.securities.identifiers(connection).items()
            if any(map(reference.listings.knows, identifiers))
        }
    unknown = [row for row in rows if row["security_id"] not in known]
    end = start + UNCODED_ON_A_PAGE
    return unknown[start - 1 : end - 1], end if end <= len(unknown) else None


def contradictions(store: Store, before: int | None = None) -> tuple[list[Row], int | None]:
    """A page of lines whose identifier is not believed, and the ``before`` of the next page."""
    with store.reading() as connection:
        return reads.securities.contradictions(connection, before, CONTRADICTIONS_ON_A_PAGE)


def contradiction_sentence(row: Row, lang: Language = "en") -> str:
    """What a line says that another one contradicts, as text."""
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
