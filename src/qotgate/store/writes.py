"""Writes a load to the database. Every call works inside the single writing transaction of the load."""

from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from datetime import date
from itertools import compress
from operator import itemgetter
from typing import Any

import numpy as np
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    func,
    select,
    update,
)

from qotgate.ark.codes import Listings
from qotgate.ark.identity import Identities, Known, Move, Spelling
from qotgate.model import Reject, Security
from qotgate.ratings.columns import CONTENT, contents
from qotgate.store import changes, tables
from qotgate.store.bulk import CHUNK, chunks, insert_columns, insert_new, insert_rows
from qotgate.store.deriving import FundDay
from qotgate.store.dialect import Columns
from qotgate.store.dialects import dialect_of
from qotgate.store.tables import FOREVER
from qotgate.store.tables import Row as Row

Array = np.ndarray[Any, Any]
ROWS_AT_ONCE = 20_000
"""Rows whose new histories are numbered in order."""
RUN = 10_000
"""Histories that follow one another and are judged at once."""


def digests(connection: Connection) -> set[str]:
    """The digests of all loaded files."""
    return set(connection.scalars(select(tables.file.c.digest)))


def add_rejects(connection: Connection, file_id: int, rejects: Sequence[Reject]) -> None:
    """Record the rejected lines of a file."""
    rows = [{"file_id": file_id, "line": reject.line, "reason": reject.reason} for reject in rejects]
    insert_rows(connection, tables.reject, rows)


def read_identities(connection: Connection, listings: Listings) -> Identities:
    """The securities of all loaded lines, with their current codes by ``listings``."""
    rows = connection.execute(select(tables.spelling)).all()
    return Identities(
        listings,
        {
            Spelling(row.ticker, row.identifier, row.name): Known(
                number=row.id,
                code=Security.parse(row.code) if row.code else None,
                first=row.first_day,
                last=row.last_day,
                security=row.security_id,
                believed=row.believed,
                older=row.older,
            )
            for row in rows
        },
        {
            row.id: (Security.parse(row.code) if row.code else None, row.name)
            for row in connection.execute(select(tables.security))
        },
    )


def save_securities(connection: Connection, identities: Identities) -> None:
    """Write new and relabelled securities, so that lines can refer to them."""
    labels = [
        (security_id, *identities.labels[security_id])
        for security_id in sorted(identities.relabelled - identities.dropped)
    ]
    rows = [{"id": id_, "code": str(code) if code else None, "name": name} for id_, code, name in labels]
    _upsert(connection, tables.security, "id", rows)
    identities.relabelled.clear()


def save_identities(connection: Connection, identities: Identities, moves: Sequence[Move]) -> None:
    """Write the changes of ``identities``, and move the lines that change hands."""
    save_securities(connection, identities)
    for table in (tables.holding, tables.notice) if moves else ():
        connection.execute(
            update(table)
            .where(
                table.c.security_id == bindparam("dropped"),
                table.c.ticker == bindparam("of_ticker"),
                table.c.identifier == bindparam("of_identifier"),
                table.c.name == bindparam("of_name"),
            )
            .values(security_id=bindparam("kept")),
            [
                {"dropped": move.dropped, "kept": move.kept}
                | {f"of_{name}": text for name, text in move.spelling._asdict().items()}
                for move in moves
            ],
        )
    rows = [
        {
            "id": known.number,
            **spelling._asdict(),
            "code": str(known.code) if known.code else None,
            "security_id": known.security,
            "first_day": known.first,
            "last_day": known.last,
            "believed": known.believed,
            "older": known.older,
        }
        for spelling in identities.changed
        for known in (identities.spellings[spelling],)
    ]
    _upsert(connection, tables.spelling, "id", rows)
    identities.changed.clear()
    for table in (tables.trade, tables.split) if identities.dropped else ():
        connection.execute(delete(table).where(table.c.security_id.in_(identities.dropped)))
    if identities.dropped:
        connection.execute(delete(tables.security).where(tables.security.c.id.in_(identities.dropped)))
    identities.dropped.clear()


