"""The known days by fund and market, and the unknown days between."""

from datetime import date
from itertools import groupby
from typing import Any

from qotgate.service.research.positions import NO_FILE
from qotgate.service.research.scope import Found, Scope
from qotgate.store import books, reads
from qotgate.store.tables import HOLE, UNTOLD

KNOWN = "known"


def coverage(scope: Scope) -> Found:
    """The table of covered days."""
    return Found(_trades(scope) + _holdings(scope) + _ratings(scope))


def latest_days(scope: Scope) -> Found:
    """The table of latest days."""
    known = [row for row in coverage(scope).rows if row[2] == KNOWN]
    return Found([(kind, part, last) for kind, part, _, _, last, _ in known])


def _trades(scope: Scope) -> list[tuple[Any, ...]]:
    sessions = reads.research.sessions(scope.connection, date.min, date.max)
    rows: list[tuple[Any, ...]] = []
    for fund, some in groupby(reads.research.ark_days(scope.connection), key=lambda row: row[0]):
        told: set[date] = set()
        missing = []
        first_day = last_day = None
        for _, first, last, source in some:
            first_day = first_day or first
            last_day = last if last_day is None else max(last_day, last)
            days = {day for day in sessions if first <= day <= last} or {first}
            if source in (UNTOLD, HOLE):
                missing.append((source, first, last, days))
            else:
                told |= days
        rows.append(("trades", fund, KNOWN, first_day, last_day, len(told)))
        rows += [
            ("trades", fund, source, first, last, len(days - told)) for source, first, last, days in missing
        ]
    return rows


def _holdings(scope: Scope) -> list[tuple[Any, ...]]:
    funds = sorted(books.loaded_funds(scope.connection))
    sessions = reads.research.sessions(scope.connection, date.min, date.max)
    rows: list[tuple[Any, ...]] = []
    for fund, shown in sorted(reads.research.shown_days(scope.connection, funds).items()):
        first, last = min(shown), max(shown)
        rows.append(("holdings", fund, KNOWN, first, last, len(shown)))
        between = [day for day in sessions if first <= day <= last]
        for known, some in groupby(between, key=shown.__contains__):
            days = list(some)
            if not known:
                rows.append(("holdings", fund, NO_FILE, days[0], days[-1], len(days)))
    return rows


def _ratings(scope: Scope) -> list[tuple[Any, ...]]:
    return [
        ("ratings", market, KNOWN, first, last, days)
        for market, first, last, days in reads.research.note_spans(scope.connection)
    ]
