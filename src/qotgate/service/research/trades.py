"""Each fund's trades with their evidence, and the funds' combined trades."""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby
from math import fsum
from operator import attrgetter
from typing import Any, NamedTuple

from qotgate.ark.dynamics import Split, splits_of, units
from qotgate.ark.grounds import CONFIDENCE, Ground
from qotgate.service.ark.history import NOTICE
from qotgate.service.research.scope import DaysOfPart, Found, Scope, Splits, cut
from qotgate.store import reads
from qotgate.store.reads.research import TradeRow

CENTS = 2


class Place(NamedTuple):
    """The file and line of a trade's evidence, and those of the earlier of two files."""

    file: str | None = None
    line: int | None = None
    earlier_file: str | None = None
    earlier_line: int | None = None


def trades(scope: Scope) -> Found:
    """A part of the table of trades: the trades known on ``scope.day``, and the days with unknown trades."""
    days = _days(scope)
    if days is None:
        return Found(_untold_rows(scope, scope.start, scope.end))
    rows = reads.research.trades(
        scope.connection, scope.questions.funds, scope.ids, days.start, days.end, scope.day
    )
    seen = scope.splits(scope.questions.funds, scope.day)
    places = _places(scope, rows)
    found = [_row(scope, row, seen.get(row.security, {}), places[row]) for row in rows]
    # A part is responsible for the days before the next part's first day.
    last = scope.end if days.following is None else _before(days.following)
    found += _untold_rows(scope, scope.start, last)
    return Found(sorted(found, key=_order), days.following)


def transactions(scope: Scope) -> Found:
    """A part of the table of transactions."""
    days = _days(scope)
    if days is None:
        return Found([])
    rows = reads.research.trades(
        scope.connection, scope.questions.funds, scope.ids, days.start, days.end, scope.day
    )
    seen = scope.splits(scope.questions.funds, scope.day)
    not_told = reads.ark.untold_days(scope.connection, scope.questions.funds, days.start, days.end, scope.day)
    found = []
    for day, of_day in groupby(rows, key=attrgetter("day")):
        untold = untold_text(((fund, why) for fund, first, last, why in not_told if first <= day <= last))
        by_security: dict[int, list[TradeRow]] = {}
        for row in of_day:
            by_security.setdefault(row.security, []).append(row)
        for security, some in sorted(by_security.items()):
            summed = summed_trades(some, seen.get(security, {}), scope.day)
            if summed is not None:
                code, name = scope.known[security]
                found.append((day, summed.through, code, name, *summed[1:], untold))
    return Found(found, days.following)


class Summed(NamedTuple):
    """The combined trades of one or several days in one security."""

    through: date
    shares: int
    usd: float | None
    funds: str
    confidence: float


def summed_trades(trades: Sequence[TradeRow], seen: Splits, as_of: date) -> Summed | None:
    """The sum of the trades of one day in one security, None if it is 0 shares, as in
    :func:`qotgate.ark.dynamics.daily_sums`."""
    shares = round(sum(trade.shares * _ratio(trade, seen, as_of) for trade in trades))
    if not shares:
        return None
    return Summed(
        max(trade.through for trade in trades),
        shares,
        usd_of(trades),
        " ".join(sorted({trade.fund for trade in trades})),
        min(map(confidence, trades)),
    )


def usd_of(trades: Iterable[TradeRow]) -> float | None:
    """The approximate value of some trades in USD; None if a price is unknown."""
    amounts = []
    for trade in trades:
        if trade.price is None:
            return None
        amounts.append(trade.shares * trade.price)
    return round(fsum(amounts), CENTS)


def confidence(trade: TradeRow) -> float:
    return CONFIDENCE[Ground[trade.ground]] if trade.ground else 1.0


def untold_text(parts: Iterable[tuple[Any, ...]]) -> str | None:
    """The days with unknown trades, each part's words separated by spaces; None if there are none."""
    return "; ".join(" ".join(map(str, part)) for part in parts) or None


def _days(scope: Scope) -> DaysOfPart | None:
    if scope.start > scope.end:
        return None
    return cut(
        reads.research.trade_counts(
            scope.connection, scope.questions.funds, scope.ids, scope.start, scope.end, scope.day
        )
    )


def _before(day: date) -> date:
    return date.fromordinal(day.toordinal() - 1)


def _ratio(trade: TradeRow, seen: dict[str, list[Split]], as_of: date) -> Any:
    return units(splits_of(trade.fund, seen), trade.day, as_of) if seen else 1


def _row(scope: Scope, trade: TradeRow, seen: Splits, place: Place) -> tuple[Any, ...]:
    code, name = scope.known[trade.security]
    return (
        trade.day,
        trade.through,
        trade.fund,
        code,
        name,
        trade.shares,
        round(trade.shares * _ratio(trade, seen, scope.day)),
        None if trade.price is None else round(trade.shares * trade.price, CENTS),
        trade.ground or NOTICE,
        confidence(trade),
        trade.change,
        trade.flow,
        *place,
        None,
    )


def _untold_rows(scope: Scope, start: date, end: date) -> list[tuple[Any, ...]]:
    """A row for each period of unknown trades that begins within the days, or contains the first of them."""
    if start > end:
        return []
    found = reads.ark.untold_days(scope.connection, scope.questions.funds, start, end, scope.day)
    return [
        (first, last, fund, None, "", *(None,) * 11, why)
        for fund, first, last, why in found
        if first >= start or scope.is_first
    ]


def _order(row: tuple[Any, ...]) -> tuple[Any, ...]:
    # A period of unknown trades comes first on a fund's day.
    return row[0], row[2], row[3] or "", row[4]


def _places(scope: Scope, rows: Sequence[TradeRow]) -> dict[TradeRow, Place]:
    """The place of each trade: its notice, or its lines in the two files whose difference it is."""
    connection, funds, ids = scope.connection, scope.questions.funds, scope.ids
    noticed = [row.day for row in rows if row.ground is None]
    notices = reads.research.noticed(connection, funds, ids, min(noticed), max(noticed)) if noticed else {}
    ends = [end for row in rows for end in (row.before, row.after) if row.ground and end]
    lines, files = {}, {}
    if ends:
        lines = reads.research.held_lines(connection, funds, ids, min(ends), max(ends))
        files = reads.research.files_of(connection, funds, min(ends), max(ends))
    found = {}
    for row in rows:
        if row.ground is None:
            path, line = notices.get((row.fund, row.day, row.security), (None, None))
            found[row] = Place(path, line)
        else:
            later, earlier = (
                (files.get((row.fund, end)), lines.get((row.fund, end, row.security)))
                if end
                else (None, None)
                for end in (row.after, row.before)
            )
            found[row] = Place(*later, *earlier)
    return found
