"""Writing a load into the database. Every call works inside the one writing transaction of the load."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from qotgate.ark.codes import Listings
from qotgate.ark.identity import Identities, Known, Move, Spelling
from qotgate.model import FileKind, ParsedFile, Security
from qotgate.store import changes, tables
from qotgate.store.bulk import chunks as chunks
from qotgate.store.bulk import insert_chosen, insert_new, insert_rows, staged
from qotgate.store.deriving import FundDay
from qotgate.store.dialects import dialect_of
from qotgate.store.tables import FOREVER
from qotgate.store.tables import Row as Row

NOTES_AT_ONCE = 20_000


def is_known(connection: Connection, digest: str) -> bool:
    """Whether a file of these bytes was loaded."""
    return connection.scalar(select(tables.file.c.id).where(tables.file.c.digest == digest)) is not None


def digests(connection: Connection) -> set[str]:
    """Those of all files that were loaded."""
    return set(connection.scalars(select(tables.file.c.digest)))


def add_file(
    connection: Connection, path: str, digest: str, kind: FileKind, generation: int, load_id: int
) -> int:
    """Record a file of a load; its id."""
    inserted = connection.execute(
        insert(tables.file).values(
            digest=digest,
            path=path,
            kind=kind,
            generation=generation,
            loaded_at=datetime.now(UTC).isoformat(timespec="seconds"),
            records=0,
            load_id=load_id,
        )
    )
    assert inserted.inserted_primary_key is not None
    file_id: int = inserted.inserted_primary_key[0]
    return file_id


def add_rejects(connection: Connection, file_id: int, parsed: ParsedFile) -> None:
    """Record how many records a file has, and the lines that were left out."""
    file = tables.file
    connection.execute(update(file).where(file.c.id == file_id).values(records=len(parsed.records)))
    if parsed.rejects:
        rejects = [
            {"file_id": file_id, "line": reject.line, "reason": reject.reason} for reject in parsed.rejects
        ]
        insert_rows(connection, tables.reject, rejects)


def read_identities(connection: Connection, listings: Listings) -> Identities:
    """The securities of all loaded lines, with the codes that ``listings`` give them now."""
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
    """Write the securities that are new or go by another label; lines can be of them then."""
    labels = [
        (security_id, *identities.labels[security_id])
        for security_id in sorted(identities.relabelled - identities.dropped)
    ]
    rows = [{"id": id_, "code": str(code) if code else None, "name": name} for id_, code, name in labels]
    _upsert(connection, tables.security, "id", rows)
    identities.relabelled.clear()


def save_identities(connection: Connection, identities: Identities, moves: Sequence[Move]) -> None:
    """Write what ``identities`` learned; the lines that change hands do so."""
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
    """The funds and days of lines that are about to change hands; of holdings the last trading day that they
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


def replace_snapshot(
    connection: Connection,
    fund: str,
    day: date,
    through: date,
    digest: str,
    file_id: int,
    rows: Sequence[Row],
) -> bool:
    """Put ``rows`` in place of what is known of a fund's day; False where that is the same already.

    ``through`` is the last trading day that the book of ``day`` shows."""
    snapshot, holding = tables.snapshot, tables.holding
    here = and_(snapshot.c.fund == fund, snapshot.c.day == day)
    known = connection.scalar(select(snapshot.c.digest).where(here))
    if known == digest:
        return False
    changes.touch(connection, "ark", through)
    if known is not None:
        connection.execute(delete(holding).where(holding.c.fund == fund, holding.c.day == day))
        connection.execute(delete(snapshot).where(here))
    values = {"fund": fund, "day": day, "through": through, "file_id": file_id, "digest": digest}
    connection.execute(insert(snapshot).values(values))
    insert_rows(connection, holding, rows)
    return True


def neighbour(
    connection: Connection, fund: str, day: date, within: timedelta
) -> tuple[date, list[tuple[str, str, str, float | None]]] | None:
    """The lines (ticker, identifier, name, weight) of a fund's last book before ``day``, else of the first
    one after it, not further than ``within``; None where there is none."""
    snapshot, holding = tables.snapshot, tables.holding
    for query in (
        select(func.max(snapshot.c.day)).where(snapshot.c.day.between(day - within, day - timedelta(days=1))),
        select(func.min(snapshot.c.day)).where(snapshot.c.day.between(day + timedelta(days=1), day + within)),
    ):
        found = connection.scalar(query.where(snapshot.c.fund == fund))
        if found is not None:
            columns = (holding.c.ticker, holding.c.identifier, holding.c.name, holding.c.weight)
            here = and_(holding.c.fund == fund, holding.c.day == found)
            return found, [tuple(row) for row in connection.execute(select(*columns).where(here))]
    return None


def session_span(connection: Connection) -> tuple[date, date] | None:
    """The first and the last trading day that is written down, None where none is."""
    day = tables.session.c.day
    first, last = connection.execute(select(func.min(day), func.max(day))).one()
    return None if first is None else (first, last)


