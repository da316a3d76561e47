"""The dynamics of many stocks as of many days, each equal to the answer of the single question."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from operator import itemgetter
from typing import Any

from qotgate.ark.dynamics import daily_sums, dynamic, window_start
from qotgate.model import InvalidRequest, Security
from qotgate.protocol.research import ALL, HELD
from qotgate.service.ark.dynamics import ark_day
from qotgate.service.calendar import ARK_START
from qotgate.service.columns.books import FRESH_SESSIONS
from qotgate.service.research.scope import Found, Scope, cut
from qotgate.service.research.trades import untold_text
from qotgate.store import books, reads
from qotgate.store.reads.research import DatedSplit

Traded = tuple[date, str, int, date]
"""Day, fund, signed shares in units of the day, and the day on which it becomes known."""


def dynamics(scope: Scope) -> Found:
    """A part of the table of dynamics."""
    days = _days(scope)
    if not days:
        return Found([])
    asked = _Asked(scope, days)
    chosen = cut([(day, asked.most) for day in days])
    rows = [row for day in days if day <= chosen.end for row in asked.rows(day)] if chosen else []
    return Found(rows, chosen and chosen.following)


def _days(scope: Scope) -> list[date]:
    """The days of this part and of all later parts."""
    values = scope.values
    if values.get("as_of"):
        if values.get("start") or values.get("end"):
            raise InvalidRequest("dynamics_days")
        return [day for day in values["as_of"] if day >= scope.start]
    if values.get("start") is None:
        return [scope.end]
    ark_day(scope.questions, scope.questions.trades_in(scope.connection), values["start"])
    return reads.research.sessions(scope.connection, scope.start, scope.end)


class _Asked:
    """The inputs of a part's rows. ``most`` is the largest number of rows of a day."""

    def __init__(self, scope: Scope, days: Sequence[date]) -> None:
        self.scope = scope
        questions, connection = scope.questions, scope.connection
        self.codes: list[tuple[str, int | None]] = []
        self._members: dict[str, list[tuple[date, frozenset[int]]]] = {}
        self._first_days: dict[int, date] = {}
        wanted = scope.values["codes"]
        ids: list[int] | None = None
        if isinstance(wanted, str):
            self.codes = sorted((code, key) for key, (code, _) in scope.known.items() if code is not None)
            if wanted == HELD:
                self._read_members(days)
            else:
                self._first_days = reads.research.first_days(connection)
        else:
            found = reads.research.ids_of(connection, [str(code) for code in wanted])
            self.codes = [(str(code), found.get(str(code))) for code in wanted]
            ids = sorted(set(found.values()))
        self.most = len(self.codes)
        self.wanted = wanted
        first, last = min(days[0], scope.day), min(days[-1], scope.day)
        self._since = window_start(first, questions.window_days)
        self._trades = self._read(ids, self._since, last)
        self._older: dict[int, list[Traded]] = {}
        self._splits = reads.research.splits(connection, questions.funds, last)
        self._untold = reads.ark.untold_days(connection, questions.funds, self._since, last, last)

    def _read(self, ids: Sequence[int] | None, since: date, until: date) -> dict[int, list[Traded]]:
        found: dict[int, list[Traded]] = {}
        scope = self.scope
        funds = scope.questions.funds
        rows = reads.research.signed_trades(scope.connection, funds, ids, since, until)
        for security, day, fund, shares, through in rows:
            found.setdefault(security, []).append((day, fund, shares, through))
        return found

    def _read_members(self, days: Sequence[date]) -> None:
        """Read the contents of each fund's books from before the first day on."""
        scope = self.scope
        funds = scope.questions.funds
        before = books.sessions(scope.connection, min(days[0], scope.day), FRESH_SESSIONS + 1)
        start = before[-1] if before else ARK_START
        shown = reads.research.books(scope.connection, funds, start, min(days[-1], scope.day))
        held: dict[tuple[str, date], set[int]] = {}
        for row in reads.research.positions(scope.connection, funds, None, {book.day for book in shown}):
            if row.shares:
                held.setdefault((row.fund, row.day), set()).add(row.security)
        for book in shown:
            members = frozenset(held.get((book.fund, book.day), ()))
            self._members.setdefault(book.fund, []).append((book.through, members))

    def _held_on(self, day: date) -> set[int]:
        """The securities in each fund's latest book of the last ``FRESH_SESSIONS`` trading days."""
        sessions = books.sessions(self.scope.connection, day, FRESH_SESSIONS + 1)
        oldest = sessions[-1] if sessions else day
        found: set[int] = set()
        for shown in self._members.values():
            place = bisect_right(shown, day, key=itemgetter(0))
            if place and shown[place - 1][0] >= oldest:
                found |= shown[place - 1][1]
        return found

    def rows(self, asked: date) -> list[tuple[Any, ...]]:
        """The rows as of one day."""
        scope = self.scope
        day = min(asked, scope.day)
        since = window_start(day, scope.questions.window_days)
        untold = untold_text(
            (fund, first, min(last, day), why)
            for fund, first, last, why in self._untold
            if last >= since and first <= day
        )
        chosen = self.codes
        if self.wanted == HELD:
            held = self._held_on(day)
            chosen = [(code, key) for code, key in chosen if key in held]
        elif self.wanted == ALL:
            chosen = [(code, key) for code, key in chosen if self._first_days.get(key or 0, day) <= day]
        found = []
        for code, key in chosen:
            answer = dynamic(self._sums(key, since, day), day, scope.questions.window_days)
            found.append(
                (
                    asked,
                    code,
                    self._name(code, key),
                    answer.dynamic_type.value,
                    answer.transaction_count,
                    answer.net_shares,
                    answer.last_transaction_day,
                    day,
                    untold,
                )
            )
        return found

    def _name(self, code: str, key: int | None) -> str:
        known, name = self.scope.known.get(key, (None, "")) if key is not None else (None, "")
        if known == code:
            return name
        questions = self.scope.questions
        return questions.reference.security_name(Security.parse(code), questions.lang, name)

    def _sums(self, key: int | None, since: date, day: date) -> list[tuple[date, int]]:
        """The transactions in the window, or else the last one before it, as in
        :func:`qotgate.service.ark.dynamics.transaction_days`."""
        if key is None:
            return []
        summed = partial(self._summed, key, day)
        if sums := summed(self._trades.get(key, ()), since, day):
            return sums
        if key not in self._older:
            until = self._since - timedelta(days=1)
            self._older[key] = self._read([key], ARK_START, until).get(key, []) + self._trades.get(key, [])
        older = self._older[key]
        place = bisect_left(older, since, key=itemgetter(0))
        while place:
            last = older[place - 1][0]
            if sums := summed(older, last, last):
                return sums
            place = bisect_left(older, last, key=itemgetter(0))
        return []

    def _summed(
        self, key: int, day: date, trades: Sequence[Traded], first: date, last: date
    ) -> list[tuple[date, int]]:
        start = bisect_left(trades, first, key=itemgetter(0))
        end = bisect_right(trades, last, key=itemgetter(0))
        dated: dict[str, list[DatedSplit]] = self._splits.get(key, {})
        if not dated:
            # All days have the same units, so the known trades can be summed directly.
            sums: dict[date, int] = {}
            for on, _, shares, through in trades[start:end]:
                if through <= day:
                    sums[on] = sums.get(on, 0) + shares
            return [(on, total) for on, total in sums.items() if total]
        known = [(fund, on, shares) for on, fund, shares, through in trades[start:end] if through <= day]
        # Splits not known yet on the day do not count.
        seen = {fund: [split for split, through in some if through <= day] for fund, some in dated.items()}
        return daily_sums(known, seen, day)
