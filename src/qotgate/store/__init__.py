"""The database: tables, migrations, loading, reads. No parsing and no wire here."""

from qotgate.store.database import Store

__all__ = ["Store"]
