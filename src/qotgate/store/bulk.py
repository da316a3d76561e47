"""Writes many rows at once, in each engine's fastest way: PostgreSQL by COPY, SQLite by one prepared
statement, without compiling or looking up anything for each row."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, Select, Table, select, true

from qotgate.store.dialect import Columns
from qotgate.store.dialects import dialect_of
from qotgate.store.tables import Row

CHUNK = 500
"""Rows or keys in one statement; SQLite accepts 32,766 variables."""


def chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert ``rows``, which have the same columns, in order."""
    if rows:
        insert_columns(connection, table, {name: [row[name] for row in rows] for name in rows[0]})


def insert_columns(connection: Connection, table: Table, columns: Columns) -> None:
    """Insert rows in order."""
    if _length(columns):
        dialect_of(connection).write(connection, table, columns)


@contextmanager
def staged(connection: Connection, like: Iterable[Column[Any]], columns: Columns) -> Iterator[Table]:
    """Rows in a temporary table of this transaction, with columns like ``like``, and ``place`` for their
    position."""
    table = Table(
        "staged",
        MetaData(),
        Column("place", Integer, primary_key=True, autoincrement=False),
        *(Column(column.name, column.type) for column in like),
        prefixes=["TEMPORARY"],
    )
    table.create(connection)
    insert_columns(connection, table, {"place": range(_length(columns)), **columns})
    yield table
    table.drop(connection)


def insert_new(connection: Connection, table: Table, key: str, columns: Columns) -> None:
    """Insert, in order, the rows whose ``key`` is new."""
    dialect, count = dialect_of(connection), _length(columns)
    if count < dialect.stages_from:
        if count:
            dialect.write(connection, table, columns, [key])
        return
    with staged(connection, (table.c[name] for name in columns), columns) as found:
        chosen = select(*(found.c[name] for name in columns)).order_by(found.c.place)
        insert_chosen(connection, table, list(columns), chosen, [key])


def _length(columns: Columns) -> int:
    return len(next(iter(columns.values()), ()))


def insert_chosen(
    connection: Connection, table: Table, names: Sequence[str], chosen: Select[Any], key: Sequence[str]
) -> None:
    """Insert the result of a query, in order, except rows whose ``key`` exists."""
    # Without a WHERE, SQLite would parse ON as the ON of a join.
    statement = dialect_of(connection).insert(table).from_select(names, chosen.where(true()))
    connection.execute(statement.on_conflict_do_nothing(index_elements=key))
