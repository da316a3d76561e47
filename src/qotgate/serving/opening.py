"""Opens the database that the settings name, and the questions to it."""

from collections.abc import Iterator
from contextlib import contextmanager

from qotgate.model import ACTIVE_FUNDS, Refused
from qotgate.service.questions import Questions
from qotgate.service.reference import load_reference
from qotgate.serving.settings import Settings
from qotgate.store import Store, books
from qotgate.store.sqlite import file_of


@contextmanager
def open_store(settings: Settings, *, makes: bool = True) -> Iterator[Store]:
    """The database; created if missing, unless the caller only reads. Raises QotGateError."""
    store = Store.unopened(settings.db)
    try:
        if not makes:
            _check_there(store)
        store.migrate()
        yield store
    finally:
        store.close()


@contextmanager
def open_questions(settings: Settings, *, loaded: bool = False, makes: bool = True) -> Iterator[Questions]:
    """The questions to the database. With ``loaded``, raises QotGateError for a fund without loaded data."""
    reference = load_reference(settings.tables)
    with open_store(settings, makes=makes) as store:
        if loaded and settings.funds != ACTIVE_FUNDS:
            with store.reading() as connection:
                known = books.loaded_funds(connection)
            unknown = [fund for fund in settings.funds if fund not in known]
            if known and unknown:
                raise Refused("funds_unloaded", unknown=", ".join(unknown), known=", ".join(sorted(known)))
        yield Questions(
            store,
            reference,
            lang=settings.lang,
            funds=settings.named_funds,
            window_days=settings.window_days,
        )


def _check_there(store: Store) -> None:
    """Raises QotGateError for a missing file: to create it would hide a misspelt name."""
    file = file_of(store.engine.url)
    if file is not None and not file.exists():
        raise Refused("no_database", path=str(file))
