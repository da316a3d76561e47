"""Putting a backup in the place of a database's data, in one transaction, while gateways serve.

Who reads sees the data before or after, and nothing in between. The number of the state of the data grows
beyond both, so that nobody takes one for the other, and the cursors get a new key: a page of the data before
is refused.
"""

import secrets
from pathlib import Path

from sqlalchemy import Connection

from qotgate.model import StoreError
from qotgate.store import postgresql, tables
from qotgate.store.backup import Manifest, Progress, contents, copy_tables, is_file_of, opened
from qotgate.store.database import Store, generation, move_generation, write_state


def restore(
    store: Store, path: Path, *, replace: bool = False, progress: Progress | None = None
) -> tuple[Manifest, int]:
    """Put the backup ``path`` into the database; ``replace`` data that is there. Gives what was restored, and
    the number that its state has now.

    Raises StoreError, and has changed nothing then.
    """
    if is_file_of(store, path):
        raise StoreError(f"{path} is the database itself; name a backup.")

    def tell(what: str, done: int, total: int) -> None:
        if progress is not None:
            progress(what, done, total)

    with opened(path, progress) as (source, manifest), store.writing() as target:
        before = generation(target)
        if before and not replace:
            raise StoreError(
                f"The database {store.name} has data (generation {before}), which a restore takes the place "
                "of: back it up, then allow that with --replace."
            )
        _empty(target)
        copy_tables(source, target, "Restoring", tell)
        if contents(target, "Checking", tell) != contents(source, "Checking", tell):
            raise StoreError(f"{path} did not arrive in {store.name} as it is; nothing was changed.")
        number = max(before, manifest.generation) + 1
        write_state(target, "secret", secrets.token_urlsafe(32))
        move_generation(target, number)
        _settle(target)
    if store.engine.dialect.name == "postgresql":
        postgresql.drop_reference_indexes(store.engine, tables.METADATA.sorted_tables)
    return manifest, number


def _empty(target: Connection) -> None:
    """Delete all rows, of the tables that name others first."""
    if target.dialect.name == "postgresql":
        postgresql.index_references(target, tables.METADATA.sorted_tables)
    for table in reversed(tables.METADATA.sorted_tables):
        target.execute(table.delete())


def _settle(target: Connection) -> None:
    """Have PostgreSQL number on after the rows that came with their numbers, and look at what it has now."""
    if target.dialect.name != "postgresql":
        return
    for table in tables.METADATA.sorted_tables:
        postgresql.number_on(target, table)
    postgresql.analyze(target, tables.METADATA.sorted_tables)
