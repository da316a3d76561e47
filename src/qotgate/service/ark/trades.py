"""Derives trades from the published ARK files, per fund and day.

A notice tells its fund's trades of the day. Without one, they are inferred from the difference of two
holdings files (:mod:`qotgate.ark.inference`). If a difference is ambiguous, those of other funds and of
neighbouring days decide (:mod:`qotgate.ark.across`). Each difference builds on earlier ones, so differences
are stored: a new day costs no more after five years than after five weeks. A late file is followed forward
until the differences after it no longer change.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import date, timedelta
from fractions import Fraction
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection

from qotgate.ark.across import WITHIN, Difference, Verdict, apply, judge
from qotgate.ark.basket import Basket
from qotgate.ark.corporate import SPLIT_RATIOS
from qotgate.ark.dynamics import Split
from qotgate.ark.grounds import Evidence, Ground
from qotgate.ark.identity import Move
from qotgate.ark.inference import MEMORY, Inference, Position, infer
from qotgate.service.ark.trade_rows import Book, Books, Gap, TradeRows
from qotgate.service.calendar import ark_sessions_after
from qotgate.store import deriving
from qotgate.store.deriving import BookDay, FundDay
from qotgate.store.tables import Row

MAX_MISSING_SESSIONS = 5
"""With more missing files nothing is inferred: flows and trades of so many days cannot be separated."""
BOOKED = timedelta(days=7)
"""Custodians book a split within this time of its effective day."""
REACH = timedelta(days=17)
"""A changed difference may change the verdict on another within this time."""
NAME_SETS = ("left_out", "taken", "still")

BASKET, VERDICT = ([one.name for one in fields(kind)] for kind in (Basket, Verdict))

State = dict[str, Any]
Facts = Mapping[int, tuple[Split, ...]]
"""The known splits of each security in the table."""


def derive_trades(
    connection: Connection,
    fund_days: Collection[FundDay],
    splits: Mapping[str, tuple[Split, ...]],
    moves: Iterable[Move] = (),
) -> dict[int, int]:
    """Recompute the trades of the touched fund days, and of the days around them that depend on them.

    ``fund_days`` are the last trading days shown by books, and the days of notices; ``splits`` are the
    table's splits, by code. ``moves`` are those of lines since the last time: the stored differences name the
    securities that the lines had before. Returns renamed securities: the newer id and the older.
    """
    kept: defaultdict[int, set[int]] = defaultdict(set)
    for move in moves:
        kept[move.dropped].add(move.kept)
    facts = {security: splits[code] for code, security in deriving.security_ids(connection, splits).items()}
    books = Books(connection)
    renamed: dict[int, int] = {}
    changed: set[Gap] = set()
    new: dict[FundDay, _New] = {}
    for fund, pairs in groupby(sorted(set(fund_days)), key=itemgetter(0)):
        one = _Fund(connection, books, fund, {day for _, day in pairs}, facts, kept)
        renamed |= one.derive()
        changed |= one.changed
        new |= one.new
    _publish(connection, TradeRows(connection, books, facts), changed, new)
    return renamed


class _New(NamedTuple):
    """An inference not written yet: the day of the later file, and its state."""

    after: date
    inference: Inference[int]
    state: State


class _Fund:
    """One fund's differences, from the first touched day on. ``changed`` are those whose trades are to be
    recomputed, ``new`` the recomputed inferences, both by the fund and the day of the earlier file."""

    def __init__(
        self,
        connection: Connection,
        books: Books,
        fund: str,
        touched: set[date],
        facts: Facts,
        kept: Mapping[int, Collection[int]],
    ) -> None:
        self.connection = connection
        self.books = books
        self.fund = fund
        self.touched = touched
        self.facts = facts
        self.kept = kept
        self.days = deriving.book_days(connection, fund, min(touched), MEMORY + 1)
        self.known = deriving.differences(
            connection, fund, min((book.day for book in self.days), default=None)
        )
        self.history: list[Inference[int]] = []
        self.positions: dict[date, dict[int, Position]] = {}
        self.changed: set[Gap] = set()
        self.new: dict[FundDay, _New] = {}

    def derive(self) -> dict[int, int]:
        renamed: dict[int, int] = {}
        unchanged = 0
        days = sorted(self.touched)
        chain = {book.day for book in self.days[:-1]}
        for place, (start, end) in enumerate(pairwise((None, *self.days, None))):
            gap = Gap(self.fund, start, end)
            touched = gap.touches(days)
            if start is None or end is None:
                if touched:
                    self.changed.add(gap)
                continue
            sessions = ark_sessions_after(start.through, end.through)
            if len(sessions) > MAX_MISSING_SESSIONS + 1:
                chain.discard(start.day)
                self.history.clear()
                if touched or start.day in self.known:
                    self.changed.add(gap)
                continue
            known = self.known.get(start.day)
            if known is not None and known[0] == end.day and end.through < days[0]:
                self.history.append(from_state(known[1]))
                continue
            if start.through > days[-1] and unchanged >= MEMORY:
                chain |= self.known.keys()
                break
            inference = self._infer(start, end, sessions, self.days[place:])
            state = _to_state(inference, sessions)
            changed = known is None or (known[0], _raw(known[1])) != (end.day, state)
            unchanged = 0 if changed else unchanged + 1
            if changed:
                self.new[self.fund, start.day] = _New(end.day, inference, state)
            if changed or touched:
                self.changed.add(gap)
            # A name that changed while the count stayed is one security for good. Over several days, or in
            # the units of a split, the equal count may be a coincidence.
            sure = len(sessions) <= 1
            renamed |= {
                new: old
                for new, old in inference.renamed.items()
                if new not in inference.trades or (sure and new not in inference.splits)
            }
            self.history.append(inference)
        deriving.drop_differences(self.connection, self.fund, self.known.keys() - chain)
        return renamed

    def _infer(
        self, start: BookDay, end: BookDay, sessions: Sequence[date], soon: Sequence[BookDay]
    ) -> Inference[int]:
        known: dict[int, Fraction] = {}
        for security, splits in self.facts.items():
            for split in splits:
                if start.through - BOOKED < split.day <= end.through + BOOKED and not any(
                    one.splits.get(security) == split.ratio for one in self.history[-WITHIN:]
                ):
                    known[security] = split.ratio
        days = [book.day for book in soon]
        before, after = (self._positions(book.day, days) for book in (start, end))
        known |= self._exchanges(start, end, before.keys() & after.keys())
        identified: set[tuple[int, int]] = set()
        if before.keys() - after.keys() and after.keys() - before.keys():
            identified = deriving.identified(self.connection, self.fund, (start.day, end.day))
        return infer(before, after, self.history[-MEMORY:], max(len(sessions), 1), known, identified)

    def _positions(self, day: date, soon: Sequence[date]) -> dict[int, Position]:
        """The positions of a book. The later book of one difference is the earlier one of the next."""
        if day not in self.positions:
            self.positions = dict(list(self.positions.items())[-1:])
            self.positions[day] = _positions(self.books.of(self.fund, day, soon))
        return self.positions[day]

    def _exchanges(self, start: BookDay, end: BookDay, held: Collection[int]) -> dict[int, Fraction]:
        """The share exchanges in mergers seen between two books in an earlier run, of securities ``held`` in
        both: once both names are one security, the count alone does not distinguish an exchange from a
        trade. The lines of that security may have moved to another one since."""
        before = self.known.get(start.day)
        if before is None or before[0] != end.day:
            return {}
        splits, renamed = before[1]["splits"], before[1]["renamed"]
        ratios = {key: Fraction(ratio) for key, ratio in splits.items()}
        seen = {
            renamed.get(key, int(key)): ratio for key, ratio in ratios.items() if ratio not in SPLIT_RATIOS
        }
        return {
            now: ratio for key, ratio in seen.items() for now in (key, *self.kept.get(key, ())) if now in held
        }


class _Judged(NamedTuple):
    gap: tuple[str, date, date]
    state: State
    difference: Difference[int]


def _publish(
    connection: Connection, rows: TradeRows, changed: Collection[Gap], new: Mapping[FundDay, _New]
) -> None:
    """Write the ``new`` differences, the trades of the ``changed`` ones, and of others whose verdict they
    change."""
    if not changed:
        return
    ends = [book.through for gap in changed for book in (gap.start, gap.end) if book is not None]
    told: dict[FundDay, tuple[Gap, Inference[int] | None]] = {}
    written: list[Row] = []
    if ends:
        first, last = min(ends), max(ends)
        found = _differences(connection, first - 2 * REACH, last + 2 * REACH, new)
        verdicts = judge([one.difference for one in found], lambda *asked: deriving.held(connection, *asked))
        shown = deriving.shown_days(connection, {one.gap for one in found})
        again = {(gap.fund, gap.start.day) for gap in changed if gap.start is not None}
        for one, verdict in zip(found, verdicts, strict=True):
            fund, before, after = one.gap
            near = first - REACH <= one.difference.through and one.difference.first <= last + REACH
            state = _verdict_state(verdict)
            differs = near and one.state.get("verdict") != state
            if differs or (fund, before) in new:
                whole = one.state | {"verdict": state} if differs else one.state
                written.append({"fund": fund, "before": before, "after": after, "state": whole})
            if differs or (fund, before) in again:
                gap = Gap(fund, BookDay(shown[fund, before], before), BookDay(shown[fund, after], after))
                told[fund, before] = gap, apply(one.difference.inference, verdict)
    deriving.save_differences(connection, written)
    others = (gap for gap in changed if gap.start is None or (gap.fund, gap.start.day) not in told)
    rows.replace([*told.values(), *((gap, None) for gap in others)])


def _differences(
    connection: Connection, since: date, until: date, new: Mapping[FundDay, _New]
) -> list[_Judged]:
    """The inferences between two days, by fund, oldest first; ``new`` ones replace the stored ones."""
    found = [
        _judged(fund, before, after, state, from_state(state))
        for fund, before, after, state in deriving.all_differences(connection, since, until)
        if (fund, before) not in new
    ]
    found += [
        _judged(fund, before, one.after, one.state, one.inference) for (fund, before), one in new.items()
    ]
    return sorted(found, key=lambda one: one.gap[:2])


def _judged(fund: str, before: date, after: date, state: State, inference: Inference[int]) -> _Judged:
    first, through = (date.fromisoformat(day) for day in state["sessions"])
    return _Judged((fund, before, after), state, Difference(fund, first, through, inference))


def _positions(book: Book) -> dict[int, Position]:
    """The positions of a holdings file, with their prices in USD."""
    return {
        key: Position(shares, value / shares if value and shares else None)
        for key, (shares, value) in book.items()
    }


def _raw(state: State) -> State:
    return {name: value for name, value in state.items() if name != "verdict"}


def _verdict_state(verdict: Verdict[int]) -> State:
    return {name: sorted(getattr(verdict, name)) for name in VERDICT}


def _trade_state(shares: int, evidence: Evidence) -> list[Any]:
    return [shares, evidence.ground.name, evidence.change, evidence.flow]


def _to_state(inference: Inference[int], sessions: Sequence[date]) -> State:
    """The parts of an inference that later ones depend on, or that trades are written from, as JSON;
    ``sessions`` are the trading days."""
    basket = {name: getattr(inference.basket, name) for name in BASKET}
    for name in NAME_SETS:
        basket[name] = sorted(basket[name])
    days = sessions or [date.min]
    return {
        "sessions": [days[0].isoformat(), days[-1].isoformat()],
        "basket": basket,
        "trades": {
            str(key): _trade_state(shares, inference.evidence[key])
            for key, shares in inference.trades.items()
        },
        "splits": {str(key): str(ratio) for key, ratio in inference.splits.items()},
        "unsplit": {str(key): _trade_state(*trade) for key, trade in inference.unsplit.items()},
        "renamed": {str(key): old for key, old in inference.renamed.items()},
    }


def from_state(state: State) -> Inference[int]:
    """The inference in a stored state."""
    basket = dict(state["basket"])
    for name in NAME_SETS:
        basket[name] = frozenset(basket[name])
    trades = _trades(state["trades"].items())
    return Inference(
        basket=Basket(**basket),
        trades={key: shares for key, (shares, _) in trades.items()},
        evidence={key: evidence for key, (_, evidence) in trades.items()},
        splits={int(key): Fraction(ratio) for key, ratio in state["splits"].items()},
        unsplit=_trades(state["unsplit"].items()),
        renamed={int(key): old for key, old in state["renamed"].items()},
    )


def _trades(rows: Iterable[tuple[str, list[Any]]]) -> dict[int, tuple[int, Evidence]]:
    return {
        int(key): (shares, Evidence(Ground[ground], change, flow))
        for key, (shares, ground, change, flow) in rows
    }


class Inferred(NamedTuple):
    """The inference between two holdings files dated ``before`` and ``after``; ``through`` is the last
    trading day between them."""

    through: date
    before: date
    after: date
    inference: Inference[int]


def inferred_trades(connection: Connection, fund: str, start: date) -> dict[date, Inferred]:
    """A fund's trades inferred from holdings alone, by the first trading day between two files."""
    found = {}
    for before, (after, state) in deriving.differences(connection, fund, start).items():
        verdict = Verdict(**{name: set(keys) for name, keys in state["verdict"].items()})
        first, through = (date.fromisoformat(day) for day in state["sessions"])
        found[first] = Inferred(through, before, after, apply(from_state(state), verdict))
    return found
