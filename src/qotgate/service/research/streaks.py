"""Securities that the funds bought or sold repeatedly: on consecutive trading days, or in consecutive
transactions."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from qotgate.ark.dynamics import window_start
from qotgate.service.calendar import ARK_START
from qotgate.service.research.scope import Found, Scope
from qotgate.service.research.trades import Summed, summed_trades, untold_text
from qotgate.store import reads
from qotgate.store.reads.research import TradeRow
from qotgate.store.tables import HOLE, UNTOLD

BUY, SELL = "BUY", "SELL"
LONGER = 4
"""Factor by which the next read goes further back, if a run may have begun before the previous read."""
TRADING_DAYS, TRANSACTIONS = "TRADING_DAYS", "TRANSACTIONS"


class _Transaction(NamedTuple):
    day: date
    summed: Summed


def streaks(scope: Scope) -> Found:
    """The table of streaks. The last transaction of a streak is within the window of the dynamics. It reaches
    back to a transaction in the other direction, or to a trading day for which no fund's trades are known."""
    questions, connection, as_of = scope.questions, scope.connection, scope.day
    sessions = reads.research.sessions(connection, ARK_START, as_of)
    blind = _blind_days(scope, sessions)
    seen = scope.splits(questions.funds, as_of)

    def transactions(ids: Iterable[int] | None, since: date) -> dict[int, list[_Transaction]]:
        rows = reads.research.trades(
            connection, questions.funds, None if ids is None else sorted(ids), since, as_of, as_of
        )
        found: dict[int, list[_Transaction]] = {}
        for (security, day), some in _grouped(rows):
            summed = summed_trades(some, seen.get(security, {}), as_of)
            if summed is not None:
                found.setdefault(security, []).append(_Transaction(day, summed))
        return found

    since = window_start(as_of, questions.window_days)
    found = transactions(None, since)
    # A run that covers all rows read may have begun earlier.
    open_runs = [security for security, some in found.items() if len(_run(some, blind)) == len(some)]
    while open_runs and since > ARK_START:
        since = max(ARK_START, as_of - LONGER * (as_of - since))
        found |= transactions(open_runs, since)
        open_runs = [key for key in open_runs if len(_run(found[key], blind)) == len(found[key])]
    not_told = reads.ark.untold_days(connection, questions.funds, since, as_of, as_of)
    rows = [
        row
        for security, some in found.items()
        if (row := _streak(scope, security, _run(some, blind), sessions, not_told)) is not None
    ]
    return Found(sorted(rows, key=lambda row: (row[1], row[2], -row[5], -row[6], row[3])))


def _grouped(rows: Sequence[TradeRow]) -> Iterable[tuple[tuple[int, date], list[TradeRow]]]:
    order = attrgetter("security", "day")
    for key, some in groupby(sorted(rows, key=order), key=order):
        yield key, list(some)


def _blind_days(scope: Scope, sessions: Sequence[date]) -> list[date]:
    """The trading days for which no fund's trades are known, oldest first."""
    told: set[date] = set()
    for fund, first, last, source in reads.research.ark_days(scope.connection):
        if last <= scope.day and fund in scope.questions.funds and source not in (UNTOLD, HOLE):
            told.update(sessions[bisect_left(sessions, first) : bisect_right(sessions, last)])
    return [day for day in sessions if day not in told]


def _run(transactions: Sequence[_Transaction], blind: Sequence[date]) -> list[_Transaction]:
    """The latest consecutive transactions in one direction, without a ``blind`` day between two of them,
    latest first."""
    run: list[_Transaction] = []
    for one in reversed(transactions):
        if run and (one.summed.shares > 0) != (run[0].summed.shares > 0):
            break
        if run and bisect_right(blind, one.day) < bisect_left(blind, run[-1].day):
            break
        run.append(one)
    return run


def _streak(
    scope: Scope,
    security: int,
    run: Sequence[_Transaction],
    sessions: Sequence[date],
    not_told: Sequence[tuple[str, date, date, str]],
) -> tuple[Any, ...] | None:
    code, name = scope.known[security]
    side = BUY if run[0].summed.shares > 0 else SELL
    if code is None or scope.values["side"] not in ("ALL", side):
        return None
    in_a_row = 0
    for one, session in zip(run, reversed(sessions), strict=False):
        if one.day != session:
            break
        in_a_row += 1
    days = scope.values["days"]
    if in_a_row >= days:
        kind, chosen = TRADING_DAYS, run[:in_a_row]
    elif len(run) >= days:
        kind, chosen = TRANSACTIONS, run
    else:
        return None
    first, last = chosen[-1].day, chosen[0].day
    amounts = [one.summed.usd for one in chosen]
    untold = (days for days in not_told if days[2] >= first)
    return (
        scope.day,
        side,
        kind,
        code,
        name,
        in_a_row,
        len(run),
        first,
        last,
        sum(one.summed.shares for one in chosen),
        None if None in amounts else round(sum(amount for amount in amounts if amount is not None), 2),
        min(one.summed.confidence for one in chosen),
        untold_text(untold),
    )
