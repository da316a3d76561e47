"""What follows from the published ARK files: trades, per fund and day.

A notice tells what was traded on its fund's day; elsewhere the difference of two holdings files does
(:mod:`qotgate.ark.inference`). Each difference builds on those before it, so they are kept: a new day costs
no more after five years than after five weeks, and a late file is worked in until what follows no longer
changes.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import date
from fractions import Fraction
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from qotgate.ark.basket import Basket
from qotgate.ark.inference import MEMORY, Evidence, Ground, Inference, Position, infer
from qotgate.service.calendar import ark_sessions
from qotgate.store import loading

Positions = dict[int, Position]
Notices = dict[date, dict[int, int]]
State = dict[str, Any]
NAME_SETS = ("left_out", "taken", "still")
BEFORE_ALL, AFTER_ALL = date.min, date.max


def derive_trades(connection: Connection, fund_days: Collection[tuple[str, date]]) -> dict[int, int]:
    """Make the trades of the touched fund days anew, and of those after them that change with them.

    Gives the securities that turned out to be others under a new name: the newer id and the older.
    """
    renamed: dict[int, int] = {}
    for fund, pairs in groupby(sorted(fund_days), key=itemgetter(0)):
        renamed |= _Fund(connection, fund, {day for _, day in pairs}).derive()
    return renamed


class _Fund:
    """One fund's trades, from the first touched day on."""

    def __init__(self, connection: Connection, fund: str, touched: set[date]) -> None:
        self.connection = connection
        self.fund = fund
        self.touched = touched
        self.days = loading.snapshot_days(connection, fund, min(touched), MEMORY + 1)
        start = min([*self.days, *touched])
        self.known = loading.differences(connection, fund, start)
        self.history: list[Inference[int]] = []
        self.books: dict[date, Positions] = {}

    def derive(self) -> dict[int, int]:
        renamed: dict[int, int] = {}
        unchanged = 0
        last = max(self.touched)
        for start, end in pairwise((None, *self.days, None)):
            touched = any(_within(day, start, end) for day in self.touched)
            if start is None or end is None:
                if touched:
                    self._replace(start, end, None)
                continue
            if start in self.known and self.known[start][0] == end and end < min(self.touched):
                self.history.append(_from_state(self.known[start][1]))
                continue
            if start > last and unchanged >= MEMORY:
                break
            inference = self._infer(start, end)
            state = _to_state(inference)
            changed = self.known.get(start) != (end, state)
            unchanged = 0 if changed else unchanged + 1
            if changed:
                loading.save_difference(self.connection, self.fund, start, end, state)
            if changed or touched:
                self._replace(start, end, inference)
            # A name that changed while the count stayed, to the share, is one security; a count that moved
            # as well may be a coincidence, and ties nothing together for good.
            renamed |= {new: old for new, old in inference.renamed.items() if new not in inference.trades}
            self.history.append(inference)
        return renamed

    def _infer(self, start: date, end: date, told: Notices | None = None) -> Inference[int]:
        before, after = self._book(start), self._book(end)
        if told is not None:
            after = _without(after, told)
        sessions = max(len(ark_sessions(start, end)), 1)
        return infer(before, after, self.history[-MEMORY:], sessions)

    def _book(self, day: date) -> Positions:
        """The positions of a holdings file; the latest two are kept, which is all that a difference needs."""
        if day not in self.books:
            if len(self.books) > 1:
                del self.books[min(self.books)]
            self.books[day] = _positions(self.connection, self.fund, day)
        return self.books[day]

    def _prices(self, start: date | None, end: date | None) -> dict[int, float]:
        """USD a share of what was traded between two files: a file is the book after the day before, at that
        day's close, so the later one has the price; the earlier one, where the position is gone."""
        books = [self._book(day) for day in (start, end) if day is not None]
        return {key: position.price for book in books for key, position in book.items() if position.price}

    def _replace(self, start: date | None, end: date | None, inference: Inference[int] | None) -> None:
        """Write the trades from ``start`` until before ``end``, two holdings files of the fund, or open
        where there is no file; ``inference`` is what was inferred between the two."""
        notices: Notices = {}
        for row in loading.noticed(self.connection, self.fund, start, end):
            notices.setdefault(row["day"], {})[row["security_id"]] = int(row["shares"])
        days = [_day(self.fund, day, "notice", day) for day in notices]
        prices = self._prices(start, end)
        trades = [
            _trade(self.fund, day, key, shares, day, prices.get(key))
            for day, sums in notices.items()
            for key, shares in sums.items()
            if shares
        ]
        splits = []
        if start is not None and end is not None and inference is not None:
            # A file is the book before its day's trading: between two files at least one day was traded.
            sessions = ark_sessions(start, end) or [start]
            unknown = [day for day in sessions if day not in notices]
            if unknown:
                rest = self._infer(start, end, notices) if notices else inference
                first, through = unknown[0], sessions[-1]
                days.append(
                    _day(self.fund, first, "holdings", through, before=start, after=end, flow=inference.flow)
                )
                trades += [
                    _trade(self.fund, first, key, shares, through, prices.get(key), rest.evidence[key])
                    for key, shares in rest.trades.items()
                ]
            splits = [_split(self.fund, key, sessions, ratio) for key, ratio in inference.splits.items()]
        loading.replace_trades(
            self.connection, self.fund, start, end, days=days, trades=trades, splits=splits
        )


