"""Writes a load: applies the rules to the records, stores them, and recomputes derived rows."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, partial
from hashlib import sha256
from itertools import compress
from operator import attrgetter, itemgetter, not_
from typing import Any

import numpy as np
from sqlalchemy import Connection

from qotgate.ark.codes import is_cash
from qotgate.ark.identity import Move, Spelling
from qotgate.ark.notices import notice_keys
from qotgate.model import (
    FileKind,
    Holding,
    LoadOutcome,
    Note,
    Notice,
    ParsedFile,
    Refused,
    Reject,
    Unreadable,
)
from qotgate.ratings.columns import GIVEN
from qotgate.ratings.words import Institutions, normalise
from qotgate.service.ark.trades import derive_trades
from qotgate.service.calendar import ARK_START, LONGEST_BREAK, ark_sessions, book_through
from qotgate.service.loading import whole_books
from qotgate.service.loading.reading import Reading
from qotgate.service.ratings.judging import rating_changes
from qotgate.service.reference import Reference
from qotgate.store import contents, deriving, loads, reads, writes
from qotgate.store.database import generation, move_generation, read_state, write_state
from qotgate.store.deriving import FundDay
from qotgate.store.files import Files
from qotgate.store.snapshots import Snapshots
from qotgate.store.tables import Row

NEIGHBOUR = timedelta(days=10)
"""Books further apart say little about each other's missing lines."""
MAX_WEIGHTS = 500
"""Books whose weights are cached; a book's neighbour is usually among the latest."""
MAX_NEW_NOTES = 1_000_000
"""Notes of new histories that wait in memory to be judged, about 150 bytes each."""
RULES = 1
"""The version of the rules that derive trades; trades of another version are recomputed."""
NAMES = 2
"""The version of the rules that name institutions; notes named by another version are named again."""
MAX_SESSIONS_AHEAD = 5
"""Trading days by which a file may be ahead of the clock; holdings are dated for the next trading day."""


@dataclass
class LoadReport:
    """The outcome of a load. ``added`` counts new rows, by kind; ``rejects`` are (file, line or None for the
    whole file, reason); ``contradictions`` are the lines whose identifier is not believed."""

    files: int = 0
    read: int = 0
    unchanged: int = 0
    rejected: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    added: Counter[str] = field(default_factory=Counter)
    rejects: list[tuple[str, int | None, str]] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)
    """The unreadable files, with reasons."""
    unknown_grades: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[str] = field(default_factory=Counter)
    contradictions: list[Row] = field(default_factory=list)
    generation: int = 0
    number: int = 0
    """The number of the load in the history."""

    @property
    def outcome(self) -> LoadOutcome:
        if self.files and self.rejected == self.files:
            return LoadOutcome.UNREADABLE
        return LoadOutcome.LOADED if self.added.total() else LoadOutcome.NOTHING_NEW


