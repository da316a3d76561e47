"""The ARK funds' trades in memory: trades by security, splits, covered days and the codes of securities.

Columns are immutable. :meth:`TradeColumns.extended` makes the columns of the next generation from them and
from the rows since the first changed day; unchanged securities are shared.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from functools import partial
from itertools import groupby
from operator import itemgetter
from sys import intern
from typing import Any, NamedTuple, Self

from sqlalchemy import Connection

from qotgate.ark.dynamics import Split
from qotgate.model import UntoldDays
from qotgate.service.columns.sizes import Budget
from qotgate.service.columns.source import NotAtHand, SeenSplit, added_up
from qotgate.store.reads import columns as reads

TRADE_BYTES = 60
"""Memory of a trade: three references and a number, with room to grow, and its part of the sum of its day."""
SECURITY_BYTES = 600
"""Memory of a security's four columns, without their contents."""
SMALL_BYTES = 300
"""Approximate memory of a split, an untold day or a code."""
MAX_AT_ONCE = 4000
"""Trades in one answer, about a millisecond of work; for more, the database sums them in a thread."""
MAX_REMEMBERED = 1024
"""Cached results: untold days of windows, spans of funds, and securities' sums."""

UntoldRow = tuple[str, date, date, str]
Funds = tuple[str, ...]


class Trades(NamedTuple):
    """The trades of one security by day, then fund, as in :func:`qotgate.store.reads.ark.trades`."""

    days: list[date]
    funds: list[str]
    shares: "array[int]"
    through: list[date]

    def before(self, day: date) -> "Trades":
        """A copy of the trades before ``day``."""
        end = bisect_left(self.days, day)
        return Trades(self.days[:end], self.funds[:end], self.shares[:end], self.through[:end])

    def add(self, rows: Iterable[Any]) -> None:
        for _, day, fund, shares, through in rows:
            self.days.append(day)
            self.funds.append(intern(fund))
            self.shares.append(shares)
            self.through.append(through)


class Sums(NamedTuple):
    """The signed shares that some funds traded of one security, by day, oldest first, without days whose sum
    is 0. Each of the ``unsure`` spans, from a trade to the day before it is known, has other sums."""

    days: list[date]
    totals: list[int]
    unsure: list[tuple[date, date]]

    @classmethod
    def of(cls, trades: Trades, funds: Collection[str]) -> "Sums":
        whole: dict[date, int] = {}
        unsure = set()
        for day, fund, shares, through in zip(*trades, strict=True):
            if fund in funds:
                whole[day] = whole.get(day, 0) + shares
                if through != day:
                    unsure.add((day, through))
        found = {day: total for day, total in whole.items() if total}
        return cls([*found], [*found.values()], sorted(unsure))


@dataclass(frozen=True)
class FundDays:
    """The covered days of a fund: the first and the last known day, and the untold ones."""

    first: date | None
    last: date | None
    untold: tuple[UntoldRow, ...]


