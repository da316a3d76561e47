"""Queries about the securities, and the identifiers and codes of their lines."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Select, Table, func, select

from qotgate.model import Market, Security
from qotgate.store import tables
from qotgate.store.bulk import chunks
from qotgate.store.tables import Row, rows_of

SPELLED = ("security_id", "ticker", "identifier", "name")
"""The columns of a spelling."""


def security_id(connection: Connection, code: str) -> int | None:
    """The security whose lines have, or had, the code."""
    spelling = tables.spelling
    return connection.scalar(select(spelling.c.security_id).where(spelling.c.code == code).limit(1))


def known_codes(connection: Connection) -> dict[str, tuple[str, bool, bool]]:
    """Every known code: its published name, whether ARK's files have it, whether notes do."""
    security, history, note = tables.security, tables.history, tables.note
    ark = connection.execute(select(security.c.code, security.c.name).where(security.c.code.is_not(None)))
    found = {code: (name, True, False) for code, name in ark}
    rated = (
        select(history.c.market, history.c.code, func.min(history.c.id).label("history_id"))
        .group_by(history.c.market, history.c.code)
        .subquery()
    )
    # One note is enough for a name; the index on (history, day) finds it.
    name = (
        select(note.c.name)
        .where(note.c.history_id == rated.c.history_id)
        .order_by(note.c.day.desc())
        .limit(1)
        .scalar_subquery()
    )
    for market, code, noted in connection.execute(select(rated.c.market, rated.c.code, name)):
        key = f"{market}.{code}"
        known, in_ark, _ = found.get(key, ("", False, False))
        found[key] = (known or noted or "", in_ark, True)
    return found


def spellings(connection: Connection) -> list[tuple[str, str, str]]:
    """The code of a security, with each other code and each name of its lines."""
    spelling, security = tables.spelling, tables.security
    query = (
        select(security.c.code, func.coalesce(spelling.c.code, ""), spelling.c.name)
        .join(security, security.c.id == spelling.c.security_id)
        .where(security.c.code.is_not(None))
        .distinct()
    )
    return [(code, other, name) for code, other, name in connection.execute(query)]


def names(connection: Connection, securities: Collection[Security]) -> dict[Security, str]:
    """The published names of those ``securities`` that ARK's files or notes name."""
    security, history, note = tables.security, tables.history, tables.note
    codes = {str(one): one for one in securities}
    found = {}
    of_notes = (
        select(history.c.market, history.c.code, note.c.name)
        .join(note, note.c.history_id == history.c.id)
        .where(history.c.code.in_({one.code for one in securities}), note.c.name != "")
        .order_by(note.c.day, note.c.id)
    )
    for market, code, name in connection.execute(of_notes):
        found[Security(Market(market), code)] = name
    of_ark = select(security.c.code, security.c.name).where(security.c.code.in_(codes), security.c.name != "")
    for code, name in connection.execute(of_ark):
        found[codes[code]] = name
    return found


def contradictions(
    connection: Connection,
    before: int | None = None,
    count: int | None = None,
    of: Collection[int] | None = None,
) -> tuple[list[Row], int | None]:
    """Lines whose identifier is not believed: their spelling, their number, the first of them by day
    (``path``, ``file_id``, ``line``) and, as ``against``, a line whose use of the identifier is believed
    (None if the tables assign it to another company).

    Returns up to ``count`` spellings, latest first, and the ``before`` of the next page (None at the end);
    with ``of``, only spellings with these numbers.
    """
    spelling = tables.spelling
    wanted = select(spelling).where(~spelling.c.believed).order_by(spelling.c.id.desc())
    if of is not None:
        wanted = wanted.where(spelling.c.id.in_(of))
    if before is not None:
        wanted = wanted.where(spelling.c.id < before)
    disbelieved = rows_of(connection, wanted if count is None else wanted.limit(count + 1))
    more = None
    if count is not None and len(disbelieved) > count:
        del disbelieved[count:]
        more = disbelieved[-1]["id"]
    identifiers = {row["identifier"] for row in disbelieved}
    query = select(spelling).where(spelling.c.believed, spelling.c.identifier.in_(identifiers))
    owners = {
        row["identifier"]: row for row in rows_of(connection, query.order_by(spelling.c.first_day.desc()))
    }
    lines = _first_lines(connection, [*disbelieved, *owners.values()])
    found = []
    for row in disbelieved:
        line = lines.get(_spelled(row))
        if line is not None:
            owner = owners.get(row["identifier"])
            found.append(line | {"against": owner and lines.get(_spelled(owner))})
    return sorted(found, key=lambda line: (line["path"], line["line"])), more


def count_contradictions(connection: Connection) -> int:
    """The number of spellings with an identifier that is not believed."""
    return connection.scalar(select(func.count()).where(~tables.spelling.c.believed)) or 0


def _spelled(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in SPELLED)


def _first_lines(connection: Connection, spellings: Sequence[Row]) -> dict[tuple[Any, ...], Row]:
    """By spelling, its first line by day, and the number of its lines."""
    found: dict[tuple[Any, ...], Row] = {}
    for some in chunks(spellings):
        for table in (tables.holding, tables.notice):
            for row in rows_of(connection, _numbered_lines(table, some)):
                known = found.get(_spelled(row))
                lines = row["lines"] + (known["lines"] if known else 0)
                first = known if known and known["day"] <= row["day"] else _line(row)
                found[_spelled(row)] = first | {"lines": lines}
    return found


def _numbered_lines(table: Table, spellings: Sequence[Row]) -> Select[Any]:
    spelled = [table.c[name] for name in SPELLED]
    order = (table.c.day, table.c.file_id, table.c.line)
    numbered = (
        select(
            *spelled,
            *order,
            func.count().over(partition_by=spelled).label("lines"),
            func.row_number().over(partition_by=spelled, order_by=order).label("place"),
        )
        .where(
            table.c.security_id.in_({row["security_id"] for row in spellings}),
            table.c.identifier.in_({row["identifier"] for row in spellings}),
        )
        .subquery()
    )
    return (
        select(numbered, tables.file.c.path)
        .join(tables.file, tables.file.c.id == numbered.c.file_id)
        .where(numbered.c.place == 1)
    )


def _line(row: Row) -> Row:
    names = ("ticker", "identifier", "name", "day", "file_id", "line", "path")
    return {name: row[name] for name in names}


def identifiers(connection: Connection) -> dict[int, set[str]]:
    """The identifiers of each security without a code."""
    spelling, security = tables.spelling, tables.security
    query = (
        select(spelling.c.security_id, spelling.c.identifier).join(security).where(security.c.code.is_(None))
    )
    found: dict[int, set[str]] = {}
    for security_id, identifier in connection.execute(query):
        found.setdefault(security_id, set()).add(identifier)
    return found


def uncoded(connection: Connection) -> list[Row]:
    """Lines of holdings and notices whose security has no code: ticker, identifier, name, their number and
    their last day, with the place of one."""
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
        for row in rows_of(connection, query):
            key = row["ticker"], row["identifier"]
            if key in found:
                found[key]["lines"] += row["lines"]
            else:
                found[key] = row
    names = ("name", "ticker", "identifier")
    return sorted(found.values(), key=lambda row: (-row["lines"], *(row[name] for name in names)))
