"""What follows from the published rows: trades from notices and holdings, changes from notes.

Only what a load touched is made again: the time between two holdings files of a fund for a day within it,
the history of one institution on one security for a note.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from qotgate.ark.inference import Position, infer
from qotgate.model import Grade, RatingChangeType
from qotgate.ratings.changes import NOTHING, DatedNote, Judged, View, judge
from qotgate.service.calendar import ark_sessions
from qotgate.store import loading

Positions = dict[int, Position]

CHANGE_COLUMNS = (
    "note_id",
    "change_type",
    "day",
    "grade",
    "has_last",
    "last_grade",
    "target",
    "last_target",
    "last_day",
)


@dataclass
class Touched:
    """The fund days and rating histories whose rows changed."""

    fund_days: set[tuple[str, date]] = field(default_factory=set)
    histories: set[int] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.fund_days or self.histories)


def trades(connection: Connection, touched: Touched) -> None:
    """Make the trades of the touched fund days anew."""
    for fund, pairs in groupby(sorted(touched.fund_days), key=itemgetter(0)):
        days = {day for _, day in pairs}
        _fund_trades(connection, fund, days)


def _fund_trades(connection: Connection, fund: str, touched: set[date]) -> None:
    snapshot_days = loading.snapshot_days(connection, fund)
    known: tuple[date, Positions] | None = None
    for start, end in pairwise((None, *snapshot_days, None)):
        if not any(_within(day, start, end) or day == end for day in touched):
            continue
        notices: dict[date, dict[int, int]] = {}
        for row in loading.noticed(connection, fund, start, end):
            notices.setdefault(row["day"], {})[row["security_id"]] = int(row["shares"])
        covered = [_ark_day(fund, day, "notice", day, None) for day in notices]
        found = [_trade(fund, day, key, n, day) for day, sums in notices.items() for key, n in sums.items()]
        splits = []
        if start is not None and end is not None:
            before = known[1] if known and known[0] == start else _positions(connection, fund, start)
            after = _positions(connection, fund, end)
            known = (end, after)
            inferred = infer(_with_trades(before, notices), after)
            sessions = ark_sessions(start, end)
            unknown = [day for day in sessions if day not in notices]
            if unknown:
                covered.append(_ark_day(fund, unknown[0], "holdings", sessions[-1], inferred.flow))
                found += [
                    _trade(fund, unknown[0], key, shares, sessions[-1])
                    for key, shares in inferred.trades.items()
                ]
            splits = [
                {
                    "security_id": key,
                    "day": end,
                    "fund": fund,
                    "numerator": ratio.numerator,
                    "denominator": ratio.denominator,
                }
                for key, ratio in inferred.splits.items()
            ]
        loading.replace_trades(connection, fund, start, end, days=covered, trades=found, splits=splits)


def _within(day: date, start: date | None, end: date | None) -> bool:
    return (start is None or day >= start) and (end is None or day < end)


def _ark_day(fund: str, day: date, source: str, through: date, flow: float | None) -> loading.Row:
    return {"fund": fund, "day": day, "source": source, "through": through, "flow": flow}


def _trade(fund: str, day: date, security_id: int, shares: int, through: date) -> loading.Row:
    return {"security_id": security_id, "day": day, "fund": fund, "shares": shares, "through": through}


def _positions(connection: Connection, fund: str, day: date) -> Positions:
    return {
        key: Position(shares, value / shares if value and shares else None)
        for key, shares, value in loading.positions(connection, fund, day)
    }


def _with_trades(before: Positions, notices: Mapping[date, Mapping[int, int]]) -> Positions:
    """The positions after the noticed trades, so that what is inferred is what no notice tells."""
    after = dict(before)
    for sums in notices.values():
        for key, shares in sums.items():
            old = after.get(key, Position(0, None))
            after[key] = Position(old.shares + shares, old.price)
    return after


def rating_changes(connection: Connection, touched: Touched, generation: int) -> None:
    """Judge the touched histories anew; rows that no longer hold end with ``generation``."""
    for histories in loading.chunks(sorted(touched.histories)):
        standing: dict[tuple[Any, ...], int] = {}
        for row in loading.standing_changes(connection, histories):
            standing[tuple(row[name] for name in CHANGE_COLUMNS)] = row["id"]
        new, disagreeing = [], []
        for (history_id, market), notes in groupby(
            loading.notes_of(connection, histories), key=itemgetter("history_id", "market")
        ):
            for judged in judge(map(_dated, notes)):
                if judged.disagrees:
                    disagreeing.append(judged.note.note_id)
                if judged.change_type is not None:
                    row = _change_row(judged, judged.change_type)
                    if standing.pop(tuple(row[name] for name in CHANGE_COLUMNS), None) is None:
                        new.append(row | {"history_id": history_id, "market": market})
        loading.mark_disagreements(connection, histories, disagreeing)
        loading.end_changes(connection, sorted(standing.values()), generation)
        loading.add_changes(connection, new, generation)


def _dated(row: loading.Row) -> DatedNote:
    return DatedNote(
        note_id=row["id"],
        day=row["day"],
        time=row["time"],
        view=View(_grade(row["grade"]), row["target"]),
        prior=View(_grade(row["prior_grade"]), row["prior_target"]),
        starts=row["starts"],
    )


def _grade(number: int | None) -> Grade | None:
    return None if number is None else Grade(number)


def _change_row(judged: Judged, change_type: RatingChangeType) -> loading.Row:
    last = judged.last or NOTHING
    return {
        "note_id": judged.note.note_id,
        "change_type": change_type.value,
        "day": judged.note.day,
        "grade": judged.note.view.grade,
        "has_last": judged.last is not None,
        "last_grade": last.grade,
        "target": judged.note.view.target,
        "last_target": last.target,
        "last_day": judged.last_day,
    }
