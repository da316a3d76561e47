"""Computes the two lists on whole columns: sums of the books of a day, and the rows of a list.

The results equal those of :mod:`qotgate.ark.positions` to the last digit: NumPy's sum of two numbers is
exact, longer sums are added up exactly, and securities that need fractions, such as after a split within the
cycle, go through the rules one at a time. Unknown numbers are NaN. Imported on demand, since NumPy is slow to
import.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cached_property
from math import fsum, isfinite, trunc
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from qotgate.ark import positions
from qotgate.ark.dynamics import Split
from qotgate.ark.positions import Change, Cycle, Trade, changes
from qotgate.model import ArkHoldingType, ColumnRows, Language, Security
from qotgate.service.columns.source import DayTrade, Ends, NotAtHand, SeenSplit
from qotgate.service.reference import Reference
from qotgate.store.sums import PARTS

MOST_SHARES = 2.0**50
"""Limit below which the shares of all funds add up exactly."""
NEARLY = 1 - 1e-6
"""The part of a hundredth from which a weight may be rounded up to the next hundredth."""

Floats = NDArray[np.float64]
Numbers = NDArray[np.int32]
Mask = NDArray[np.bool_]
Objects = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Book:
    """A fund's holdings file: by security in ascending order, the shares, the market value in USD, and the
    number of the line's spelling. ``total`` is the value of all lines, None if one is missing.

    ``plain``: each security has one line, each line has shares, and they are small enough to add up exactly.
    """

    through: date
    security: Numbers
    shares: Floats
    value: Floats
    spelling: Numbers
    total: float | None
    plain: bool


class Books(Protocol):
    """The methods of :class:`~qotgate.service.columns.books.BookColumns` that are needed here."""

    @property
    def spellings(self) -> Sequence[tuple[str, str, str]]: ...

    def book(self, fund: str, through: date) -> Book | None: ...

    def throughs(self, funds: Collection[str]) -> list[date]: ...

    def splits(self, funds: Collection[str], as_of: date, after: date = ...) -> Sequence[SeenSplit]: ...

    def trades(
        self, funds: Collection[str], before: date, as_of: date
    ) -> Mapping[int, Sequence[DayTrade]]: ...


class BookSet(NamedTuple):
    """The sum of the books that show one day, by security in ascending order; shares are whole numbers."""

    funds: tuple[str, ...]
    security: Numbers
    shares: Floats
    value: Floats
    spelling: Numbers
    coded: Mask
    weight: Floats
    """In percent, truncated to hundredths."""
    total: float | None


class Labels(NamedTuple):
    """By number of spelling: the name in one language, code and name as one text, and the position in the
    order of the two."""

    names: list[str]
    texts: Objects
    ranks: Numbers


class Rows(NamedTuple):
    """The rows of a list in any order: for each row the number of its spelling, and its numbers by column."""

    spelling: Numbers
    columns: tuple[Floats, ...]


def make_book(through: date, lines: Iterable[tuple[int | None, int, float, float | None]]) -> Book:
    """A book from (security, spelling, shares, value) in the order of its lines; cash has no security."""
    total: float | None = 0.0
    found: dict[int, tuple[int, float, float]] = {}
    plain = True
    for security, spelling, shares, value in lines:
        # One after the other, in the same order as the rules.
        total = None if total is None or value is None else total + value
        if security is None:
            continue
        plain = plain and security not in found and 0 < abs(shares) < MOST_SHARES
        found[security] = spelling, shares, np.nan if value is None else value
    keys = sorted(found)
    return Book(
        through,
        np.array(keys, np.int32),
        np.array([found[key][1] for key in keys], np.float64),
        np.array([found[key][2] for key in keys], np.float64),
        np.array([found[key][0] for key in keys], np.int32),
        total,
        plain,
    )


class BookSets:
    """The sums of the books of some funds, by day, with the codes of their lines by ``reference``."""

    def __init__(self, columns: Books, funds: tuple[str, ...], reference: Reference) -> None:
        self._columns = columns
        self._funds = funds
        self._reference = reference
        self.codes: list[Security | None] = []
        self._sets: dict[date, BookSet] = {}
        self._securities: dict[bytes, Numbers] = {}
        """Equal columns of securities are one object: most days hold the same ones."""
        self._labels: dict[Language, Labels] = {}
        self._learn()

    @classmethod
    def whole(cls, columns: Books, funds: tuple[str, ...], reference: Reference) -> "BookSets":
        """With the sums of all days, except days that are not plain."""
        made = cls(columns, funds, reference)
        for through in columns.throughs(funds):
            try:
                made.of(through)
            except NotAtHand:
                continue
        return made

    def before(self, since: date, columns: Books) -> "BookSets":
        """The sums of other columns, which are equal before the day ``since``."""
        made = BookSets.__new__(BookSets)
        made._columns, made._funds, made._reference = columns, self._funds, self._reference
        made.codes = [*self.codes]
        made._securities = self._securities.copy()
        made._sets = {day: found for day, found in self._sets.copy().items() if day < since}
        made._labels = {}
        made._learn()
        return made

    def _learn(self) -> None:
        """Look up the codes of new spellings."""
        code = self._reference.listings.code
        self.codes += [code(*one) for one in self._columns.spellings[len(self.codes) :]]
        self._coded = np.array([one is not None for one in self.codes], np.bool_)

    def labels(self, lang: Language) -> Labels:
        found = self._labels.get(lang)
        if found is None:
            name_of = self._reference.security_name
            names = [
                name if code is None else name_of(code, lang, name)
                for code, (_, _, name) in zip(self.codes, self._columns.spellings, strict=True)
            ]
            texts = [str(code or "") for code in self.codes]
            keys = list(zip(texts, names, strict=True))
            places = {key: place for place, key in enumerate(sorted(set(keys)))}
            ranks = np.array([places[key] for key in keys], np.int32)
            joined = ["\x1e".join(key).encode(errors="backslashreplace") for key in keys]
            found = Labels(names, np.array(joined, np.object_), ranks)
            self._labels[lang] = found
        return found

    def of(self, through: date) -> BookSet:
        """The sum of the books that show ``through``. Raises NotAtHand if one of them is not plain."""
        found = self._sets.get(through)
        if found is None:
            books = {fund: self._columns.book(fund, through) for fund in self._funds}
            found = _added({fund: book for fund, book in books.items() if book is not None}, self._coded)
            same = self._securities.setdefault(found.security.tobytes(), found.security)
            found = self._sets[through] = found._replace(security=same)
        return found


def _added(books: Mapping[str, Book], coded: Mask) -> BookSet:
    """The sum of the ``books`` of one day."""
    if not books or not all(book.plain for book in books.values()):
        raise NotAtHand
    security = np.concatenate([book.security for book in books.values()])
    order = np.argsort(security, kind="stable")
    security = security[order]
    shares = np.concatenate([book.shares for book in books.values()])[order]
    value = np.concatenate([book.value for book in books.values()])[order]
    spelling = np.concatenate([book.spelling for book in books.values()])[order]
    starts = np.flatnonzero(np.diff(security, prepend=security[:1] - 1))
    counts = np.diff(starts, append=len(security))
    summed, worth = (np.add.reduceat(one, starts) for one in (shares, value))
    for place in np.flatnonzero(counts > 2).tolist():
        worth[place] = fsum(value[starts[place] : starts[place] + counts[place]].tolist())
    broken = shares != np.trunc(shares)
    for place in np.flatnonzero(np.logical_or.reduceat(broken, starts)).tolist():
        exact = sum(map(Fraction, shares[starts[place] : starts[place] + counts[place]].tolist()))
        summed[place] = round(exact)
    first = spelling[starts]
    for place in np.flatnonzero(~coded[first] & (counts > 1)).tolist():
        for one in spelling[starts[place] : starts[place] + counts[place]].tolist():
            if coded[one]:
                first[place] = one
                break
    held = summed != 0
    if not held.any():
        raise NotAtHand
    worth[~np.isfinite(worth)] = np.nan
    totals = [book.total for book in books.values()]
    total = None if None in totals else fsum(one for one in totals if one is not None)
    kept = worth[held]
    return BookSet(
        funds=tuple(books),
        security=security[starts][held],
        shares=summed[held],
        value=kept,
        spelling=first[held],
        coded=coded[first][held],
        weight=_cut(100 * kept / total if total else np.full(len(kept), np.nan)),
        total=total,
    )


def _cut(weight: Floats) -> Floats:
    """Weights truncated as by :func:`qotgate.service.ark.lists.cut`."""
    hundredths = 100 * weight
    whole = np.trunc(hundredths)
    for place in np.flatnonzero(np.abs(hundredths - whole) > NEARLY).tolist():
        whole[place] = trunc(round(float(hundredths[place]), 7))
    whole[~np.isfinite(whole)] = np.nan
    found: Floats = whole / 100 + 0.0
    return found


class Cut:
    """A cycle of one list: the sums of the books at either end, and the known splits and trades."""

    def __init__(
        self, columns: Books, sets: BookSets, funds: tuple[str, ...], ends: Ends, as_of: date
    ) -> None:
        self._columns = columns
        self._cycle = Cycle(ends.before, ends.last, as_of)
        self.now, self.then = sets.of(ends.last), sets.of(ends.before)
        stale = {fund for fund, _ in ends.left_out}
        if self.now.funds != self.then.funds or stale & set(self.now.funds):
            raise NotAtHand
        self._all_funds = funds
        self._split = {one.security for one in columns.splits(funds, as_of, ends.before)}

    @cached_property
    def _seen(self) -> Sequence[SeenSplit]:
        return self._columns.splits(self._all_funds, self._cycle.as_of)

    def holdings(self, kind: ArkHoldingType) -> Rows:
        """The rows of :func:`qotgate.service.ark.lists.holding_rows`: shares, their change, value, weight and
        its change."""
        gone = kind is ArkHoldingType.SOLD_OUT
        base, other = (self.then, self.now) if gone else (self.now, self.then)
        other = _along(base.security, other)
        shares, weight = [base.shares, other.shares], [base.weight, other.weight]
        value = base.value
        if gone:
            shares.reverse()
            weight.reverse()
            value = other.value
        if self._split:
            shares, value, weight = (
                [one.copy() for one in shares],
                value.copy(),
                [one.copy() for one in weight],
            )
            for change in self._exact(self._split, ()):
                here = np.flatnonzero(base.security == change.security)
                for end, stake in enumerate((change.now, change.then)):
                    shares[end][here] = stake.shares
                    weight[end][here] = _cut(np.array([_number(stake.weight)]))
                value[here] = _number(change.now.value)
        now, then = shares
        mask = _KINDS[kind](now, then)
        moved = np.rint((weight[0] - weight[1]) * 100) / 100
        spelling = np.where(~base.coded & other.coded, other.spelling, base.spelling)
        columns = (now, now - then, value, weight[0], moved)
        if mask.all():
            return Rows(spelling, columns)
        return Rows(spelling[mask], tuple(one[mask] for one in columns))

    def transactions(self, kind: ArkHoldingType) -> Rows:
        """The rows of :func:`qotgate.service.ark.lists.transaction_rows`: USD and shares."""
        by_security = self._columns.trades(self._all_funds, self._cycle.before, self._cycle.as_of)
        keys = sorted(by_security)
        wanted = np.array(keys, np.int32)
        now, then = _along(wanted, self.now), _along(wanted, self.then)
        first = (now.shares != 0) & (now.coded | ~then.coded)
        spelling = np.where(first, now.spelling, then.spelling)
        chosen: list[tuple[int, float, int]] = []
        apart = []
        for place, is_of_kind in enumerate(_KINDS[kind](now.shares, then.shares).tolist()):
            security = keys[place]
            trades = by_security[security]
            if security in self._split or self._is_unpriced(trades):
                apart.append(security)
            elif is_of_kind and (traded := sum([one[4] for one in trades])):
                amount = round(fsum(self._amounts(trades)), positions.CENTS)
                chosen.append((place, amount, traded))
        if apart:
            grouped = [one for key in apart for one in self._grouped(by_security[key])]
            chosen += [
                (keys.index(change.security), _number(change.amount), change.traded)
                for change in self._exact(apart, grouped)
                if change.traded and change.holding_type is kind
            ]
            chosen.sort()
        columns = (np.array([float(one[place]) for one in chosen], np.float64) for place in (1, 2))
        return Rows(spelling[[one[0] for one in chosen]], tuple(columns))

    def _is_unpriced(self, trades: Sequence[DayTrade]) -> bool:
        """Whether the USD of a security's trades are not known."""
        if None not in [one[5] for one in trades]:
            return False
        return any(one.unpriced for one in self._grouped(trades))

    def _amounts(self, trades: Sequence[DayTrade]) -> list[float]:
        """The USD of a security's trades by fund."""
        if trades[0][0] == trades[-1][0]:
            # A fund trades a security once a day.
            return [(one[5] or 0) / PARTS for one in trades]
        return [one.amount for one in self._grouped(trades)]

    def _grouped(self, trades: Sequence[DayTrade]) -> list[Trade]:
        """One security's trades by fund, as in :func:`qotgate.store.books.trades_query`, and by day if the
        funds have seen a split of it."""
        by_day = any(one.security == trades[0].security for one in self._seen)
        groups: dict[tuple[str, date | None], list[DayTrade]] = {}
        for trade in trades:
            groups.setdefault((trade.fund, trade.day if by_day else None), []).append(trade)
        return [
            Trade(
                security=rows[0].security,
                fund=rows[0].fund,
                day=rows[0].day,
                through=max(row.through for row in rows),
                shares=sum(row.shares for row in rows),
                amount=sum(row.parts for row in rows if row.parts is not None) / PARTS,
                unpriced=sum(row.shares for row in rows if row.parts is None),
            )
            for rows in groups.values()
        ]

    def _exact(self, securities: Collection[int], trades: Sequence[Trade]) -> list[Change]:
        """The result of the rules for some securities."""
        ends = []
        for through in (self._cycle.last, self._cycle.before):
            books = ((fund, self._columns.book(fund, through)) for fund in self.now.funds)
            ends.append([_part(fund, book, securities) for fund, book in books if book is not None])
        seen: dict[int, dict[str, list[Split]]] = {}
        for one in self._seen:
            if one.security in securities:
                seen.setdefault(one.security, {}).setdefault(one.fund, []).append(one.split)
        return changes(self._cycle, ends[0], ends[1], trades, seen)


