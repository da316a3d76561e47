"""What is asked about the files behind the data: which are loaded, what was left out of them, what their
lines say, and what the shipped tables do not know.

Each call reads within the transaction it is given.
"""

from typing import Any

from sqlalchemy import Connection, Select, Table, exists, func, select

from qotgate.store import tables
from qotgate.store.deriving import HOLE, NOTICE
from qotgate.store.queries import Row

LINE_COLUMNS = {
    "holdings": ("day", "fund", "ticker", "identifier", "name", "shares", "market_value", "weight"),
    "notices": ("day", "fund", "ticker", "identifier", "name", "shares", "weight"),
    "notes": ("day", "time", "name", "firm", "word", "target", "prior_word", "prior_target"),
}
"""What is shown of a line, by the kind of its file."""
LINES_OF = {"holdings": tables.holding, "notices": tables.notice, "notes": tables.note}


def _rows(connection: Connection, query: Select[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(query).mappings()]


def files(connection: Connection, before: int | None, count: int, kind: str | None) -> list[Row]:
    """Up to ``count`` loaded files, the latest first, with the lines left out of each; ``before`` is the id
    of the last one of the page before."""
    file, reject = tables.file, tables.reject
    left_out = select(func.count()).where(reject.c.file_id == file.c.id).correlate(file).scalar_subquery()
    query = select(file, left_out.label("left_out")).order_by(file.c.id.desc()).limit(count)
    if before is not None:
        query = query.where(file.c.id < before)
    if kind is not None:
        query = query.where(file.c.kind == kind)
    return _rows(connection, query)


def last_load(connection: Connection) -> tuple[str | None, int]:
    """When a file was last loaded (UTC, ISO 8601), and how many lines were left out in all."""
    loaded = connection.scalar(select(func.max(tables.file.c.loaded_at)))
    return loaded, connection.scalar(select(func.count()).select_from(tables.reject)) or 0


def rejects(connection: Connection, before: int | None, count: int) -> list[Row]:
    """Up to ``count`` lines that were left out, the latest first; ``before`` as in :func:`files`."""
    reject, file = tables.reject, tables.file
    query = (
        select(reject.c.id, reject.c.file_id, file.c.path, reject.c.line, reject.c.reason)
        .join(file)
        .order_by(reject.c.id.desc())
        .limit(count)
    )
    return _rows(connection, query if before is None else query.where(reject.c.id < before))


def file(connection: Connection, file_id: int) -> Row | None:
    row = connection.execute(select(tables.file).where(tables.file.c.id == file_id)).mappings().first()
    return None if row is None else dict(row)


def lines(connection: Connection, file_id: int, kind: str, start: int, count: int) -> list[Row]:
    """Up to ``count`` lines of a file as they were read, from ``start`` on. A line that an earlier file had
    already said is not kept a second time."""
    table: Table = LINES_OF[kind]
    columns = [table.c.line, *(table.c[name] for name in LINE_COLUMNS[kind])]
    query = select(*columns).where(table.c.file_id == file_id, table.c.line >= start)
    if kind == "notes":
        history = tables.history
        query = query.add_columns(history.c.market, history.c.code).join(history)
    else:
        query = query.add_columns(tables.security.c.code).outerjoin(tables.security)
    return _rows(connection, query.order_by(table.c.line).limit(count))


def rejects_of(connection: Connection, file_id: int, count: int) -> list[Row]:
    """Up to ``count`` lines that were left out of a file."""
    reject = tables.reject
    query = select(reject.c.line, reject.c.reason).where(reject.c.file_id == file_id)
    return _rows(connection, query.order_by(reject.c.line.nulls_first()).limit(count))


def unknown_grades(connection: Connection, count: int) -> list[Row]:
    """Grade words that the table does not know, the most used first, with one note that has each."""
    note, file = tables.note, tables.file
    words = (
        select(note.c.word, func.count().label("notes"), func.max(note.c.id).label("note_id"))
        .where(note.c.grade.is_(None), note.c.word != "")
        .group_by(note.c.word)
        .subquery()
    )
    query = (
        select(words.c.word, words.c.notes, note.c.file_id, note.c.line, file.c.path)
        .join(note, note.c.id == words.c.note_id)
        .join(file)
        .order_by(words.c.notes.desc(), words.c.word)
        .limit(count)
    )
    return _rows(connection, query)


def contradictions(
    connection: Connection, before: int | None = None, count: int | None = None
) -> tuple[list[Row], int | None]:
    """Lines whose identifier is not believed: how they are spelled, how many they are, the first of them by
    day (``path``, ``file_id``, ``line``) and, as ``against``, a line that the identifier is believed of, None
    where it is the tables that give it to another company.

    Of up to ``count`` spellings, the latest first, and the ``before`` of the next ones, None at the end.
    """
    spelling = tables.spelling
    wanted = select(spelling).where(~spelling.c.believed).order_by(spelling.c.id.desc())
    if before is not None:
        wanted = wanted.where(spelling.c.id < before)
    disbelieved = _rows(connection, wanted if count is None else wanted.limit(count + 1))
    more = None
    if count is not None and len(disbelieved) > count:
        del disbelieved[count:]
        more = disbelieved[-1]["id"]
    identifiers = {row["identifier"] for row in disbelieved}
    query = select(spelling).where(spelling.c.believed, spelling.c.identifier.in_(identifiers))
    owners = {
        row["identifier"]: row for row in _rows(connection, query.order_by(spelling.c.first_day.desc()))
    }
    found = []
    for row in disbelieved:
        line = _first_line(connection, row)
        if line is not None:
            owner = owners.get(row["identifier"])
            found.append(line | {"against": owner and _first_line(connection, owner)})
    return sorted(found, key=lambda line: (line["path"], line["line"])), more


def count_contradictions(connection: Connection) -> int:
    """How many spellings of lines have an identifier that is not believed."""
    return connection.scalar(select(func.count()).where(~tables.spelling.c.believed)) or 0


def _first_line(connection: Connection, spelled: Row) -> Row | None:
    """The first line by day of those that are spelled so, and how many they are."""
    found = []
    for table in (tables.holding, tables.notice):
        query = (
            select(
                *(
                    table.c.ticker,
                    table.c.identifier,
                    table.c.name,
                    table.c.day,
                    table.c.file_id,
                    table.c.line,
                ),
                *(tables.file.c.path, func.count().over().label("lines")),
            )
            .join(tables.file)
            .where(
                table.c.security_id == spelled["security_id"],
                *(table.c[name] == spelled[name] for name in ("ticker", "identifier", "name")),
            )
            .order_by(table.c.day, table.c.file_id, table.c.line)
            .limit(1)
        )
        found += _rows(connection, query)
    if not found:
        return None
    return min(found, key=lambda row: row["day"]) | {"lines": sum(row["lines"] for row in found)}


def identifiers(connection: Connection) -> dict[int, set[str]]:
    """The identifiers of each security that has no code."""
    spelling, security = tables.spelling, tables.security
    query = (
        select(spelling.c.security_id, spelling.c.identifier).join(security).where(security.c.code.is_(None))
    )
    found: dict[int, set[str]] = {}
    for security_id, identifier in connection.execute(query):
        found.setdefault(security_id, set()).add(identifier)
    return found


def uncoded(connection: Connection) -> list[Row]:
    """Lines of holdings and notices whose security has no code: ticker, identifier, name, how many and the
    last day of them, with the place of one."""
    found: dict[tuple[str, str], Row] = {}
    for table in (tables.holding, tables.notice):
        lines = (
            select(
                table.c.ticker,
                table.c.identifier,
                func.max(table.c.security_id).label("security_id"),
                func.count().label("lines"),
                func.max(table.c.day).label("last_day"),
                func.max(table.c.id).label("last_id"),
            )
            .join(tables.security)
            .where(tables.security.c.code.is_(None))
            .group_by(table.c.ticker, table.c.identifier)
            .subquery()
        )
        query = (
            select(lines, table.c.name, table.c.file_id, table.c.line, tables.file.c.path)
            .join(table, table.c.id == lines.c.last_id)
            .join(tables.file, tables.file.c.id == table.c.file_id)
        )
        for row in _rows(connection, query):
            key = row["ticker"], row["identifier"]
            if key in found:
                found[key]["lines"] += row["lines"]
            else:
                found[key] = row
    names = ("name", "ticker", "identifier")
    return sorted(found.values(), key=lambda row: (-row["lines"], *(row[name] for name in names)))


def holes(connection: Connection) -> list[Row]:
    """The ``first_day`` and ``last_day`` of each hole in a ``fund``'s files, and its ``sessions``: the
    trading days of it that no notice tells of either. By fund, the oldest first."""
    hole, session = tables.ark_day, tables.session
    told = tables.ark_day.alias()
    noticed = exists().where(told.c.fund == hole.c.fund, told.c.day == session.c.day, told.c.source == NOTICE)
    query = (
        select(
            hole.c.fund,
            hole.c.day.label("first_day"),
            hole.c.through.label("last_day"),
            func.count().label("sessions"),
        )
        .join(session, session.c.day.between(hole.c.day, hole.c.through))
        .where(hole.c.source == HOLE, ~noticed)
        .group_by(hole.c.fund, hole.c.day, hole.c.through)
        .order_by(hole.c.fund, hole.c.day)
    )
    return _rows(connection, query)
