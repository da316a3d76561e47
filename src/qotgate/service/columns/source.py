"""What the questions about ARK's trades read, whether the database answers it or columns in memory."""

from collections.abc import Callable, Collection, Hashable
from datetime import date
from typing import Any, Protocol

from sqlalchemy import Connection

from qotgate.ark.dynamics import Split
from qotgate.store import reads
from qotgate.store.database import generation


class TradeSource(Protocol):
    """One state of the data. The functions of the same names in :mod:`qotgate.store.reads.ark` say what is
    given; ``span`` are the first and the last known day of any of ``funds``."""

    def span(self, funds: Collection[str]) -> tuple[date | None, date | None]: ...

    def security_id(self, code: str) -> int | None: ...

    def splits(self, security: int, funds: Collection[str], as_of: date) -> dict[str, list[Split]]: ...

    def trades(
        self, security: int, funds: Collection[str], since: date, until: date, as_of: date
    ) -> list[tuple[str, date, int]]: ...

    def last_trade_day(
        self, security: int, funds: Collection[str], before: date, as_of: date
    ) -> date | None: ...

    def untold_days(
        self, funds: tuple[str, ...], since: date, until: date
    ) -> list[tuple[str, date, date, str]]: ...


class DatabaseTrades:
    """The database as a :class:`TradeSource`, within a transaction. ``remembered`` gives what was read for
    a key that names the generation, or has it read."""

    def __init__(
        self, connection: Connection, remembered: Callable[[Hashable, Callable[[], Any]], Any]
    ) -> None:
        self.connection = connection
        self._remembered = remembered

    def span(self, funds: Collection[str]) -> tuple[date | None, date | None]:
        found: tuple[date | None, date | None] = self._remembered(
            ("ark days", generation(self.connection), *funds),
            lambda: (
                reads.ark.first_ark_day(self.connection, funds),
                reads.ark.latest_ark_day(self.connection, funds),
            ),
        )
        return found

    def security_id(self, code: str) -> int | None:
        return reads.securities.security_id(self.connection, code)

    def splits(self, security: int, funds: Collection[str], as_of: date) -> dict[str, list[Split]]:
        return reads.ark.splits(self.connection, security, funds, as_of)

    def trades(
        self, security: int, funds: Collection[str], since: date, until: date, as_of: date
    ) -> list[tuple[str, date, int]]:
        return reads.ark.trades(self.connection, security, funds, since, until, as_of)

    def last_trade_day(self, security: int, funds: Collection[str], before: date, as_of: date) -> date | None:
        return reads.ark.last_trade_day(self.connection, security, funds, before, as_of)

    def untold_days(
        self, funds: tuple[str, ...], since: date, until: date
    ) -> list[tuple[str, date, date, str]]:
        return reads.ark.untold_days(self.connection, funds, since, until)