def moved_days(connection: Connection, moves: Sequence[Move]) -> Iterator[FundDay]:
    """The funds and days of lines about to change hands; for holdings, the last trading day that they
    show."""
    snapshot, holding, notice = tables.snapshot, tables.holding, tables.notice
    shown = select(snapshot.c.fund, snapshot.c.through).join(
        holding, and_(snapshot.c.fund == holding.c.fund, snapshot.c.day == holding.c.day)
    )
    for move in moves:
        for query, lines in ((shown, holding), (select(notice.c.fund, notice.c.day), notice)):
            of = (lines.c[name] == text for name, text in move.spelling._asdict().items())
            moved = query.where(lines.c.security_id == move.dropped, *of).distinct()
            for fund, day in connection.execute(moved):
                changes.touch(connection, "ark", day)
                yield fund, day


def _upsert(connection: Connection, table: Table, key: str, rows: Sequence[Row]) -> None:
    if rows:
        statement = dialect_of(connection).insert(table)
        columns = {name: statement.excluded[name] for name in rows[0] if name != key}
        connection.execute(statement.on_conflict_do_update(index_elements=[key], set_=columns), list(rows))


def session_span(connection: Connection) -> tuple[date, date] | None:
    """The first and the last stored trading day, None if there is none."""
    day = tables.session.c.day
    first, last = connection.execute(select(func.min(day), func.max(day))).one()
    return None if first is None else (first, last)


def add_sessions(connection: Connection, days: Sequence[date]) -> None:
    if days:
        statement = (
            dialect_of(connection).insert(tables.session).on_conflict_do_nothing(index_elements=["day"])
        )
        connection.execute(statement, [{"day": day} for day in days])


def add_notices(connection: Connection, columns: Columns) -> int:
    """Insert the notices whose ``key`` is new. Returns their number."""
    before = _last_id(connection, tables.notice)
    insert_new(connection, tables.notice, "key", columns)
    return _newer(connection, tables.notice, before)