_KINDS: dict[ArkHoldingType, Callable[[Floats, Floats], Mask]] = {
    ArkHoldingType.POSITION: lambda now, _then: now != 0,
    ArkHoldingType.NEW: lambda now, then: (then == 0) & (now != 0),
    ArkHoldingType.SOLD_OUT: lambda now, then: (now == 0) & (then != 0),
    ArkHoldingType.INCREASE: lambda now, then: (now > then) & (then != 0) & (now != 0),
    ArkHoldingType.DECREASE: lambda now, then: (now < then) & (then != 0) & (now != 0),
}
"""Whether rows are of a kind, by their shares at either end."""


def _along(securities: Numbers, end: BookSet) -> BookSet:
    """The sums of some securities: 0, and without a code, for those that are not held."""
    if end.security is securities:
        return end
    place, match = _places(end.security, securities)
    shares, value, weight = (np.where(match, one[place], 0.0) for one in (end.shares, end.value, end.weight))
    return end._replace(
        security=securities,
        shares=shares,
        value=value,
        weight=weight,
        spelling=end.spelling[place],
        coded=end.coded[place] & match,
    )


def _places(among: Numbers, wanted: Numbers) -> tuple[Any, Mask]:
    """The position of each of ``wanted`` in ``among``, in ascending order, and whether it is there."""
    place = np.minimum(np.searchsorted(among, wanted), len(among) - 1)
    return place, among[place] == wanted


