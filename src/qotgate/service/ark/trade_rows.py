"""Derives the rows that questions read (trades, covered days, splits) from notices and holdings."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import groupby

from sqlalchemy import Connection

from qotgate.ark.dynamics import Split
from qotgate.ark.grounds import Evidence, Ground
from qotgate.ark.inference import Inference
from qotgate.service.calendar import ark_sessions_after
from qotgate.store import deriving
from qotgate.store.deriving import BookDay, FundDay
from qotgate.store.tables import HOLDINGS, HOLE, NOTICE, PARTIAL, UNTOLD, Row

FEWEST_SHARES = 100
SMALLEST_PART = 0.0001
"""Smaller trades, in shares or relative to the position, cannot be distinguished from rounding."""
CLEAR = frozenset({Ground.STILL, Ground.FLOW, Ground.UNSURE, Ground.CLOSED})
"""Inferences that are certain without notices: a new position may come from an offering instead."""

MAX_BOOKS, MAX_BOOKS_AT_ONCE = 4000, 250
"""Books kept in memory, about 8 KB each, and books read by one statement. Each is needed twice: with more
books, all would be read twice."""

Notices = Mapping[date, Mapping[int, int]]
Book = Mapping[int, tuple[float, float | None]]


def matters(shares: float, held: float) -> bool:
    """Whether a trade in a position of ``held`` shares is large enough to be distinguished from rounding."""
    return abs(shares) >= max(FEWEST_SHARES, SMALLEST_PART * held)


@dataclass(frozen=True, slots=True)
class Gap:
    """The time between two consecutive books of a fund; None for a missing book."""

    fund: str
    start: BookDay | None
    end: BookDay | None

    def touches(self, days: Sequence[date]) -> bool:
        """Whether a book that shows one of ``days``, in order, or a notice of that day, affects the gap."""
        place = 0 if self.start is None else bisect_left(days, self.start.through)
        return place < len(days) and (self.end is None or days[place] <= self.end.through)

    @property
    def span(self) -> tuple[date, date]:
        """The day after which, and the last day on which, the trades in the gap happened."""
        return (
            self.start.through if self.start else date.min,
            self.end.through if self.end else date.max,
        )

    def order(self) -> tuple[str, date]:
        return self.fund, self.start.through if self.start else date.min


class Books:
    """The positions in holdings files: by security, the shares and the market value in USD if known. Books
    are read many at a time, and the latest ones are cached."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._kept: dict[FundDay, Book] = {}

    def of(self, fund: str, day: date, soon: Iterable[date] = ()) -> Book:
        """A fund's book; ``soon`` are days whose books are needed next."""
        if (fund, day) not in self._kept:
            days = [day, *(one for one in soon if (fund, one) not in self._kept)][:MAX_BOOKS_AT_ONCE]
            for one, book in deriving.positions(self._connection, fund, days).items():
                self._kept[fund, one] = book
        while len(self._kept) > MAX_BOOKS:
            del self._kept[next(iter(self._kept))]
        return self._kept[fund, day]


class TradeRows:
    """Writes the rows of some gaps; ``facts`` are the known splits of each security in the table."""

    def __init__(self, connection: Connection, books: Books, facts: Mapping[int, Sequence[Split]]) -> None:
        self.connection = connection
        self.books = books
        self.facts = facts

    def replace(self, told: Iterable[tuple[Gap, Inference[int] | None]]) -> None:
        """Write the trades in some gaps. Each gap comes with its inference, None if there is none: too many
        days, or no book on one side."""
        days: list[Row] = []
        trades: list[Row] = []
        splits: list[Row] = []
        spans = []
        for fund, some in groupby(sorted(told, key=lambda one: one[0].order()), key=lambda one: one[0].fund):
            gaps = list(some)
            joined = _joined(gap for gap, _ in gaps)
            noticed = deriving.noticed(self.connection, fund, joined[0][0], joined[-1][1])
            noticed_days = list(noticed)
            soon = [book.day for gap, _ in gaps for book in (gap.start, gap.end) if book is not None]
            for place, (gap, inference) in enumerate(gaps):
                shown, through = gap.span
                within = noticed_days[bisect_right(noticed_days, shown) : bisect_right(noticed_days, through)]
                books = [
                    self.books.of(fund, book.day, soon[2 * place :])
                    for book in (gap.start, gap.end)
                    if book is not None
                ]
                rows = self._rows(gap, inference, {day: noticed[day] for day in within}, books)
                for all_rows, some_rows in zip((days, trades, splits), rows, strict=True):
                    all_rows += some_rows
            spans += [(fund, shown, through) for shown, through in joined]
        deriving.replace_trades(self.connection, spans, days=days, trades=trades, splits=splits)

    def _rows(
        self, gap: Gap, inference: Inference[int] | None, notices: Notices, books: Sequence[Book]
    ) -> tuple[list[Row], list[Row], list[Row]]:
        """The covered days, the trades and the splits of a gap; ``books`` are those at its ends."""
        prices = _prices(books)
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
            rest = _rest(inference, notices, books[0], whole=bool(unknown))
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
            splits = self._known_splits(gap, {key for sums in notices.values() for key in sums}, books)
        return [*days.values()], trades, splits

    def _known_splits(self, gap: Gap, noticed: set[int], books: Sequence[Book]) -> list[Row]:
        """The table's splits of securities that a fund held or traded, if no two books show them."""
        if gap.start is None and not noticed:
            return []
        keys = noticed.union(*books) if gap.start is not None else noticed
        return [
            _split(gap.fund, key, split.day, split.day, split.ratio)
            for key in sorted(keys & self.facts.keys())
            for split in self.facts[key]
            if (gap.start is None or gap.start.through < split.day)
            and (gap.end is None or split.day <= gap.end.through)
        ]


def _rest(
    inference: Inference[int] | None, notices: Notices, held: Book, *, whole: bool
) -> dict[int, tuple[int, Evidence]]:
    """The inferred trades that ``notices`` do not tell.

    A notice overrides the inference for its stocks. It overrides the other stocks of its days too only if it
    names most of the trades that the holdings clearly show. ``whole``: some days have no notice, so inference
    counts.
    """
    if inference is None or inference.basket.untold:
        return {}
    told: dict[int, int] = {}
    for sums in notices.values():
        for key, shares in sums.items():
            told[key] = told.get(key, 0) + shares
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
            count = inference.basket.count(_shares(held, key))
            slack = units + inference.basket.slack(count, inference.basket.net)
            more = shares - told[key]
            if abs(more) > slack and matters(more, _shares(held, key)):
                rest[key] = (more, evidence)
    return rest


def _prices(books: Sequence[Book]) -> dict[int, float]:
    """The price in USD of the securities traded between two books: from the later book, or from the earlier
    one if the position is gone."""
    return {
        key: value / shares for book in books for key, (shares, value) in book.items() if value and shares
    }


def _joined(gaps: Iterable[Gap]) -> list[tuple[date, date]]:
    """The merged spans of one fund's gaps, in order."""
    found: list[tuple[date, date]] = []
    for shown, through in (gap.span for gap in gaps):
        if found and found[-1][1] == shown:
            found[-1] = (found[-1][0], through)
        else:
            found.append((shown, through))
    return found


def _shares(book: Book, key: int) -> float:
    return book[key][0] if key in book else 0.0


def _source(inference: Inference[int] | None) -> str:
    """The source of a day without a notice."""
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