@dataclass(frozen=True)
class TradeColumns:
    """Implements :class:`~qotgate.service.columns.source.TradeSource`, with the same answers as the
    database."""

    generation: int
    size: int
    """Approximate memory in bytes."""
    codes: Mapping[str, int]
    """The security that has, or had, each code."""
    _trades: Mapping[int, Trades]
    _splits: Mapping[int, tuple[SeenSplit, ...]]
    _days: Mapping[str, FundDays]
    _untold: dict[tuple[Funds, date, date], tuple[UntoldDays, ...]]
    _spans: dict[Funds, tuple[date | None, date | None]]
    _sums: dict[tuple[int, Funds], Sums]

    @classmethod
    def read(cls, connection: Connection, generation: int, most: int) -> Self:
        """Read all columns. Raises TooLarge if they take more than ``most`` bytes."""
        return cls._made(connection, generation, date.min, most, {}, {}, {})

    def extended(self, connection: Connection, generation: int, since: date, most: int) -> Self:
        """The columns of a later generation, whose rows are equal before the day ``since``. Raises
        TooLarge."""
        trades = {
            security: found if found.days[-1] < since else found.before(since)
            for security, found in self._trades.items()
            if found.days[0] < since
        }
        splits = {
            security: kept
            for security, found in self._splits.items()
            if (kept := tuple(one for one in found if one.day < since))
        }
        return self._made(connection, generation, since, most, trades, splits, self._days)

    def renumbered(self, generation: int) -> Self:
        """The same columns for a generation without changes to them."""
        return replace(self, generation=generation)

    @classmethod
    def _made(
        cls,
        connection: Connection,
        generation: int,
        since: date,
        most: int,
        trades: dict[int, Trades],
        splits: dict[int, tuple[SeenSplit, ...]],
        known: Mapping[str, FundDays],
    ) -> Self:
        """``trades``, ``splits`` and ``known`` days are those before ``since``; this method may change the
        first two."""
        budget = Budget(most)
        for found in trades.values():
            budget.add(SECURITY_BYTES + TRADE_BYTES * len(found.days))
        same: dict[date, date] = {}
        one = partial(_one, same)
        funds = reads.funds(connection)
        for security, rows in groupby(reads.trades(connection, funds, since), itemgetter(0)):
            before = trades.get(security)
            # Parts shared with other columns stay unchanged.
            made = Trades([], [], array("q"), []) if before is None else before.before(date.max)
            made.add((row[0], one(row[1]), row[2], row[3], one(row[4])) for row in rows)
            budget.add(TRADE_BYTES * (len(made.days) - (len(before.days) if before else 0)))
            budget.add(0 if before else SECURITY_BYTES)
            trades[security] = made
        for security, rows in groupby(reads.splits(connection, funds, since), itemgetter(0)):
            new = tuple(
                SeenSplit(security, day, fund, through, Split(day, Fraction(top, bottom)))
                for _, day, fund, through, top, bottom in rows
            )
            splits[security] = splits.get(security, ()) + new
        days = {fund: _fund_days(connection, fund, since, known.get(fund)) for fund in funds}
        codes = reads.codes(connection)
        small = len(codes) + sum(map(len, splits.values())) + sum(len(one.untold) for one in days.values())
        budget.add(SMALL_BYTES * small)
        return cls(generation, budget.size, codes, trades, splits, days, {}, {}, {})

    def span(self, funds: Funds) -> tuple[date | None, date | None]:
        found = self._spans.get(funds)
        if found is None:
            known = [self._days[fund] for fund in funds if fund in self._days]
            first = min((one.first for one in known if one.first), default=None)
            found = first, max((one.last for one in known if one.last), default=None)
            if len(self._spans) >= MAX_REMEMBERED:
                self._spans.clear()
            self._spans[funds] = found
        return found

    def security_id(self, code: str) -> int | None:
        return self.codes.get(code)

    def transactions(self, security: int, funds: Funds, since: date, as_of: date) -> list[tuple[date, int]]:
        found = self._trades.get(security)
        if found is None:
            return []
        if security in self._splits or len(found.days) > MAX_AT_ONCE:
            return added_up(self, security, funds, since, as_of)
        days, totals, unsure = self._added_up(security, funds, found)
        for day, through in unsure:
            if day <= as_of < through:
                return added_up(self, security, funds, since, as_of)
        end = bisect_right(days, as_of)
        start = min(bisect_left(days, since), max(end - 1, 0))
        return list(zip(days[start:end], totals[start:end], strict=True))

    def _added_up(self, security: int, funds: Funds, trades: Trades) -> Sums:
        key = security, funds
        found = self._sums.get(key)
        if found is None:
            found = Sums.of(trades, funds)
            if len(self._sums) >= MAX_REMEMBERED:
                self._sums.clear()
            self._sums[key] = found
        return found

    def splits(self, security: int, funds: Collection[str], as_of: date) -> dict[str, list[Split]]:
        seen: dict[str, list[Split]] = {}
        for one in self._splits.get(security, ()):
            if one.through <= as_of and one.fund in funds:
                seen.setdefault(one.fund, []).append(one.split)
        return seen

    def trades(
        self, security: int, funds: Collection[str], since: date, until: date, as_of: date
    ) -> list[tuple[str, date, int]]:
        found = self._trades.get(security)
        if found is None:
            return []
        days, of_funds, shares, through = found
        places = range(bisect_left(days, since), bisect_right(days, until))
        if len(places) > MAX_AT_ONCE:
            raise NotAtHand
        return [
            (of_funds[place], days[place], shares[place])
            for place in places
            if through[place] <= as_of and of_funds[place] in funds
        ]

    def last_trade_day(self, security: int, funds: Collection[str], before: date, as_of: date) -> date | None:
        found = self._trades.get(security)
        if found is None:
            return None
        for place in range(bisect_left(found.days, before) - 1, -1, -1):
            if found.through[place] <= as_of and found.funds[place] in funds:
                return found.days[place]
        return None

    def untold_days(self, funds: Funds, since: date, as_of: date) -> tuple[UntoldDays, ...]:
        key = funds, since, as_of
        found = self._untold.get(key)
        if found is None:
            rows = (row for fund in funds if fund in self._days for row in self._days[fund].untold)
            within = sorted(
                (row for row in rows if row[1] <= as_of and row[2] >= since), key=itemgetter(1, 0)
            )
            found = tuple(UntoldDays(fund, first, min(last, as_of), why) for fund, first, last, why in within)
            if len(self._untold) >= MAX_REMEMBERED:
                self._untold.clear()
            self._untold[key] = found
        return found


def _one(same: dict[date, date], day: date) -> date:
    """The shared object for a day: thousands of rows have the same day."""
    return same.setdefault(day, day)


def _fund_days(connection: Connection, fund: str, since: date, known: FundDays | None) -> FundDays:
    first, last = reads.span(connection, fund)
    old = () if known is None else tuple(row for row in known.untold if row[1] < since)
    return FundDays(first, last, old + tuple(reads.untold(connection, fund, since)))
