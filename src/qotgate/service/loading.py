"""Loading files: the way of a file from bytes to answers.

Bytes go through a reader, its records through the rules, and all of a load into one transaction, which
also moves the generation. A file that was loaded before is known by its bytes and passed over; what cannot
be read is left out, by file and line, and reported; a load that is interrupted has not happened.
"""

import os
import pickle  # nosec B403
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from tempfile import SpooledTemporaryFile, gettempdir
from typing import Any
from unicodedata import category

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from qotgate import sources
from qotgate.ark.codes import is_cash
from qotgate.ark.identity import Spelling
from qotgate.model import (
    FileKind,
    Holding,
    LoadOutcome,
    Note,
    Notice,
    ParsedFile,
    QotGateError,
    Reject,
    StoreError,
    Unreadable,
)
from qotgate.ratings.words import normalise
from qotgate.service import whole_books
from qotgate.service.calendar import ARK_START, LONGEST_BREAK, ark_sessions, book_through
from qotgate.service.rating_changes import rating_changes
from qotgate.service.reference import Reference
from qotgate.service.trades import derive_trades
from qotgate.store import Store, contents, deriving, loading, loads, reads
from qotgate.store.database import generation, move_generation, read_state, write_state
from qotgate.store.faults import unwritten
from qotgate.store.tables import Row

SNAPSHOT_COLUMNS = ("ticker", "identifier", "name", "shares", "market_value", "weight")
NoticeKey = tuple[str, date, str, int, int]
ANY_BOOK = b"any book"
"""What makes a file that is loaded with ``any_book`` another one than without."""
NEIGHBOUR = timedelta(days=10)
"""Books further apart say little of what the other lacks."""
RULES = 1
"""The version of the rules by which trades are derived; trades of another version are made anew."""
MAX_SPOOL = 64 << 20
"""Bytes of what was read that wait in memory for their turn to be written; beyond, they wait in a file."""
MAX_SESSIONS_AHEAD = 5
"""Trading days by which a file may be ahead of the clock; holdings are dated for the next one."""
MAX_FILE_BYTES = 256 << 20
"""The largest file that is read."""


