"""The rows that questions read, trades, covered days and splits, from what notices tell and holdings show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache

from sqlalchemy import Connection

from qotgate.ark.dynamics import Split
from qotgate.ark.inference import Evidence, Ground, Inference
from qotgate.service.calendar import ark_sessions_after
from qotgate.store import deriving
from qotgate.store.deriving import BookDay
from qotgate.store.tables import HOLDINGS, HOLE, NOTICE, PARTIAL, UNTOLD, Row

FEWEST_SHARES = 100
SMALLEST_PART = 0.0001
"""Fewer shares, in number or as a part of the position, notices and rounding do not tell apart."""
CLEAR = frozenset({Ground.STILL, Ground.FLOW, Ground.UNSURE, Ground.CLOSED})
"""What holdings say without notices to confirm it: a new position may as well be of an offering."""

Notices = Mapping[date, Mapping[int, int]]


def matters(shares: float, held: float) -> bool:
    """Whether a trade is large enough to be told from rounding, of a position of ``held`` shares."""
    return abs(shares) >= max(FEWEST_SHARES, SMALLEST_PART * held)


@dataclass(frozen=True, slots=True)
class Gap:
    """What lies between two books of a fund that follow one another; None where there is none yet."""

    fund: str
    start: BookDay | None
    end: BookDay | None

    def touches(self, day: date) -> bool:
        """Whether a book that shows ``day``, or a notice of it, bears on the gap."""
        return (self.start is None or self.start.through <= day) and (
            self.end is None or day <= self.end.through
        )

    def order(self) -> tuple[str, date]:
        return self.fund, self.start.through if self.start else date.min


class TradeRows:
    """Writes the rows; ``facts`` are the splits of each security that the table knows."""

    def __init__(self, connection: Connection, facts: Mapping[int, Sequence[Split]]) -> None:
        self.connection = connection
        self.facts = facts
        self.book = lru_cache(maxsize=64)(self._read_book)

    def replace(self, gap: Gap, inference: Inference[int] | None) -> None:
        """Write what was traded in ``gap``; ``inference`` is what was inferred, None where nothing was: over
        too many days, or with no book on one side."""
        shown, through = (book and book.through for book in (gap.start, gap.end))
        notices: dict[date, dict[int, int]] = {}
        for row in deriving.noticed(self.connection, gap.fund, shown, through):
            notices.setdefault(row["day"], {})[row["security_id"]] = int(row["shares"])
        prices = self._prices(gap)
        days = {day: _day(gap.fund, day, NOTICE, day) for day in notices}
        trades = [
            _trade(gap.fund, day, key, shares, day, prices.get(key))
            for day, sums in notices.items()
            for key, shares in sums.items()
            if shares
        ]
        splits: list[Row] = []
        if gap.start is not None and gap.end is not None:
            sessions = ark_sessions_after(gap.start.through, gap.end.through)
            unknown = [day for day in sessions if day not in notices]
            rest = self._rest(gap, inference, notices, whole=bool(unknown))
            if inference is not None and sessions:
                splits = [
                    _split(gap.fund, key, sessions[0], sessions[-1], ratio)
                    for key, ratio in inference.splits.items()
                ]
            if unknown or rest:
                first, last = (unknown or sessions)[0], sessions[-1]
                source = _source(inference) if unknown else PARTIAL
                flow = None if inference is None or inference.basket.untold else inference.flow
                row = _day(gap.fund, first, source, last, before=gap.start.day, after=gap.end.day, flow=flow)
                days[first] = row
                trades += [
                    _trade(gap.fund, first, key, shares, last, prices.get(key), evidence)
                    for key, (shares, evidence) in rest.items()
                ]
        if inference is None:
            splits = self._known_splits(gap, {key for sums in notices.values() for key in sums})
        deriving.replace_trades(
            self.connection, gap.fund, shown, through, days=[*days.values()], trades=trades, splits=splits
        )

    def _rest(
        self, gap: Gap, inference: Inference[int] | None, notices: Notices, *, whole: bool
    ) -> dict[int, tuple[int, Evidence]]:
        """What was inferred beyond what ``notices`` tell.

        A notice holds for the stocks that it names. It silences the rest of its days only if it names most of
        what the holdings clearly show; ``whole`` says that some days have no notice, so that there is a rest.
        """
        if inference is None or inference.basket.untold:
            return {}
        told: dict[int, int] = {}
        for sums in notices.values():
            for key, shares in sums.items():
                told[key] = told.get(key, 0) + shares
        held = self.book(gap.fund, gap.start.day) if gap.start else {}
        clear = [
            key
            for key, shares in inference.trades.items()
            if inference.evidence[key].ground in CLEAR and matters(shares, _shares(held, key))
        ]
        named = sum(told.get(key, 0) * inference.trades[key] > 0 for key in clear)
        if told and not whole and (2 * named > len(clear) or not clear):
            return {}
        rest = {}
        for key, shares in inference.trades.items():
            evidence = inference.evidence[key]
            if key not in told:
                rest[key] = (shares, evidence)
            elif whole:
                units = inference.basket.created + inference.basket.redeemed
                slack = units + inference.basket.slack(_shares(held, key), inference.basket.net)
                more = shares - told[key]
                if abs(more) > slack and matters(more, _shares(held, key)):
                    rest[key] = (more, evidence)
        return rest

    def _prices(self, gap: Gap) -> dict[int, float]:
        """USD a share of what was traded between two books: at the close that the later one shows; at that of
        the earlier one where the position is gone."""
        books = [self.book(gap.fund, book.day) for book in (gap.start, gap.end) if book is not None]
        return {
            key: value / shares for book in books for key, (shares, value) in book.items() if value and shares
        }

    def _read_book(self, fund: str, day: date) -> dict[int, tuple[float, float | None]]:
        rows = deriving.positions(self.connection, fund, day)
        return {key: (shares, value) for key, shares, value in rows}

    def _known_splits(self, gap: Gap, noticed: set[int]) -> list[Row]:
        """The splits that the table knows of what a fund held or traded where no two books show them."""
        if gap.start is None and not noticed:
            return []
        books = [self.book(gap.fund, book.day) for book in (gap.start, gap.end) if book is not None]
        keys = noticed.union(*books) if gap.start is not None else noticed
        return [
            _split(gap.fund, key, split.day, split.day, split.ratio)
            for key in sorted(keys & self.facts.keys())
            for split in self.facts[key]
            if (gap.start is None or gap.start.through < split.day)
            and (gap.end is None or split.day <= gap.end.through)
        ]


def _shares(book: Mapping[int, tuple[float, float | None]], key: int) -> float:
    return book[key][0] if key in book else 0.0


def _source(inference: Inference[int] | None) -> str:
    """What a day without a notice rests on."""
    if inference is None:
        return HOLE
    return UNTOLD if inference.basket.untold else HOLDINGS


def _day(
    fund: str,
    day: date,
    source: str,
    through: date,
    *,
    before: date | None = None,
    after: date | None = None,
    flow: float | None = None,
) -> Row:
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
) -> Row:
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


def _split(fund: str, security_id: int, first: date, through: date, ratio: Fraction) -> Row:
    return {
        "security_id": security_id,
        "day": first,
        "through": through,
        "fund": fund,
        "numerator": ratio.numerator,
        "denominator": ratio.denominator,
    }
