"""The database that the settings name, and questions to it."""

from collections.abc import Iterator
from contextlib import contextmanager

from qotgate.model import ACTIVE_FUNDS, QotGateError
from qotgate.service.questions import Questions
from qotgate.service.reference import load_reference
from qotgate.serving.settings import Settings
from qotgate.store import Store, books


@contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    store = Store.open(settings.db)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def open_questions(settings: Settings, *, loaded: bool = False) -> Iterator[Questions]:
    """Questions to the database; with ``loaded``, QotGateError for a fund of which nothing is loaded."""
    reference = load_reference(settings.tables)
    with open_store(settings) as store:
        if loaded and settings.funds != ACTIVE_FUNDS:
            with store.reading() as connection:
                known = books.loaded_funds(connection)
            unknown = [fund for fund in settings.funds if fund not in known]
            if known and unknown:
                raise QotGateError(
                    f"--funds names {', '.join(unknown)}, of which nothing is loaded; "
                    f"loaded are {', '.join(sorted(known))}."
                )
        yield Questions(
            store,
            reference,
            lang=settings.lang,
            funds=settings.named_funds,
            window_days=settings.window_days,
        )