def _part(fund: str, book: Book, securities: Collection[int]) -> positions.Book:
    """A book with only some securities, and the total of all."""
    wanted = np.array(sorted(securities), np.int32)
    place, match = _places(book.security, wanted)
    found = {
        int(book.security[one]): (float(book.shares[one]), _told(float(book.value[one])))
        for one in place[match].tolist()
    }
    return positions.Book(fund, book.through, found, book.total)


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _told(value: float) -> float | None:
    return None if value != value else value


@dataclass(frozen=True)
class RankedColumns:
    """A sorted list of rows of one ``kind``: their codes and names, and their numbers (NaN if unknown); the
    columns ``whole`` have whole numbers."""

    codes: Sequence[Security | None]
    labels: Labels
    spelling: Numbers
    numbers: Floats
    kind: type[Any]
    whole: Collection[int]

    @classmethod
    def of(
        cls,
        sets: BookSets,
        lang: Language,
        rows: Rows,
        key: Floats,
        sign: int,
        kind: type[Any],
        whole: Collection[int],
    ) -> "RankedColumns":
        """Rows without the ``key`` last, equal ones by code, then name."""
        labels = sets.labels(lang)
        order = _order(sign * key, labels.ranks[rows.spelling])
        numbers = np.array(rows.columns)[:, order].T + 0.0
        return cls(sets.codes, labels, rows.spelling[order], numbers, kind, whole)

    def __len__(self) -> int:
        return len(self.spelling)

    def contents(self) -> tuple[list[bytes], bytes]:
        texts: list[bytes] = self.labels.texts[self.spelling].tolist()
        return texts, np.where(np.isnan(self.numbers), np.nan, self.numbers).tobytes()

    def rows(self, start: int, end: int) -> ColumnRows[Any]:
        codes, names = self.codes, self.labels.names
        spelling = self.spelling[start:end].tolist()
        columns = [
            list(map(int, column))
            if place in self.whole
            else [one if isfinite(one) else None for one in column]
            for place, column in enumerate(self.numbers[start:end].T.tolist())
        ]
        return ColumnRows(
            self.kind, ([codes[one] for one in spelling], [names[one] for one in spelling], *columns)
        )


def _order(key: Floats, ranks: Numbers) -> NDArray[np.intp]:
    """The order by ``key``, equal and unknown ones by rank."""
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    if len(key) and not np.isnan(ordered[-1]) and (ordered[1:] != ordered[:-1]).all():
        # Almost always no two keys are equal.
        return order
    return np.lexsort((ranks, key))
