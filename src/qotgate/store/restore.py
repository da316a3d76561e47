"""Replaces a database's data by a backup, in one transaction, while gateways serve.

A reader sees the data before or after, and nothing in between. The new generation is greater than both, so
that no process confuses them. The cursors get a new key, so old pages are refused.
"""

import secrets
from pathlib import Path

from qotgate.model import StoreError
from qotgate.store import changes, tables
from qotgate.store.backup import Manifest, contents, copy_tables, is_file_of, opened
from qotgate.store.database import Store, generation, move_generation, write_state
from qotgate.store.dialect import Progress
from qotgate.store.dialects import dialect_of

TABLES = tables.METADATA.sorted_tables


def restore(
    store: Store, path: Path, *, replace: bool = False, progress: Progress | None = None
) -> tuple[Manifest, int]:
    """Restore the backup ``path`` into the database; with ``replace``, over existing data. Returns the
    manifest, and the new generation.

    Raises StoreError, and then has changed nothing.
    """
    if is_file_of(store, path):
        raise StoreError(f"{path} is the database itself; name a backup.")

    def tell(what: str, done: int, total: int) -> None:
        if progress is not None:
            progress(what, done, total)

    dialect = dialect_of(store.engine)
    with opened(path, progress) as (source, manifest), store.writing() as target:
        before = generation(target)
        if before and not replace:
            raise StoreError(
                f"The database {store.name} has data (generation {before}), which a restore takes the place "
                "of: back it up, then allow that with --replace."
            )
        dialect.before_restore(target, TABLES)
        changes.touch_all(target)
        # Tables with references first.
        for table in reversed(TABLES):
            target.execute(table.delete())
        copy_tables(source, target, "Restoring", tell)
        if contents(target, "Checking", tell) != contents(source, "Checking", tell):
            raise StoreError(f"{path} did not arrive in {store.name} as it is; nothing was changed.")
        number = max(before, manifest.generation) + 1
        write_state(target, "secret", secrets.token_urlsafe(32))
        move_generation(target, number)
        dialect.restored(target, TABLES)
    dialect.after_restore(store.engine, TABLES)
    return manifest, number