class Load:
    """A load in progress, within the transaction of ``connection``."""

    def __init__(self, connection: Connection, reference: Reference, report: LoadReport) -> None:
        self.connection = connection
        self.reference = reference
        self.report = report
        self.known = writes.digests(connection)
        self.identities = writes.read_identities(connection, reference.listings)
        self.generation = generation(connection) + 1
        self.number = loads.begin(connection)
        self.last_day = last_day(datetime.now(UTC))
        self.fund_days: set[tuple[str, date]] = set()
        self.histories: set[int] = set()
        self.lines: Counter[Spelling] = Counter()
        # Since trades were last derived.
        self.moves: list[Move] = []
        self.files = Files(connection, self.generation, self.number)
        self.snapshots = Snapshots(connection, self.files)
        self.contents = contents.Contents(connection, self.files)
        self.note_histories = writes.Histories(connection)
        self.institutions = _Institutions(connection, reference.institutions)
        # The notes of new histories, which are all the notes that these have.
        self.new_notes: dict[str, list[Any]] = {name: [] for name in GIVEN}
        self.weights: dict[FundDay, whole_books.Weights] = {}
        self.endings: dict[FundDay, whole_books.Ending | None] = {}
        # Before notes are compared with loaded ones.
        self.tables_changed = self._apply_new_tables()

    def write(self, found: Reading) -> None:
        """Insert the new contents of a file."""
        if found.reason is not None:
            self.report.rejected += 1
            self.report.rejects.append((found.path, None, found.reason))
            self.report.unread.append((found.path, found.reason))
            return
        if found.parsed is None or found.digest in self.known:
            self.report.unchanged += 1
            return
        try:
            parsed = self.judged(found.content, found.parsed, found.any_book)
        except Unreadable as error:
            self.write(Reading(found.path, reason=str(error)))
            return
        self.report.read += 1
        self.known.add(found.digest)
        file_id = self.files.add(found.path, found.digest, found.parsed.kind)
        self.contents.keep(file_id, found.name, found.content, found.any_book)
        self.add(file_id, found.path, found.content, parsed)

    def judged(self, content: bytes, parsed: ParsedFile, any_book: bool) -> ParsedFile:
        """The parts of a file that count. Raises Unreadable if there are none."""
        if parsed.kind is FileKind.HOLDINGS and not any_book:
            return self._whole_books(content, parsed)
        return parsed

    def add(self, file_id: int, path: str, content: bytes, parsed: ParsedFile) -> None:
        """Insert the contents of a file that has its row."""
        parsed = until_day(parsed, self.last_day)
        self.report.rejects += [(path, reject.line, reject.reason) for reject in parsed.rejects]
        self.files.count(file_id, len(parsed.records))
        if parsed.rejects:
            self.files.write()
            writes.add_rejects(self.connection, file_id, parsed.rejects)
        self.report.rows[parsed.kind] += len(parsed.records)
        if not parsed.records:
            added = 0
        elif parsed.kind is FileKind.HOLDINGS:
            added = self._add_holdings(parsed.records, file_id, whole_books.Ending.of(content))
        elif parsed.kind is FileKind.NOTICES:
            added = self._add_notices(parsed.records, file_id)
        else:
            added = self._add_notes(parsed.records, file_id)
        self.report.added[parsed.kind] += added

    def _whole_books(self, content: bytes, parsed: ParsedFile) -> ParsedFile:
        """The file without incomplete books. Raises Unreadable if it has no others: then it is not loaded,
        and can be loaded later with ``any_book``."""
        books: dict[tuple[str, date], list[Holding]] = {}
        for line in parsed.records:
            if isinstance(line, Holding):
                books.setdefault((line.fund, line.day), []).append(line)
        if not books:
            raise Unreadable("it has no line of holdings")
        broken = whole_books.breaks_off(content, parsed)
        ending = whole_books.Ending.of(content)
        parts = {}
        for place, ((fund, day), lines) in enumerate(books.items(), 1):
            reason = f"it breaks off in line {broken}" if broken and place == len(books) else None
            if reason is None:
                neighbour = self.snapshots.neighbour(fund, day, NEIGHBOUR)
                near = (neighbour, self._weights(fund, neighbour)) if neighbour else None
                ends = partial(self._ends, ending if place == len(books) else None, fund, neighbour)
                reason = whole_books.lacks(lines, near, ends)
            if reason is not None:
                parts[fund, day] = f"{fund} {day} is not a whole book: {reason}; --any-book loads it"
        if parts and len(parts) == len(books):
            raise Unreadable("; ".join(parts.values()))
        return whole_books.without(parsed, parts) if parts else parsed

    def _weights(self, fund: str, day: date) -> whole_books.Weights:
        """The weights of a loaded book; those of the latest books are cached."""
        while len(self.weights) > MAX_WEIGHTS:
            del self.weights[next(iter(self.weights))]
        if (fund, day) not in self.weights:
            self.weights[fund, day] = whole_books.weights(self.snapshots.lines(fund, day))
        return self.weights[fund, day]

    def _ends(self, ending: whole_books.Ending | None, fund: str, neighbour: date | None) -> bool:
        """Whether a file ends like the ``neighbour``'s file; None for a book inside a file."""
        if ending is None or neighbour is None:
            return True
        if (fund, neighbour) not in self.endings:
            self.snapshots.write()
            self.contents.write()
            content = contents.of_book(self.connection, fund, neighbour)
            self.endings[fund, neighbour] = None if content is None else whole_books.Ending.of(content)
        other = self.endings[fund, neighbour]
        return other is None or ending.fits(other)

    def finish(self, outcome: LoadOutcome | None = None) -> None:
        """Recompute the rows derived from changed rows, increment the generation, and record the load with
        ``outcome``, by default the report's."""
        self.snapshots.write()
        self.contents.write()
        self.files.write_counts()
        rules = _key(RULES, self.reference.splits)
        if read_state(self.connection, "ark_rules") != rules:
            write_state(self.connection, "ark_rules", rules)
            self.fund_days |= deriving.redate_books(self.connection, book_through)
        self._settle()
        touched = self.fund_days or self.histories or self.new_notes["id"]
        changed = bool(touched or self.tables_changed or outcome)
        if self.fund_days:
            self._add_sessions({day for _, day in self.fund_days})
        while self.fund_days:
            fund_days, self.fund_days = self.fund_days, set()
            moves, self.moves = self.moves, []
            found = derive_trades(self.connection, fund_days, self.reference.splits, moves)
            for newer, older in found.items():
                self.identities.rename(newer, older)
            if found:
                # If names turned out to be one security, its days are recomputed under one name.
                self._settle()
        self._report_lines()
        rating_changes(self.connection, self.histories, self.new_notes, self.generation)
        if changed:
            move_generation(self.connection, self.generation)
        self.report.generation = generation(self.connection)
        self.report.number = self.number
        loads.finish(
            self.connection,
            self.number,
            self.report.unread,
            outcome=outcome or self.report.outcome,
            generation=self.report.generation,
            files=self.report.files,
            read=self.report.read,
            unchanged=self.report.unchanged,
            rejected=self.report.rejected,
            left_out=len(self.report.rejects) - self.report.rejected,
            added=self.report.added.total(),
        )

    def _add_sessions(self, days: Collection[date]) -> None:
        """Store the trading days between the first and the last ARK day, of this load and earlier ones.

        Questions count them; computing them from the calendar would be slow.
        """
        first, last = min(days), max(days)
        known = writes.session_span(self.connection)
        spans = [(first, last)] if known is None else [(first, known[0]), (known[1], last)]
        for start, end in spans:
            writes.add_sessions(self.connection, ark_sessions(start, end + timedelta(days=1)))

    def _security_id(self, line: Holding | Notice) -> int:
        spelling = Spelling(line.ticker, line.identifier, line.name)
        security_id = self.identities.identify(spelling, line.day)
        self.lines[spelling] += 1
        return security_id

    def _settle(self) -> None:
        """Decide from all loaded lines which securities are one, and move their lines."""
        moves = self.identities.settle()
        self.moves += moves
        self.fund_days.update(writes.moved_days(self.connection, moves))
        writes.save_identities(self.connection, self.identities, moves)

    def _report_lines(self) -> None:
        """Report problems with the securities of this load's lines."""
        listings = self.reference.listings
        identifiers = reads.securities.identifiers(self.connection)
        for spelling, lines in self.lines.items():
            security_id = self.identities.spellings[spelling].security
            uncoded = self.identities.labels[security_id][0] is None
            if uncoded and not any(map(listings.knows, identifiers[security_id])):
                said = f"{spelling.ticker or '(no ticker)'} {spelling.identifier} {spelling.name}"
                self.report.unmapped[said] += lines
        spelled = map(self.identities.spellings.__getitem__, self.lines)
        doubted = {known.number for known in spelled if not known.believed}
        if doubted:
            self.report.contradictions = reads.securities.contradictions(self.connection, of=doubted)[0]

    def _add_holdings(self, records: Sequence[Any], file_id: int, ending: whole_books.Ending) -> int:
        books: dict[FundDay, list[tuple[Any, ...]]] = {}
        for line in records:
            cash = is_cash(line.ticker, line.identifier, line.name)
            security = None if cash else self._security_id(line)
            books.setdefault((line.fund, line.day), []).append((*line, security, file_id))
        writes.save_securities(self.connection, self.identities)
        added = 0
        for (fund, day), lines in books.items():
            through = book_through(day)
            if self.snapshots.replace(fund, day, through, _book_key(lines), file_id, lines):
                self.fund_days.add((fund, through))
                self.endings[fund, day] = ending
                self.weights[fund, day] = whole_books.weights((*line[2:5], line[7]) for line in lines)
                added += len(lines)
        return added

    def _add_notices(self, records: Sequence[Any], file_id: int) -> int:
        keyed = list(notice_keys(records))
        lines = [line for _, line in keyed]
        columns = {
            **_columns(Notice, lines),
            "file_id": [file_id] * len(lines),
            "security_id": [self._security_id(line) for line in lines],
            "key": [_key(*key) for key, _ in keyed],
        }
        self.files.write()
        writes.save_securities(self.connection, self.identities)
        added = writes.add_notices(self.connection, columns)
        if added:
            self.fund_days.update((line.fund, line.day) for line in records)
        return added

    def _add_notes(self, records: Sequence[Any], file_id: int) -> int:
        notes = _columns(Note, records)
        securities = _Distinct(notes.pop("security"), lambda one: (one.market.value, one.code))
        firms = _Distinct(notes["firm"], self.institutions.identity)
        newest = self.note_histories.newest
        columns = {
            **notes,
            "history_id": self._history_ids(securities, firms).tolist(),
            "market": securities.texts(itemgetter(0)),
            "grade": self._grades(notes["word"]),
            "prior_grade": self._grades(notes["prior_word"]),
            "disagrees": [False] * len(records),
            "file_id": [file_id] * len(records),
        }
        for word, count in Counter(notes["word"]).items():
            if word and self.reference.grades.grade(word) is None:
                self.report.unknown_grades[word] += count
        added = writes.add_notes(self.connection, columns, newest)
        is_new = self.note_histories.are_new(np.asarray(added["history_id"]))
        are_all = bool(is_new.all())
        if not are_all:
            self.histories.update(compress(added["history_id"], map(not_, is_new.tolist())))
        for name, values in self.new_notes.items():
            values += added[name] if are_all else compress(added[name], is_new)
        if len(self.new_notes["id"]) > MAX_NEW_NOTES:
            self._leave_new_notes()
        return len(added["id"])

    def _leave_new_notes(self) -> None:
        """Have the new histories judged from the stored notes, like existing histories."""
        self.histories.update(self.new_notes["history_id"])
        self.note_histories.all_are_old()
        for values in self.new_notes.values():
            values.clear()

    def _history_ids(self, securities: "_Distinct", institutions: "_Distinct") -> np.ndarray[Any, Any]:
        """The ids of the histories of rows with these securities, as market and code, and institutions."""
        return self.note_histories.of_rows(
            securities.meanings, institutions.meanings, securities.places, institutions.places
        )

    def _grades(self, words: Sequence[str]) -> list[int | None]:
        """The numbers of the words' grades, as plain integers, which drivers accept."""
        grades = {word: self.reference.grades.grade(word) for word in set(words)}
        numbers = {word: None if grade is None else grade.value for word, grade in grades.items()}
        return list(map(numbers.__getitem__, words))

    def _apply_new_tables(self) -> bool:
        """Map the loaded notes again if the shipped tables or the user's have changed. Returns whether they
        have."""
        before, now = read_state(self.connection, "reference"), _key(NAMES, self.reference.digest)
        if before == now:
            return False
        write_state(self.connection, "reference", now)
        if before is None:
            return False
        self._map_notes()
        # Those that it made have the notes of earlier loads.
        self.note_histories.all_are_old()
        return True

    def _map_notes(self) -> None:
        """Give the loaded notes the grades and histories of the current tables."""
        grade, identity = self.reference.grades.grade, self.institutions.identity
        self.institutions.forget()
        notes = []
        for note in writes.all_notes(self.connection):
            wanted = (note["market"], note["code"], identity(note["firm"]))
            new = (wanted, grade(note["word"]), grade(note["prior_word"]))
            old = ((*wanted[:2], note["institution"]), note["grade"], note["prior_grade"])
            if new != old:
                notes.append((note, new))
        of_security = _Distinct([key[:2] for _, (key, _, _) in notes], lambda one: one)
        of_institution = _Distinct([key[2] for _, (key, _, _) in notes], str)
        histories = self._history_ids(of_security, of_institution).tolist()
        writes.regrade_notes(
            self.connection,
            [
                {
                    "note_id": note["id"],
                    "new_grade": new_grade,
                    "new_prior_grade": new_prior_grade,
                    "new_history_id": history_id,
                }
                for (note, (_, new_grade, new_prior_grade)), history_id in zip(notes, histories, strict=True)
            ],
        )
        self.histories.update(histories, (note["history_id"] for note, _ in notes))