def _within(day: date, start: date | None, end: date | None) -> bool:
    """Whether a row of ``day`` bears on the time between two files: on both sides of a file's own day."""
    return (start or BEFORE_ALL) <= day <= (end or AFTER_ALL)


def _positions(connection: Connection, fund: str, day: date) -> Positions:
    return {
        key: Position(shares, value / shares if value and shares else None)
        for key, shares, value in loading.positions(connection, fund, day)
    }


def _without(after: Positions, told: Mapping[date, Mapping[int, int]]) -> Positions:
    """The positions as they would be without the trades that notices tell."""
    rest = dict(after)
    for sums in told.values():
        for key, shares in sums.items():
            old = rest.get(key, Position(0, None))
            rest[key] = Position(old.shares - shares, old.price)
    return rest


def _day(
    fund: str,
    day: date,
    source: str,
    through: date,
    *,
    before: date | None = None,
    after: date | None = None,
    flow: float | None = None,
) -> loading.Row:
    return {
        "fund": fund,
        "day": day,
        "source": source,
        "through": through,
        "before": before,
        "after": after,
        "flow": flow,
    }


def _trade(
    fund: str,
    day: date,
    security_id: int,
    shares: int,
    through: date,
    price: float | None,
    evidence: Evidence | None = None,
) -> loading.Row:
    return {
        "security_id": security_id,
        "day": day,
        "fund": fund,
        "shares": shares,
        "through": through,
        "ground": evidence and evidence.ground.name,
        "change": evidence and evidence.change,
        "flow": evidence and evidence.flow,
        "price": price,
    }


def _split(fund: str, security_id: int, sessions: list[date], ratio: Fraction) -> loading.Row:
    return {
        "security_id": security_id,
        "day": sessions[0],
        "through": sessions[-1],
        "fund": fund,
        "numerator": ratio.numerator,
        "denominator": ratio.denominator,
    }


def _to_state(inference: Inference[int]) -> State:
    """Of an inference as JSON what is built on it, or written from it."""
    basket = asdict(inference.basket)
    for name in NAME_SETS:
        basket[name] = sorted(basket[name])
    return {
        "basket": basket,
        "trades": {
            str(key): [shares, evidence.ground.name, evidence.change, evidence.flow]
            for key, shares in inference.trades.items()
            for evidence in (inference.evidence[key],)
        },
        "splits": {str(key): str(ratio) for key, ratio in inference.splits.items()},
    }


def _from_state(state: State) -> Inference[int]:
    """What later differences build on: the basket and the trades."""
    basket = dict(state["basket"])
    for name in NAME_SETS:
        basket[name] = frozenset(basket[name])
    return Inference(
        basket=Basket(**basket),
        trades={int(key): row[0] for key, row in state["trades"].items()},
        evidence={
            int(key): Evidence(Ground[ground], change, flow)
            for key, (_, ground, change, flow) in state["trades"].items()
        },
    )


def inferred_trades(
    connection: Connection, fund: str, start: date
) -> dict[date, tuple[date, Inference[int]]]:
    """What holdings alone say of a fund's trades, notices or not: by the day of the earlier file, the day of
    the later one and the inference."""
    return {
        before: (after, _from_state(state))
        for before, (after, state) in loading.differences(connection, fund, start).items()
    }
