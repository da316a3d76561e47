"""The context of all questions: the database, the tables, the language of names, and the summed funds.

The questions are plain calls with the context as first argument, in :mod:`qotgate.service.ark` and
:mod:`qotgate.service.ratings`.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from datetime import date
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection

from qotgate.ark.dynamics import WINDOW_DAYS
from qotgate.model import ACTIVE_FUNDS, ETFS, InvalidRequest, Language
from qotgate.service.columns.source import DatabaseRatings, DatabaseTrades, NotAtHand
from qotgate.service.cursor import Cursors
from qotgate.service.reference import Reference
from qotgate.store import Store, books
from qotgate.store.database import secret

if TYPE_CHECKING:
    # Only a gateway has columns in memory; a command starts faster without them.
    from qotgate.protocol.interface import ListQuestion
    from qotgate.service.columns.cache import C, ColumnCache

SHOWN = 80
MAX_REMEMBERED = 256
"""Values of a generation that are cached."""

T = TypeVar("T")


class Questions:
    """The context of questions to one database; safe to use from any number of threads.

    ``funds`` are the ARK funds whose trades are summed, ``window_days`` the calendar days in the window of a
    dynamic, ``lang`` the language of names. ``columns`` are the data in memory, None for the database alone;
    with ``at_hand_only`` only they answer, and NotAtHand is raised if they cannot.
    """

    def __init__(
        self,
        store: Store,
        reference: Reference,
        *,
        lang: Language = "zh",
        funds: Collection[str] | None = None,
        window_days: int = WINDOW_DAYS,
        columns: "ColumnCache | None" = None,
        at_hand_only: bool = False,
    ) -> None:
        self._store = store
        self.reference = reference
        self.lang: Language = lang
        self.funds = tuple(sorted(set(funds or ACTIVE_FUNDS)))
        self.held_funds = tuple(sorted(set(funds or ETFS)))
        self._named_funds = funds
        self.window_days = window_days
        self.columns = columns
        self.at_hand_only = at_hand_only
        self._at_hand: Questions | None = None
        self._remembered: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()

    @property
    def store(self) -> Store:
        """The database. Raises NotAtHand if only memory may answer."""
        if self.at_hand_only:
            raise NotAtHand
        return self._store

    def varied(self, *, lang: Language | None = None, funds: Collection[str] | None = None) -> "Questions":
        """The same context with names in another language, or over other funds."""
        return Questions(
            self._store,
            self.reference,
            lang=lang or self.lang,
            funds=funds or self._named_funds,
            window_days=self.window_days,
            columns=self.columns,
            at_hand_only=self.at_hand_only,
        )

    def at_hand(self) -> "Questions | None":
        """The same context, answering from memory alone: it raises NotAtHand if a question needs the database
        or more than about a millisecond. None if nothing is in memory. The caller has to check for commits
        first, and to tell the columns of them."""
        if self._at_hand is None and self.columns is not None:
            self._at_hand = Questions(
                self._store,
                self.reference,
                lang=self.lang,
                funds=self._named_funds,
                window_days=self.window_days,
                columns=self.columns,
                at_hand_only=True,
            )
        return self._at_hand

    def answer(
        self, kind: "type[C]", of_columns: "Callable[[C], T]", of_database: Callable[[Connection], T]
    ) -> T:
        """The result of ``of_columns`` from the ``kind`` of columns in memory, or else of ``of_database``
        from the database. Raises NotAtHand, StoreError, and the errors of both."""
        columns = None if self.columns is None else self.columns.get(kind, looks=not self.at_hand_only)
        if columns is not None:
            # contextlib.suppress would take a microsecond.
            try:
                return of_columns(columns)
            except NotAtHand:
                pass
        with self.store.reading() as connection:
            return of_database(connection)

    def trades_in(self, connection: Connection) -> DatabaseTrades:
        """The funds' trades in the database."""
        return DatabaseTrades(connection, self.remembered)

    def ratings_in(self, connection: Connection) -> DatabaseRatings:
        """The rating changes in the database."""
        return DatabaseRatings(connection, self.remembered)

    def cursors(self, connection: Connection) -> Cursors:
        """Signs and reads the cursors of the data seen by ``connection``; a restore makes earlier cursors
        invalid."""
        return Cursors(secret(connection))

    def remembered(self, key: Hashable, read: Callable[[], T]) -> T:
        """The result of ``read``, cached for each ``key``, which includes the generation; the
        ``MAX_REMEMBERED`` most recently used keys are kept."""
        with self._lock:
            if key in self._remembered:
                self._remembered.move_to_end(key)
                known: T = self._remembered[key]
                return known
        found = read()
        with self._lock:
            self._remembered[key] = found
            while len(self._remembered) > MAX_REMEMBERED:
                self._remembered.popitem(last=False)
        return found


def check_count(question: "ListQuestion[Any]", count: int) -> None:
    """Raises InvalidRequest for a number of rows that a page of ``question`` cannot have."""
    if not 1 <= count <= question.most:
        raise InvalidRequest("count", parameter="count", most=question.most, value=count)


def day_of_answer(asked: date | None, first: date | None, latest: date) -> date:
    """The day of an answer: ``latest``, unless the request asks for an earlier day.

    Raises InvalidRequest for a day before the ``first`` known one.
    """
    if asked is None:
        return latest
    if first is not None and asked < first:
        raise InvalidRequest("as_of_before", first=first, value=asked)
    return min(asked, latest)


def of_fund(questions: Questions, fund: str | None) -> Questions:
    """The questions over one fund, in any case; as they are if it is None or empty. Raises InvalidRequest for
    a fund without loaded data."""
    return of_funds(questions, (fund.upper(),), "fund") if fund else questions


def of_funds(questions: Questions, funds: Collection[str], parameter: str = "funds") -> Questions:
    """The questions over some funds. Raises InvalidRequest for a fund without loaded data, naming
    ``parameter``."""
    with questions.store.reading() as connection:
        loaded = books.loaded_funds(connection)
    unknown = [fund for fund in funds if fund not in loaded]
    if unknown and loaded:
        known = ", ".join(sorted(loaded))
        raise InvalidRequest("funds", parameter=parameter, known=known, value=", ".join(unknown)[:SHOWN])
    return questions.varied(funds=funds)