@dataclass
class LoadReport:
    """What a load did. ``added`` counts the rows that were new, by kind; ``rejects`` are (file, line or
    None for all of it, reason); ``contradictions`` the lines whose identifier is not believed."""

    files: int = 0
    read: int = 0
    unchanged: int = 0
    rejected: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    added: Counter[str] = field(default_factory=Counter)
    rejects: list[tuple[str, int | None, str]] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)
    """The files that could not be read at all, and why."""
    unknown_grades: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[str] = field(default_factory=Counter)
    contradictions: list[Row] = field(default_factory=list)
    generation: int = 0
    number: int = 0
    """That of the load in the history."""

    @property
    def outcome(self) -> LoadOutcome:
        if self.files and self.rejected == self.files:
            return LoadOutcome.UNREADABLE
        return LoadOutcome.LOADED if self.added.total() else LoadOutcome.NOTHING_NEW


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files under ``paths``, folders searched all the way down, hidden ones left out, in order.

    Raises QotGateError for a path that does not exist.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            for folder, inner, names in os.walk(path):
                inner[:] = sorted(name for name in inner if not name.startswith("."))
                files = (Path(folder, name) for name in sorted(names) if not name.startswith("."))
                found.update((file.resolve(), None) for file in files if _is_file(file))
        elif _is_file(path):
            found[path.resolve()] = None
        else:
            what = "is neither a file nor a folder" if path.exists() else "does not exist"
            raise QotGateError(f"{path} {what}; load takes files and folders.")
    return list(found)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def load(
    store: Store,
    reference: Reference,
    files: Sequence[Path],
    *,
    dry_run: bool = False,
    any_book: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> LoadReport:
    """Load ``files`` in one transaction.

    Holdings that are not a fund's whole book are left out, unless ``any_book``.
    ``progress`` is told (files done, files in all). With ``dry_run`` everything is done and then undone.
    Raises StoreError, naming the file that could not be written; nothing has been loaded then.
    """
    report = LoadReport(files=len(files))
    # Reading takes long, and may hang where a disk does, so it takes place before the lock.
    with SpooledTemporaryFile(MAX_SPOOL) as spool:
        with store.reading() as connection:
            known = loading.digests(connection)
        for done, path in enumerate(files, 1):
            found = _read(path, known, any_book)
            try:
                pickle.dump(found, spool)
            except OSError as error:
                raise StoreError(f"{gettempdir()} cannot be written: {error.strerror}.") from error
            if progress is not None:
                progress(done, len(files))
        spool.seek(0)
        with store.writing(keep=not dry_run) as connection:
            run = Load(connection, reference, report)
            for _ in files:
                found = pickle.load(spool)  # noqa: S301  # nosec B301
                try:
                    run.take(found)
                except DBAPIError as error:
                    raise StoreError(f"{unwritten(error)} The load was at {found.path}.") from error
            run.finish()
    return report


@dataclass(frozen=True, slots=True)
class Reading:
    """One file that was read: its path as text, and what is in it; ``reason`` is why it could not be read.
    ``parsed`` and ``reason`` are both None for one that is loaded already."""

    path: str
    digest: str = ""
    name: str = ""
    content: bytes = b""
    parsed: ParsedFile | None = None
    reason: str | None = None
    any_book: bool = False
    """Whether a part of a book is taken for one."""


def _read(path: Path, known: Collection[str], any_book: bool) -> Reading:
    """Read a file, unless its digest is ``known``: that of its bytes alone, or of these and its name where it
    takes the name to read it."""
    try:
        content = read_bytes(path)
        digest, named = digests(content, path, any_book=any_book)
        if digest in known or named in known:
            return Reading(shown(path), digest)
        name = shown(Path(path.name))
        parsed = sources.read(content, name=name)
    except (Unreadable, OSError) as error:
        reason = str(error.strerror) if isinstance(error, OSError) else str(error)
        return Reading(shown(path), reason=reason)
    digest = named if parsed.named else digest
    return Reading(shown(path), digest, name, content, parsed, any_book=any_book)


def digests(content: bytes, path: Path, *, any_book: bool) -> tuple[str, str]:
    """Those by which a file may be known: of its bytes, and of its bytes and its name."""
    salt = ANY_BOOK if any_book else b""
    name = os.fsencode(path.name)
    return sha256(content + salt).hexdigest(), sha256(content + name + salt).hexdigest()


class Load:
    """A load that is being written, within the transaction of ``connection``."""

    def __init__(self, connection: Connection, reference: Reference, report: LoadReport) -> None:
        self.connection = connection
        self.reference = reference
        self.report = report
        self.identities = loading.read_identities(connection, reference.listings)
        self.generation = generation(connection) + 1
        self.number = loads.begin(connection)
        self.last_day = last_day(datetime.now(UTC))
        self.fund_days: set[tuple[str, date]] = set()
        self.histories: set[int] = set()
        self.lines: Counter[Spelling] = Counter()

    def take(self, found: Reading) -> None:
        """Insert what is new in a file that was read."""
        if found.reason is not None:
            self.report.rejected += 1
            self.report.rejects.append((found.path, None, found.reason))
            self.report.unread.append((found.path, found.reason))
            return
        if found.parsed is None or loading.is_known(self.connection, found.digest):
            self.report.unchanged += 1
            return
        try:
            parsed = self.judged(found.content, found.parsed, found.any_book)
        except Unreadable as error:
            self.take(Reading(found.path, reason=str(error)))
            return
        self.report.read += 1
        file_id = loading.add_file(
            self.connection, found.path, found.digest, found.parsed.kind, self.generation, self.number
        )
        contents.keep(self.connection, file_id, found.name, found.content, found.any_book)
        self.add(file_id, found.path, parsed)

    def judged(self, content: bytes, parsed: ParsedFile, any_book: bool) -> ParsedFile:
        """What of a file counts. Raises Unreadable where nothing does."""
        if parsed.kind is FileKind.HOLDINGS and not any_book:
            return self._whole_books(content, parsed)
        return parsed

    def add(self, file_id: int, path: str, parsed: ParsedFile) -> None:
        """Insert what is in a file that has its row."""
        parsed = until_day(parsed, self.last_day)
        self.report.rejects += [(path, reject.line, reject.reason) for reject in parsed.rejects]
        loading.add_rejects(self.connection, file_id, parsed)
        add = {
            FileKind.HOLDINGS: self._add_holdings,
            FileKind.NOTICES: self._add_notices,
            FileKind.NOTES: self._add_notes,
        }[parsed.kind]
        self.report.rows[parsed.kind] += len(parsed.records)
        self.report.added[parsed.kind] += add(parsed.records, file_id)

    def _whole_books(self, content: bytes, parsed: ParsedFile) -> ParsedFile:
        """The file without the books that lack lines. Raises Unreadable where it has no others: it is not
        loaded then, and may be later with ``any_book``."""
        books: dict[tuple[str, date], list[Holding]] = {}
        for line in parsed.records:
            if isinstance(line, Holding):
                books.setdefault((line.fund, line.day), []).append(line)
        if not books:
            raise Unreadable("it has no line of holdings")
        broken = whole_books.breaks_off(content, parsed)
        parts = {}
        for place, ((fund, day), lines) in enumerate(books.items(), 1):
            reason = f"it breaks off in line {broken}" if broken and place == len(books) else None
            if reason is None:
                neighbour = loading.neighbour(self.connection, fund, day, NEIGHBOUR)
                near = neighbour and (neighbour[0], whole_books.weights(neighbour[1]))
                last = content if place == len(books) else None
                ends = partial(self._ends, last, fund, neighbour and neighbour[0])
                reason = whole_books.lacks(lines, near, ends)
            if reason is not None:
                parts[fund, day] = f"{fund} {day} is not a whole book: {reason}; --any-book loads it"
        if parts and len(parts) == len(books):
            raise Unreadable("; ".join(parts.values()))
        return whole_books.without(parsed, parts) if parts else parsed

    def _ends(self, content: bytes | None, fund: str, neighbour: date | None) -> bool:
        """Whether a file, None for a book inside one, ends as that of the ``neighbour``."""
        if content is None or neighbour is None:
            return True
        other = contents.of_book(self.connection, fund, neighbour)
        return other is None or whole_books.ends_as(content, other)

    def finish(self, outcome: LoadOutcome | None = None) -> None:
        """Make anew what follows from the rows that changed, move the generation, and record the load, with
        the ``outcome`` that the report has unless another is given."""
        tables_before = read_state(self.connection, "reference")
        tables_changed = tables_before not in (None, self.reference.digest)
        if tables_before != self.reference.digest:
            write_state(self.connection, "reference", self.reference.digest)
            if tables_changed:
                self._apply_new_tables()
        rules = _key(RULES, self.reference.splits)
        if read_state(self.connection, "ark_rules") != rules:
            write_state(self.connection, "ark_rules", rules)
            self.fund_days |= deriving.redate_books(self.connection, book_through)
        self._settle()
        changed = bool(self.fund_days or self.histories or tables_changed or outcome)
        if self.fund_days:
            self._add_sessions({day for _, day in self.fund_days})
        while self.fund_days:
            fund_days, self.fund_days = self.fund_days, set()
            found = derive_trades(self.connection, fund_days, self.reference.splits)
            for newer, older in found.items():
                self.identities.rename(newer, older)
            # Where names turned out to be one security, its days are made anew under one name.
            self._settle()
        self._report_lines()
        rating_changes(self.connection, self.histories, self.generation)
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
        """Write down the trading days between the first and the last ARK day, of this load and earlier ones.

        A question counts them; it would wait long for the calendar itself."""
        first, last = min(days), max(days)
        known = loading.session_span(self.connection)
        spans = [(first, last)] if known is None else [(first, known[0]), (known[1], last)]
        for start, end in spans:
            loading.add_sessions(self.connection, ark_sessions(start, end + timedelta(days=1)))

    def _security_id(self, line: Holding | Notice) -> int:
        spelling = Spelling(line.ticker, line.identifier, line.name)
        security_id = self.identities.take(spelling, line.day)
        self.lines[spelling] += 1
        return security_id

    def _settle(self) -> None:
        """See which securities are one, by all that is loaded, and have their lines follow."""
        moves = self.identities.settle()
        self.fund_days.update(loading.moved_days(self.connection, moves))
        loading.save_identities(self.connection, self.identities, moves)

    def _report_lines(self) -> None:
        """What is to be said of the securities of this load's lines."""
        listings = self.reference.listings
        identifiers = reads.securities.identifiers(self.connection)
        for spelling, lines in self.lines.items():
            security_id = self.identities.spellings[spelling].security
            uncoded = self.identities.labels[security_id][0] is None
            if uncoded and not any(map(listings.knows, identifiers[security_id])):
                said = f"{spelling.ticker or '(no ticker)'} {spelling.identifier} {spelling.name}"
                self.report.unmapped[said] += lines
        self.report.contradictions = [
            row
            for row in reads.securities.contradictions(self.connection)[0]
            if Spelling(row["ticker"], row["identifier"], row["name"]) in self.lines
        ]

    def _add_holdings(self, records: Sequence[Any], file_id: int) -> int:
        snapshots: dict[tuple[str, Any], list[loading.Row]] = {}
        for line in records:
            cash = is_cash(line.ticker, line.identifier, line.name)
            snapshots.setdefault((line.fund, line.day), []).append(
                _row(line, file_id) | {"security_id": None if cash else self._security_id(line)}
            )
        loading.save_securities(self.connection, self.identities)
        added = 0
        for (fund, day), rows in snapshots.items():
            content = ([row[name] for name in SNAPSHOT_COLUMNS] for row in rows)
            digest = _key(*sorted(map(str, content)))
            through = book_through(day)
            if loading.replace_snapshot(self.connection, fund, day, through, digest, file_id, rows):
                self.fund_days.add((fund, through))
                added += len(rows)
        return added

    def _add_notices(self, records: Sequence[Any], file_id: int) -> int:
        rows = [
            _row(line, file_id) | {"security_id": self._security_id(line), "key": _key(*key)}
            for key, line in notice_keys(records)
        ]
        loading.save_securities(self.connection, self.identities)
        added = loading.add_notices(self.connection, rows)
        if added:
            self.fund_days.update((line.fund, line.day) for line in records)
        return added

    def _add_notes(self, records: Sequence[Any], file_id: int) -> int:
        added, histories = loading.add_notes(
            self.connection, (self._note_row(line, file_id) for line in records)
        )
        self.histories |= histories
        return added

    def _note_row(self, line: Note, file_id: int) -> loading.Row:
        market, code = line.security.market.value, line.security.code
        institution = self.reference.institutions.identity(line.firm)
        # What makes two lines of one history the same note, whatever file they stand in.
        words = (line.word.casefold(), line.prior_word.casefold())
        content = (line.day, line.time, *words, line.target, line.prior_target, line.starts)
        return {
            "of_market": market,
            "of_code": code,
            "of_institution": institution,
            "key": _key(market, code, normalise(line.firm), *content),
            "day": line.day,
            "time": line.time,
            "name": line.name,
            "firm": line.firm,
            "word": line.word,
            "grade": self._grade(line.word),
            "target": line.target,
            "prior_word": line.prior_word,
            "prior_grade": self.reference.grades.grade(line.prior_word),
            "prior_target": line.prior_target,
            "starts": line.starts,
            "disagrees": False,
            "file_id": file_id,
            "line": line.line,
        }

    def _grade(self, word: str) -> int | None:
        grade = self.reference.grades.grade(word)
        if grade is None and word:
            self.report.unknown_grades[word] += 1
        return grade

    def _apply_new_tables(self) -> None:
        """The shipped tables or the user's have changed: map what is loaded anew."""
        grade, identity = self.reference.grades.grade, self.reference.institutions.identity
        notes = []
        for note in loading.all_notes(self.connection):
            wanted = (note["market"], note["code"], identity(note["firm"]))
            new = (wanted, grade(note["word"]), grade(note["prior_word"]))
            old = ((*wanted[:2], note["institution"]), note["grade"], note["prior_grade"])
            if new != old:
                notes.append((note, new))
        histories = loading.history_ids(self.connection, (new[0] for _, new in notes))
        loading.regrade_notes(
            self.connection,
            [
                {
                    "note_id": note["id"],
                    "new_grade": new_grade,
                    "new_prior_grade": new_prior_grade,
                    "new_history_id": histories[key],
                }
                for note, (key, new_grade, new_prior_grade) in notes
            ],
        )
        for note, (key, _, _) in notes:
            self.histories.update((note["history_id"], histories[key]))


def last_day(now: datetime) -> date:
    """The last day that a line of a file may have: a later one is a mistake, and would be the latest day of
    every answer. Raises QotGateError where the clock is wrong."""
    if now.date() < ARK_START:
        raise QotGateError(
            f"The clock of this machine says {now:%Y-%m-%d}; set it, as days are held against it."
        )
    return ark_sessions(now.date() + timedelta(days=1), now.date() + LONGEST_BREAK)[MAX_SESSIONS_AHEAD - 1]


def until_day(parsed: ParsedFile, last: date) -> ParsedFile:
    """A file's records until ``last``; those after it are among the rejects."""
    late = [record for record in parsed.records if record.day > last]
    if not late:
        return parsed
    reason = f"more than {MAX_SESSIONS_AHEAD} trading days ahead"
    rejects = [Reject(record.line, f"its day, {record.day}, is {reason}") for record in late]
    kept: Any = tuple(record for record in parsed.records if record.day <= last)
    return replace(parsed, records=kept, rejects=(*parsed.rejects, *rejects))


def shown(path: Path) -> str:
    """A path as text, whatever bytes its name has: what a terminal or a page would not show, or would obey,
    is written as ``\\x1b`` or ``\\u202e``."""
    text = os.fsencode(path).decode("utf-8", "replace")
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or category(one) == "Zs" else one.encode("unicode_escape").decode()
        for one in text
    )


