"""The sessions of the exchanges, computed in a separate process.

The package exchange_calendars imports pandas. A gateway would keep 94 MiB of both for as long as it runs, so
another process computes the sessions of all exchanges at once, and ends.
"""

import pickle  # nosec B403
import subprocess  # nosec B404
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

MAX_SECONDS = 60.0
"""Time limit of the process, which takes about one."""
_START = "from qotgate.service.exchanges import compute; compute({!r})"
_computing = Lock()


class Session(NamedTuple):
    """When a session opens and closes and, if it has a break, when that starts and ends, in minutes since
    1970 (UTC)."""

    opens: int
    closes: int
    break_starts: int | None
    break_ends: int | None


class Sessions(NamedTuple):
    """The sessions of an exchange, oldest first: the ordinals of their days, and their times in minutes since
    1970 (UTC); 0 for a session without a break. ``early`` are the ordinals of days that close early."""

    zone: str
    days: "array[int]"
    opens: "array[int]"
    closes: "array[int]"
    break_starts: "array[int]"
    break_ends: "array[int]"
    early: frozenset[int]

    @property
    def last(self) -> date:
        return date.fromordinal(self.days[-1])

    def knows(self, day: date) -> bool:
        """Whether ``day`` is within the calendar."""
        return self.days[0] <= day.toordinal() <= self.days[-1]

    def of(self, day: date) -> Session | None:
        """The session of ``day``; None if the exchange is closed on it."""
        place = bisect_left(self.days, day.toordinal())
        if self.days[place : place + 1] != array("i", [day.toordinal()]):
            return None
        breaks = self.break_starts[place] or None, self.break_ends[place] or None
        return Session(self.opens[place], self.closes[place], *breaks)

    def between(self, start: date, end: date) -> list[date]:
        """The days of the sessions from ``start`` to ``end``."""
        places = bisect_left(self.days, start.toordinal()), bisect_left(self.days, end.toordinal() + 1)
        return list(map(date.fromordinal, self.days[slice(*places)]))


def sessions(exchange: str, exchanges: tuple[str, ...], start: date, year: int) -> Sessions:
    """The sessions of ``exchange``, one of ``exchanges``, from ``start`` to the end of ``year``, or as far as
    they are published. The first call for a year computes all ``exchanges``, in about a second. Raises
    subprocess.SubprocessError; the process has then said why on standard error."""
    with _computing:
        return _sessions(exchanges, start, year)[exchange]


@lru_cache(maxsize=4)
def _sessions(exchanges: tuple[str, ...], start: date, year: int) -> dict[str, Sessions]:
    asked = (exchanges, start.isoformat(), f"{year}-12-31")
    process = subprocess.run(  # noqa: S603  # nosec B603 - no argument is from outside
        [sys.executable, "-P", "-c", _START.format(asked)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
        timeout=MAX_SECONDS,
    )
    found: dict[str, Sessions] = pickle.loads(process.stdout)  # noqa: S301  # nosec B301 - from compute
    return found


def compute(asked: tuple[tuple[str, ...], str, str]) -> None:
    """Write the sessions of some exchanges between two days, by exchange, to standard output."""
    exchanges, start, end = asked
    pickle.dump({name: _read(name, start, end) for name in exchanges}, sys.stdout.buffer)


def _read(exchange: str, start: str, end: str) -> Sessions:
    import exchange_calendars

    try:
        calendar = exchange_calendars.get_calendar(exchange, start=start, end=end)
    except ValueError:
        calendar = exchange_calendars.get_calendar(exchange, start=start)
    return Sessions(
        zone=str(calendar.tz),
        days=array("i", [session.date().toordinal() for session in calendar.sessions]),
        opens=_minutes(calendar.opens),
        closes=_minutes(calendar.closes),
        break_starts=_minutes(calendar.break_starts),
        break_ends=_minutes(calendar.break_ends),
        early=frozenset(moment.date().toordinal() for moment in calendar.early_closes),
    )


def _minutes(moments: Iterable[Any]) -> "array[int]":
    """Minutes since 1970; 0 for no moment, which differs from itself."""
    return array("i", [int(one.timestamp()) // 60 if one == one else 0 for one in moments])