def add_sessions(connection: Connection, days: Sequence[date]) -> None:
    if days:
        statement = (
            dialect_of(connection).insert(tables.session).on_conflict_do_nothing(index_elements=["day"])
        )
        connection.execute(statement, [{"day": day} for day in days])


def add_notices(connection: Connection, rows: Sequence[Row]) -> int:
    """Insert the notices whose ``key`` is not there yet; how many they were."""
    before = _last_id(connection, tables.notice)
    insert_new(connection, tables.notice, "key", rows)
    return _newer(connection, tables.notice, before)


def add_notes(connection: Connection, rows: Iterator[Row]) -> tuple[int, set[int]]:
    """Insert the notes whose ``key`` is not there yet; how many they were, and the histories they are in.

    Each row names its history by ``of_market``, ``of_code`` and ``of_institution``.
    """
    note, history = tables.note, tables.history
    before = _last_id(connection, note)
    names = ("market", "code", "institution")
    columns = [column for column in note.c if column.name not in ("id", "history_id")]
    of_history = [Column(f"of_{name}", history.c[name].type) for name in names]
    while chunk := list(islice(rows, NOTES_AT_ONCE)):
        with staged(connection, [*of_history, *columns], chunk) as found:
            of = {name: found.c[f"of_{name}"] for name in names}
            here = and_(*(history.c[name] == column for name, column in of.items()))
            met = select(*of.values()).group_by(*of.values()).order_by(*of.values())
            insert_chosen(connection, history, names, met, names)
            chosen = (
                select(history.c.id, *(found.c[column.name] for column in columns))
                .join(history, here)
                .order_by(found.c.place)
            )
            insert_chosen(
                connection, note, ("history_id", *(column.name for column in columns)), chosen, ["key"]
            )
    touched = connection.scalars(select(note.c.history_id).where(note.c.id > before).distinct())
    return _newer(connection, note, before), set(touched)


def _last_id(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.max(table.c.id))) or 0


def _newer(connection: Connection, table: Table, before: int) -> int:
    query = select(func.count()).select_from(table).where(table.c.id > before)
    return connection.scalar(query) or 0


def history_ids(
    connection: Connection, keys: Iterable[tuple[str, str, str]]
) -> dict[tuple[str, str, str], int]:
    """The ids of the histories (market, code, institution), made where they are new."""
    history = tables.history
    columns = (history.c.market, history.c.code, history.c.institution)
    known = {(row[0], row[1], row[2]): row[3] for row in connection.execute(select(*columns, history.c.id))}
    new = [key for key in dict.fromkeys(keys) if key not in known]
    if new:
        connection.execute(
            insert(history), [{"market": key[0], "code": key[1], "institution": key[2]} for key in new]
        )
        return history_ids(connection, [])
    return known


def notes_of(connection: Connection, histories: Sequence[int]) -> Iterator[Any]:
    """The notes of ``histories`` with the market of each, by history, then day."""
    note, history = tables.note, tables.history
    query = (
        select(
            *(note.c.id, note.c.history_id, history.c.market, note.c.day, note.c.time, note.c.grade),
            *(note.c.target, note.c.prior_grade, note.c.prior_target, note.c.starts),
        )
        .join(history, history.c.id == note.c.history_id)
        .where(note.c.history_id.in_(histories))
        .order_by(note.c.history_id, note.c.day, note.c.id)
    )
    return iter(connection.execute(query))


def standing_changes(connection: Connection, histories: Sequence[int]) -> Iterator[Row]:
    """The rating changes of ``histories`` that hold now."""
    change = tables.rating_change
    query = select(change).where(change.c.history_id.in_(histories), change.c.until == FOREVER)
    return (dict(row) for row in connection.execute(query).mappings())


def mark_disagreements(connection: Connection, histories: Sequence[int], note_ids: Sequence[int]) -> None:
    """Of the notes of ``histories``, mark those in ``note_ids`` as disagreeing, and no others."""
    note = tables.note
    connection.execute(
        update(note).where(note.c.history_id.in_(histories), note.c.disagrees).values(disagrees=False)
    )
    if note_ids:
        connection.execute(
            update(note).where(note.c.id == bindparam("note_id")).values(disagrees=True),
            [{"note_id": note_id} for note_id in note_ids],
        )


def end_changes(connection: Connection, ids: Sequence[int], generation: int) -> None:
    change = tables.rating_change
    if ids:
        connection.execute(
            update(change).where(change.c.id == bindparam("ended")).values(until=generation),
            [{"ended": change_id} for change_id in ids],
        )


def add_changes(connection: Connection, rows: Sequence[Row], generation: int) -> None:
    if rows:
        changes.touch(connection, "ratings", min(row["day"] for row in rows))
    insert_rows(
        connection, tables.rating_change, [{**row, "since": generation, "until": FOREVER} for row in rows]
    )


def all_notes(connection: Connection) -> Iterator[Row]:
    """Every note with its history's market, code and institution."""
    history = tables.history
    query = select(tables.note, history.c.market, history.c.code, history.c.institution).join(history)
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
