"""Writing many rows at once, the way each engine is quickest at: PostgreSQL by COPY, SQLite by one prepared
statement. Rows are dictionaries by column name, all with the same columns."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, Select, Table, select, true

from qotgate.store.dialects import dialect_of
from qotgate.store.tables import Row

CHUNK = 500
"""Rows or keys of one statement; SQLite takes 32,766 variables."""


def chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert ``rows`` in their order."""
    if rows:
        dialect_of(connection).write_rows(connection, table, rows)


@contextmanager
def staged(connection: Connection, columns: Iterable[Column[Any]], rows: Sequence[Row]) -> Iterator[Table]:
    """``rows`` in a table of this transaction's own, with their ``place`` in the order."""
    table = Table(
        "staged",
        MetaData(),
        Column("place", Integer, primary_key=True, autoincrement=False),
        *(Column(column.name, column.type) for column in columns),
        prefixes=["TEMPORARY"],
    )
    table.create(connection)
    insert_rows(connection, table, [{"place": place, **row} for place, row in enumerate(rows)])
    yield table
    table.drop(connection)


def insert_new(connection: Connection, table: Table, key: str, rows: Sequence[Row]) -> None:
    """Insert, in their order, those of ``rows`` whose ``key`` is not there yet."""
    if not rows:
        return
    dialect = dialect_of(connection)
    if len(rows) < dialect.stages_from:
        connection.execute(dialect.insert(table).on_conflict_do_nothing(index_elements=[key]), list(rows))
        return
    names = list(rows[0])
    with staged(connection, (table.c[name] for name in names), rows) as found:
        chosen = select(*(found.c[name] for name in names)).order_by(found.c.place)
        insert_chosen(connection, table, names, chosen, [key])


def insert_chosen(
    connection: Connection, table: Table, names: Sequence[str], chosen: Select[Any], key: Sequence[str]
) -> None:
    """Insert what a query finds, in its order, leaving out rows whose ``key`` is there already."""
    # Without a WHERE, SQLite takes ON for that of a join.
    statement = dialect_of(connection).insert(table).from_select(names, chosen.where(true()))
    connection.execute(statement.on_conflict_do_nothing(index_elements=key))