class Histories:
    """The ids of the histories of institutions' notes on securities, by market, code and institution."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # Numbers within this object, and the id of each pair of them.
        self._securities: dict[tuple[str, str], int] = {}
        self._institutions: dict[str, int] = {}
        self._ids: dict[int, int] = {}
        self._codes: set[str] = set()
        self.newest = self._last_before = _last_id(connection, tables.history)
        """The largest id."""

    def of_rows(
        self,
        securities: Sequence[tuple[str, str]],
        institutions: Sequence[str],
        of_security: Array,
        of_institution: Array,
    ) -> Array:
        """The ids of the histories of rows, whose security (a market and a code) and institution are given as
        indexes into sequences in order.

        New ones are created in parts, in order in each, as the first note of a new history is then at the end
        of an index.
        """
        self._read({code for _, code in securities})
        used, first, indexes = np.unique(
            of_security * len(institutions) + of_institution, return_index=True, return_inverse=True
        )
        order = np.lexsort((used, first // ROWS_AT_ONCE))
        security, institution = np.divmod(used[order], len(institutions))
        pairs = _pair(
            _numbered(self._securities, securities)[security],
            _numbered(self._institutions, institutions)[institution],
        ).tolist()
        is_new = [pair not in self._ids for pair in pairs]
        if any(is_new):
            owners = list(map(securities.__getitem__, compress(security.tolist(), is_new)))
            names = list(map(institutions.__getitem__, compress(institution.tolist(), is_new)))
            self._create(list(compress(pairs, is_new)), owners, names)
        ids = np.empty(len(pairs), dtype=np.int64)
        ids[order] = np.fromiter(map(self._ids.__getitem__, pairs), dtype=np.int64, count=len(pairs))
        return ids[indexes]

    def _read(self, codes: Set[str]) -> None:
        """Read the stored histories of some codes."""
        history = tables.history
        columns = (history.c.id, history.c.market, history.c.code, history.c.institution)
        if self._last_before:
            for some in chunks(sorted(codes - self._codes)):
                rows = self._connection.execute(select(*columns).where(history.c.code.in_(some))).all()
                if rows:
                    ids, markets, names, institutions = zip(*rows, strict=True)
                    pairs = _pair(
                        _numbered(self._securities, list(zip(markets, names, strict=True))),
                        _numbered(self._institutions, institutions),
                    )
                    self._ids.update(zip(pairs.tolist(), ids, strict=True))
            self._codes |= codes

    def _create(
        self, pairs: Sequence[int], securities: Sequence[tuple[str, str]], institutions: Sequence[str]
    ) -> None:
        dialect, history = dialect_of(self._connection), tables.history
        ids = dialect.next_ids(self._connection, history, len(pairs))
        columns = {
            "id": ids,
            "market": list(map(itemgetter(0), securities)),
            "code": list(map(itemgetter(1), securities)),
            "institution": institutions,
        }
        with dialect.bulk(self._connection, history, len(pairs)):
            insert_columns(self._connection, history, columns)
        self._ids.update(zip(pairs, ids, strict=True))
        self.newest = ids[-1]

    def are_new(self, ids: Array) -> Array:
        """Which histories this load created."""
        return ids > self._last_before

    def all_are_old(self) -> None:
        """Treat all current histories as old from now on."""
        self._last_before = self.newest


def _numbered(numbers: dict[Any, int], things: Iterable[Any]) -> Array:
    """A number for each thing, the same for equal ones; new ones are added to ``numbers``."""
    return np.array([numbers.setdefault(thing, len(numbers)) for thing in things], dtype=np.int64)


def _pair(first: Array, second: Array) -> Array:
    """One number for each pair of numbers below 2^31."""
    return first << 31 | second


def add_notes(connection: Connection, columns: Columns, newest: int) -> Columns:
    """Insert the notes that neither an earlier row nor the database has. Returns them with their ids.

    The histories with notes in the database have ids up to ``newest``. ``columns`` may have more columns than
    the table.
    """
    note, dialect = tables.note, dialect_of(connection)
    rows = len(columns["day"])
    repeated = _repeated(connection, columns, newest)
    if repeated:
        is_new = [index not in repeated for index in range(rows)]
        columns = {name: list(compress(values, is_new)) for name, values in columns.items()}
    count = rows - len(repeated)
    columns = {"id": dialect.next_ids(connection, note, count) if count else (), **columns}
    with dialect.bulk(connection, note, rows):
        insert_columns(connection, note, {name: columns[name] for name in columns if name in note.c})
    return columns


def _repeated(connection: Connection, columns: Columns, newest: int) -> set[int]:
    """The indexes of the rows with a note of an earlier row, or of the database.

    Few rows have the history and the day of another one; only these are compared.
    """
    histories = np.asarray(columns["history_id"], dtype=np.int64)
    days = np.fromiter(map(date.toordinal, columns["day"]), dtype=np.int64, count=len(histories))
    _, place, counts = np.unique(_pair(histories, days), return_inverse=True, return_counts=True)
    suspects = np.flatnonzero((histories <= newest) | (counts[place] > 1))
    suspects = suspects[np.argsort(histories[suspects], kind="stable")]
    owners, repeated = histories[suspects], set()
    for some in blocks(np.unique(owners).tolist()):
        here = suspects[slice(*np.searchsorted(owners, (some[0], some[-1] + 1)))]
        known: set[tuple[Any, ...]] = set()
        if some[0] <= newest:
            first, last = map(date.fromordinal, (int(days[here].min()), int(days[here].max())))
            stored = notes_of(connection, some, CONTENT, (first, last))
            known.update(contents(stored, range(len(stored["day"]))))
        for index, content in zip(here.tolist(), contents(columns, here.tolist()), strict=True):
            if content in known:
                repeated.add(index)
            known.add(content)
    return repeated


def _last_id(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.max(table.c.id))) or 0


def _newer(connection: Connection, table: Table, before: int) -> int:
    query = select(func.count()).select_from(table).where(table.c.id > before)
    return connection.scalar(query) or 0


def blocks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Split ``ids``, in ascending order, into parts for one statement each; a run of consecutive numbers is
    one part of any length."""
    start = 0
    while start < len(ids):
        some = ids[start : start + RUN]
        if some[-1] - some[0] != len(some) - 1:
            some = some[:CHUNK]
        yield some
        start += len(some)