def notice_keys(lines: Iterable[Notice]) -> Iterator[tuple[NoticeKey, Notice]]:
    """The lines of one file, each with what makes it the same trade as a line of another file: its content,
    and which of several such lines in its file it is."""
    seen: Counter[tuple[str, date, str, int]] = Counter()
    for line in lines:
        content = (line.fund, line.day, line.identifier or line.ticker, line.shares)
        seen[content] += 1
        yield (*content, seen[content]), line


def read_bytes(path: Path) -> bytes:
    """The bytes of a file. Raises Unreadable for one that is too large or no regular one, and OSError."""
    with open(path, "rb", opener=_open_regular) as file:
        # It may grow.
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise Unreadable(f"it is larger than {MAX_FILE_BYTES >> 20} MiB; load it in parts")
    return content


def _open_regular(path: str, flags: int) -> int:
    # To open a pipe would wait for a writer; what is open cannot be put in another's place.
    file = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise Unreadable(
            "it is no regular file but a pipe, a device or a folder; load takes files and folders"
        )
    return file


def _row(line: Holding | Notice, file_id: int) -> loading.Row:
    return {name: getattr(line, name) for name in type(line).__slots__} | {"file_id": file_id}


def _key(*parts: object) -> str:
    """A short name for the content of a row, the same in every process."""
    return sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:32]
