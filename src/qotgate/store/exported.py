"""The research tables in one SQLite file, for SQL: written in one transaction, a month at a time; only
changed months are written."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from sqlalchemy import (
    URL,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    NullPool,
    Table,
    Text,
    create_engine,
    delete,
    event,
    insert,
    inspect,
    select,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import TypeEngine

from qotgate.model import QotGateError

MONTHS = "export_month"
"""The table with the digest of each month of a table."""
ID = "export_month_id"
"""The column with the month of a row."""


class SqliteFile:
    """The tables in the file ``path``; use it in a ``with`` block, whose end commits. Raises QotGateError if
    the file is another kind of database, or cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._metadata = MetaData()
        self._months = Table(
            MONTHS,
            self._metadata,
            Column("id", Integer, primary_key=True),
            Column("table_name", Text, nullable=False),
            Column("month", Text, nullable=False),
            Column("digest", Text, nullable=False),
            Index("export_month_of_table", "table_name", "month", unique=True),
        )

    def __enter__(self) -> Self:
        engine = create_engine(URL.create("sqlite", database=str(self._path)), poolclass=NullPool)
        # pysqlite begins a transaction late, after the tables have been created.
        event.listen(engine, "connect", lambda connection, _record: _own_transactions(connection))
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        try:
            self._connection: Connection = engine.connect()
            self._transaction = self._connection.begin()
            there = inspect(self._connection).get_table_names()
            if there and MONTHS not in there:
                raise QotGateError(f"{self._path} is a database of another kind: name a file of its own.")
            self._months.create(self._connection, checkfirst=True)
        except SQLAlchemyError as error:
            raise self.failed(error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        try:
            if kind is None:
                self._transaction.commit()
        except SQLAlchemyError as error:
            raise self.failed(error) from error
        finally:
            self._connection.close()

    def table(
        self, name: str, columns: Mapping[str, TypeEngine[Any]], indexes: Iterable[Sequence[str]]
    ) -> "MonthlyTable":
        """The table with ``columns``; created if missing, and recreated if its columns differ."""
        table = Table(
            name,
            self._metadata,
            *(Column(column, kind) for column, kind in columns.items()),
            Column(ID, ForeignKey(self._months.c.id), nullable=False, index=True),
            *(Index("_".join((name, *index)), *index) for index in indexes),
        )
        inspector = inspect(self._connection)
        if inspector.has_table(name):
            if [column["name"] for column in inspector.get_columns(name)] == [*table.c.keys()]:
                return MonthlyTable(self._connection, self._months, table)
            table.drop(self._connection)
            self._connection.execute(delete(self._months).where(self._months.c.table_name == name))
        table.create(self._connection)
        return MonthlyTable(self._connection, self._months, table)

    def failed(self, error: SQLAlchemyError) -> QotGateError:
        reason = getattr(error, "orig", None) or error
        return QotGateError(f"{self._path} cannot be written: {reason}.")


class MonthlyTable:
    """A table whose rows are written by the month. Raises SQLAlchemyError."""

    def __init__(self, connection: Connection, months: Table, table: Table) -> None:
        self._connection, self._months, self._table = connection, months, table

    def digests(self) -> dict[str, str]:
        """The digest of each stored month."""
        months = self._months.c
        query = select(months.month, months.digest).where(months.table_name == self._table.name)
        return {row[0]: row[1] for row in self._connection.execute(query)}

    def replace(self, month: str, rows: Iterable[Mapping[str, Any]], digest: str) -> None:
        """Replace the rows of a month."""
        self.remove(month)
        values = {"table_name": self._table.name, "month": month, "digest": digest}
        (number,) = self._connection.execute(insert(self._months).values(values)).inserted_primary_key or (0,)
        listed = [{**row, ID: number} for row in rows]
        if listed:
            self._connection.execute(insert(self._table), listed)

    def remove(self, month: str) -> None:
        """Remove the rows of a month."""
        months = self._months.c
        wanted = (months.table_name == self._table.name) & (months.month == month)
        number = select(months.id).where(wanted).scalar_subquery()
        self._connection.execute(delete(self._table).where(self._table.c[ID] == number))
        self._connection.execute(delete(self._months).where(wanted))


def _own_transactions(connection: Any) -> None:
    connection.isolation_level = None