def last_day(now: datetime) -> date:
    """The last day that a line of a file may have: a later one is a mistake, and would become the latest day
    of every answer. Raises QotGateError if the clock is wrong."""
    if now.date() < ARK_START:
        raise Refused("clock", day=now.date())
    return ark_sessions(now.date() + timedelta(days=1), now.date() + LONGEST_BREAK)[MAX_SESSIONS_AHEAD - 1]


def until_day(parsed: ParsedFile, last: date) -> ParsedFile:
    """A file's records until ``last``; later ones become rejects."""
    if max(map(attrgetter("day"), parsed.records), default=last) <= last:
        return parsed
    late = [record for record in parsed.records if record.day > last]
    reason = f"more than {MAX_SESSIONS_AHEAD} trading days ahead"
    rejects = [Reject(record.line, f"its day, {record.day}, is {reason}") for record in late]
    kept: Any = tuple(record for record in parsed.records if record.day <= last)
    return replace(parsed, records=kept, rejects=(*parsed.rejects, *rejects))


def _columns(kind: type[Notice] | type[Note], records: Sequence[Any]) -> dict[str, list[Any]]:
    """The values of each field of some records."""
    return dict(zip(kind._fields, map(list, zip(*records, strict=True)), strict=True))


def _book_key(lines: Iterable[tuple[Any, ...]]) -> str:
    """A key for the content of a book, independent of the order of its lines: ticker, identifier, name,
    shares, market value and weight of each."""
    return _key(*sorted(repr([*line[2:8]]) for line in lines))


