"""The database engines by their SQLAlchemy names."""

from sqlalchemy import Connection, Engine

from qotgate.store.dialect import Dialect
from qotgate.store.postgresql import PostgreSQL
from qotgate.store.sqlite import SQLite

DIALECTS: dict[str, Dialect] = {"sqlite": SQLite(), "postgresql": PostgreSQL()}


def dialect_of(bind: Connection | Engine) -> Dialect:
    """The engine of a connection."""
    return DIALECTS[bind.dialect.name]
