"""The two lists over all securities: the ARK funds' holdings, and their active trades.

Both come from one set of changes. Each page recomputes the list, as of the day of the first page, so days
loaded meanwhile do not change it. A load that does change it, such as a late file of an earlier day, ends the
paging with a sentence: earlier and later pages would not match.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from hashlib import sha256
from math import isfinite, nan, trunc
from operator import itemgetter
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from sqlalchemy import Connection

from qotgate.ark.positions import CYCLE_SESSIONS, Change
from qotgate.model import (
    ActiveTransaction,
    ArkActiveTransactionHoldingType,
    ArkActiveTransactionSortField,
    ArkCycleType,
    ArkFundHoldingSortField,
    ArkHoldingType,
    FundHolding,
    InvalidRequest,
    Page,
    RankSortDir,
)
from qotgate.protocol.interface import ACTIVE_TRANSACTIONS, FUND_HOLDINGS, ListQuestion
from qotgate.service.ark.changes import Label, labelled_changes, left_out
from qotgate.service.ark.dynamics import ark_day
from qotgate.service.columns.books import BookColumns
from qotgate.service.columns.source import Spanned
from qotgate.service.cursor import Cursors, ListCursor
from qotgate.service.questions import Questions, check_count

if TYPE_CHECKING:
    from qotgate.service.columns.book_sets import Cut, Floats, Rows

DIGEST_LENGTH = 32

Row = TypeVar("Row", FundHolding, ActiveTransaction)
Row_co = TypeVar("Row_co", FundHolding, ActiveTransaction, covariant=True)
HOLDING_SORTS: dict[ArkFundHoldingSortField, Callable[[FundHolding], float | None]] = {
    ArkFundHoldingSortField.SHARES: lambda row: row.shares,
    ArkFundHoldingSortField.WEIGHT_CHANGE: lambda row: row.weight_change,
    ArkFundHoldingSortField.SHARES_CHANGE: lambda row: row.shares_change,
    ArkFundHoldingSortField.MARKET_VALUE: lambda row: row.market_value,
    # Weights are truncated to two decimals; equal weights are ordered by value.
    ArkFundHoldingSortField.WEIGHT: lambda row: None if row.weight is None else row.market_value,
}
TRANSACTION_SORTS: dict[ArkActiveTransactionSortField, Callable[[ActiveTransaction], float | None]] = {
    ArkActiveTransactionSortField.UNKNOWN: lambda row: row.change_amount,
    ArkActiveTransactionSortField.CHANGE_AMOUNT: lambda row: row.change_amount,
    ArkActiveTransactionSortField.CHANGE_SHARES: lambda row: row.change_shares,
}


Key = Callable[[tuple["Floats", ...]], "Floats"]
"""The sort key of a list in columns, computed from its columns."""
HOLDING_KEYS: dict[ArkFundHoldingSortField, Key] = {
    ArkFundHoldingSortField.SHARES: itemgetter(0),
    ArkFundHoldingSortField.SHARES_CHANGE: itemgetter(1),
    ArkFundHoldingSortField.MARKET_VALUE: itemgetter(2),
    # Unknown if the weight is.
    ArkFundHoldingSortField.WEIGHT: lambda columns: columns[2] + 0 * columns[3],
    ArkFundHoldingSortField.WEIGHT_CHANGE: itemgetter(4),
}
TRANSACTION_KEYS: dict[ArkActiveTransactionSortField, Key] = {
    ArkActiveTransactionSortField.UNKNOWN: itemgetter(0),
    ArkActiveTransactionSortField.CHANGE_AMOUNT: itemgetter(0),
    ArkActiveTransactionSortField.CHANGE_SHARES: itemgetter(1),
}
NUMBERS = {
    FundHolding: ("shares", "shares_change", "market_value", "weight", "weight_change"),
    ActiveTransaction: ("change_amount", "change_shares"),
}
"""The numeric columns, in order."""
WHOLE = {FundHolding: (0, 1), ActiveTransaction: (1,)}
"""The numeric columns of whole numbers."""


def fund_holdings(
    questions: Questions,
    holding_type: ArkHoldingType = ArkHoldingType.POSITION,
    cycle_type: ArkCycleType = ArkCycleType.ONE_DAY,
    sort_field: ArkFundHoldingSortField = ArkFundHoldingSortField.SHARES,
    sort_dir: RankSortDir = RankSortDir.DESCENDING,
    count: int = FUND_HOLDINGS.count,
    page: str | None = None,
    as_of: date | None = None,
) -> Page[FundHolding]:
    """The ARK funds' combined holdings after the trading of ``as_of``, and their changes over a cycle.

    For POSITION the cycle is always one day. ``count`` is 1 to 200 rows; ``page`` the ``next_page`` of an
    earlier answer to the same question. Raises InvalidRequest, also for a page of a list that a load has
    changed since. The rules are in :mod:`qotgate.ark.positions`.
    """
    if holding_type is ArkHoldingType.POSITION:
        cycle_type = ArkCycleType.ONE_DAY
    return _answer(
        questions,
        FUND_HOLDINGS,
        questions.held_funds,
        (holding_type, cycle_type, sort_field, sort_dir),
        lambda changed: ranked(holding_rows(changed, holding_type), HOLDING_SORTS[sort_field], sort_dir),
        lambda cut: (cut.holdings(holding_type), HOLDING_KEYS[sort_field], sort_dir),
        cycle_type,
        count,
        page,
        as_of,
        traded=False,
    )


def active_transactions(
    questions: Questions,
    holding_type: ArkActiveTransactionHoldingType = ArkActiveTransactionHoldingType.INCREASE,
    cycle_type: ArkCycleType = ArkCycleType.ONE_DAY,
    sort_field: ArkActiveTransactionSortField = ArkActiveTransactionSortField.UNKNOWN,
    sort_dir: RankSortDir = RankSortDir.DESCENDING,
    count: int = ACTIVE_TRANSACTIONS.count,
    page: str | None = None,
    as_of: date | None = None,
) -> Page[ActiveTransaction]:
    """The ARK funds' combined active trades over the cycle that ends on ``as_of``.

    Holding types and parameters are the same as in :func:`fund_holdings`.
    """
    return _answer(
        questions,
        ACTIVE_TRANSACTIONS,
        questions.funds,
        (holding_type, cycle_type, sort_field, sort_dir),
        lambda changed: ranked(
            transaction_rows(changed, holding_type), TRANSACTION_SORTS[sort_field], sort_dir
        ),
        lambda cut: (
            cut.transactions(ArkHoldingType(holding_type.value)),
            TRANSACTION_KEYS[sort_field],
            sort_dir,
        ),
        cycle_type,
        count,
        page,
        as_of,
        traded=True,
    )


def _answer(
    questions: Questions,
    asked: ListQuestion[Row],
    funds: tuple[str, ...],
    words: tuple[str, ...],
    rows_of: Callable[[list[tuple[Change, Label]]], list[Row]],
    columns_of: Callable[["Cut"], tuple["Rows", "Key", RankSortDir]],
    cycle_type: ArkCycleType,
    count: int,
    page: str | None,
    as_of: date | None,
    *,
    traded: bool,
) -> Page[Row]:
    """A page of the rows from ``rows_of``, or from the columns of ``columns_of``: the rows, their sort key
    and direction."""
    check_count(asked, count)
    question = (asked.name, *words, str(as_of or ""), questions.lang, *funds)

    def begin(cursors: Cursors, source: Spanned) -> tuple[date, ListCursor | None]:
        cursor = cursors.read(question, page, ListCursor) if page else None
        return date.fromisoformat(cursor.as_of) if cursor else ark_day(questions, source, as_of), cursor

    def of_columns(columns: BookColumns) -> Page[Row]:
        from qotgate.service.columns.book_sets import BookSets, Cut, RankedColumns

        day, cursor = begin(columns.cursors, columns)
        ends = columns.ends(funds, day, CYCLE_SESSIONS[cycle_type])
        sets = columns.sets(
            (funds, questions.reference.digest),
            lambda: BookSets.whole(columns, funds, questions.reference),
            at_hand_only=questions.at_hand_only,
        )
        rows, key, direction = columns_of(Cut(columns, sets, funds, ends, day))
        listed = RankedColumns.of(
            sets, questions.lang, rows, key(rows.columns), _sign(direction), asked.row, WHOLE[asked.row]
        )
        return page_of(listed, columns.cursors, question, day, count, cursor, ends.left_out)

    def of_database(connection: Connection) -> Page[Row]:
        cursors = questions.cursors(connection)
        day, cursor = begin(cursors, questions.trades_in(connection))
        changed = labelled_changes(
            connection, questions.reference, questions.lang, funds, day, cycle_type, traded=traded
        )
        stale = left_out(connection, funds, day)
        return page_of(RankedRows(rows_of(changed)), cursors, question, day, count, cursor, stale)

    return questions.answer(BookColumns, of_columns, of_database)


def holding_rows(changed: Iterable[tuple[Change, Label]], holding_type: ArkHoldingType) -> list[FundHolding]:
    """The rows of one holding type."""
    position = holding_type is ArkHoldingType.POSITION
    return [
        FundHolding(
            security=security,
            name=name,
            shares=change.now.shares,
            shares_change=change.now.shares - change.then.shares,
            market_value=change.now.value,
            weight=_cut(change.now.weight),
            weight_change=_difference(_cut(change.now.weight), _cut(change.then.weight)),
        )
        for change, (security, name) in changed
        if (change.now.shares if position else change.holding_type is holding_type)
    ]


def transaction_rows(
    changed: Iterable[tuple[Change, Label]], holding_type: ArkActiveTransactionHoldingType
) -> list[ActiveTransaction]:
    """The rows of one holding type: the securities listed under it as holdings, without those whose trades
    cancel out."""
    wanted = ArkHoldingType(holding_type.value)
    return [
        ActiveTransaction(security, name, change.amount, change.traded)
        for change, (security, name) in changed
        if change.traded and change.holding_type is wanted
    ]


def ranked(rows: Iterable[Row], value: Callable[[Row], float | None], direction: RankSortDir) -> list[Row]:
    """The rows in order; those without a value last, equal ones by code, then name."""
    sign = _sign(direction)

    def place(row: Row) -> tuple[bool, float, str, str]:
        number = value(row)
        return number is None, sign * (number or 0), str(row.security or ""), row.name

    return sorted(rows, key=place)


def _sign(direction: RankSortDir) -> int:
    return -1 if direction is RankSortDir.DESCENDING else 1


class Ranked(Protocol[Row_co]):
    """A whole sorted list. ``contents`` are the code and name of each row, and all numbers, as bytes."""

    def __len__(self) -> int: ...

    def contents(self) -> tuple[list[bytes], bytes]: ...

    def rows(self, start: int, end: int) -> Sequence[Row_co]: ...


class RankedRows(Generic[Row]):
    """A whole sorted list of rows."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows: Sequence[Row] = rows

    def __len__(self) -> int:
        return len(self._rows)

    def contents(self) -> tuple[list[bytes], bytes]:
        texts = [
            f"{row.security or ''}\x1e{row.name}".encode(errors="backslashreplace") for row in self._rows
        ]
        numbers = (getattr(row, name) for row in self._rows for name in NUMBERS[type(row)])
        # The sign of zero does not count here.
        return texts, array("d", (nan if one is None else one + 0.0 for one in numbers)).tobytes()

    def rows(self, start: int, end: int) -> tuple[Row, ...]:
        return tuple(self._rows[start:end])


def page_of(
    listed: Ranked[Row],
    cursors: Cursors,
    question: tuple[str, ...],
    day: date,
    count: int,
    cursor: ListCursor | None,
    left_out: tuple[tuple[str, date], ...],
) -> Page[Row]:
    """One page of a whole list as of ``day``. Raises InvalidRequest if a load has changed it since its first
    page."""
    texts, numbers = listed.contents()
    whole = sha256(b"\x1f".join(texts) + b"\x1f" + numbers)
    digest = whole.hexdigest()[:DIGEST_LENGTH]
    if cursor is not None and cursor.digest != digest:
        raise InvalidRequest("page_changed")
    start = cursor.offset if cursor is not None else 0
    end = start + count
    next_page = None
    if end < len(listed):
        next_page = cursors.write(question, ListCursor(day.isoformat(), end, digest))
    return Page(listed.rows(start, end), next_page, len(listed), left_out, day)


def _cut(weight: float | None) -> float | None:
    """A weight in percent truncated to two decimals, as OpenD does before subtracting. A billionth below a
    hundredth counts as the hundredth."""
    return None if weight is None or not isfinite(weight) else trunc(round(100 * weight, 7)) / 100


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else round(one - other, 2)