def _among(column: Column[Any], ids: Sequence[int]) -> ColumnElement[bool]:
    """Whether a column has one of some ids, a part from :func:`blocks`."""
    if ids[-1] - ids[0] == len(ids) - 1:
        return column.between(ids[0], ids[-1])
    return column.in_(ids)


def notes_of(
    connection: Connection,
    histories: Sequence[int],
    names: Sequence[str],
    days: tuple[date, date] | None = None,
) -> dict[str, list[Any]]:
    """The notes of some ``histories``, a part from :func:`blocks`, of all days or between two days: by
    name, some columns of the notes or of their histories."""
    note, history = tables.note, tables.history
    columns = (note.c[name] if name in note.c else history.c[name] for name in names)
    query = select(*columns).join_from(note, history, history.c.id == note.c.history_id)
    query = query.where(_among(note.c.history_id, histories))
    if days is not None:
        query = query.where(note.c.day.between(*days))
    rows = connection.execute(query).all()
    values = map(list, zip(*rows, strict=True)) if rows else ([] for _ in names)
    return dict(zip(names, values, strict=True))


def standing_changes(
    connection: Connection, histories: Sequence[int], names: Sequence[str]
) -> dict[tuple[Any, ...], int]:
    """The ids of the valid rating changes of some ``histories``, a part from :func:`blocks`, by their values
    in some columns."""
    change = tables.rating_change
    query = select(change.c.id, *(change.c[name] for name in names))
    query = query.where(_among(change.c.history_id, histories), change.c.until == FOREVER)
    return {tuple(values): number for number, *values in connection.execute(query)}


def mark_disagreements(connection: Connection, note_ids: Collection[int], *, disagrees: bool) -> None:
    """Mark notes as disagreeing, or remove the mark."""
    note = tables.note
    if note_ids:
        connection.execute(
            update(note).where(note.c.id == bindparam("note_id")).values(disagrees=disagrees),
            [{"note_id": note_id} for note_id in sorted(note_ids)],
        )


def end_changes(connection: Connection, ids: Sequence[int], generation: int) -> None:
    change = tables.rating_change
    if ids:
        connection.execute(
            update(change).where(change.c.id == bindparam("ended")).values(until=generation),
            [{"ended": change_id} for change_id in ids],
        )


def add_changes(connection: Connection, columns: Columns, generation: int) -> None:
    change, count = tables.rating_change, len(columns["day"])
    if count:
        changes.touch(connection, "ratings", min(columns["day"]))
        columns = {**columns, "since": [generation] * count, "until": [FOREVER] * count}
        with dialect_of(connection).bulk(connection, change, count):
            insert_columns(connection, change, columns)


def all_notes(connection: Connection) -> Iterator[Row]:
    """Every note with its history's market, code and institution, in the order of loading."""
    note, history = tables.note, tables.history
    query = select(note, history.c.market, history.c.code, history.c.institution)
    query = query.join(history, history.c.id == note.c.history_id).order_by(note.c.id)
    return (dict(row) for row in connection.execute(query).mappings())


def regrade_notes(connection: Connection, rows: Sequence[Row]) -> None:
    """Change the grades and history of notes: rows of note_id, grade, prior_grade, history_id."""
    note = tables.note
    if rows:
        connection.execute(
            update(note)
            .where(note.c.id == bindparam("note_id"))
            .values(
                grade=bindparam("new_grade"),
                prior_grade=bindparam("new_prior_grade"),
                history_id=bindparam("new_history_id"),
            ),
            list(rows),
        )