class _Institutions:
    """The identity of each spelling of an institution: its English name in the table; for one outside the
    table, its spelling in the note loaded first."""

    def __init__(self, connection: Connection, table: Institutions) -> None:
        self._connection = connection
        self._table = table

    @cached_property
    def _others(self) -> dict[str, str]:
        return {normalise(name): name for name in reads.ratings.institutions(self._connection)}

    def forget(self) -> None:
        """Leave the current spellings, before all notes are named again in the order of loading."""
        self._others = {}

    def identity(self, spelling: str) -> str:
        name = self._table.identity(spelling)
        return name if self._table.has(name) else self._others.setdefault(normalise(name), name)


class _Distinct:
    """A column of few different values: ``meanings`` are what they mean, in order, without repeats, and
    ``places`` the index of each value's meaning."""

    def __init__(self, values: Sequence[Any], meaning: Callable[[Any], Any]) -> None:
        # Many rows share one object, which is found faster by its address than by its value.
        meant = {
            place: meaning(one) for place, one in dict(zip(map(id, values), values, strict=True)).items()
        }
        self.meanings = sorted(set(meant.values()))
        numbers = {one: number for number, one in enumerate(self.meanings)}
        places = {place: numbers[one] for place, one in meant.items()}
        self.places = np.fromiter(map(places.__getitem__, map(id, values)), np.int64, len(values))

    def texts(self, write: Callable[[Any], str]) -> list[str]:
        """The meaning of each value, converted by ``write``."""
        return list(map(list(map(write, self.meanings)).__getitem__, self.places.tolist()))


def _key(*parts: object) -> str:
    """A short key for the content of a row, the same in every process."""
    return sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:32]
