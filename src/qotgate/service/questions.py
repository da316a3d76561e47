"""The questions that the gateway answers, as plain calls; safe to call from any number of threads."""

from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date
from threading import Lock

from sqlalchemy import Connection

from qotgate.ark.dynamics import WINDOW_DAYS, daily_sums, dynamic, window_start
from qotgate.ark.positions import Change
from qotgate.model import (
    ACTIVE_FUNDS,
    ETFS,
    ActiveTransaction,
    ArkActiveTransactionHoldingType,
    ArkActiveTransactionSortField,
    ArkCycleType,
    ArkDynamic,
    ArkFundHoldingSortField,
    ArkHoldingType,
    FundHolding,
    InvalidRequest,
    Language,
    Market,
    NothingLoaded,
    Page,
    RankSortDir,
    RatingChange,
    RatingChangeType,
    Security,
    TradeEvidence,
    Unavailable,
    UntoldDays,
)
from qotgate.protocol.interface import ACTIVE_TRANSACTIONS, FUND_HOLDINGS, RATING_CHANGES
from qotgate.ratings.words import known_grade, level
from qotgate.service.ark_lists import (
    HOLDING_SORTS,
    TRANSACTION_SORTS,
    Label,
    active_transactions,
    fund_holdings,
    labelled_changes,
    left_out,
    page_of,
    ranked,
)
from qotgate.service.ark_lists import Row as ListRow
from qotgate.service.cursor import Cursor, Cursors, ListCursor
from qotgate.service.evidence import evidence, places_of
from qotgate.service.reference import Reference
from qotgate.store import Store, reads
from qotgate.store.database import generation, read_state, secret
from qotgate.store.reads.ratings import RatingFilter
from qotgate.store.tables import Row

RATING_MARKETS = (Market.US, Market.CA)
COUNTS_KEPT = 256


class Questions:
    """Answers from one database.

    ``funds`` are the ARK funds whose trades are summed, ``window_days`` the calendar days that a dynamic
    looks back on, ``lang`` the language of names.
    """

    def __init__(
        self,
        store: Store,
        reference: Reference,
        *,
        lang: Language = "zh",
        funds: Collection[str] | None = None,
        window_days: int = WINDOW_DAYS,
    ) -> None:
        self.store = store
        self.reference = reference
        self.lang: Language = lang
        self.funds = tuple(sorted(set(funds or ACTIVE_FUNDS)))
        self.held_funds = tuple(sorted(set(funds or ETFS)))
        self._named_funds = funds
        self.window_days = window_days
        self._ark_span: tuple[int, date | None, date | None] = (-1, None, None)
        self._counts: OrderedDict[tuple[str, str, int, date], int] = OrderedDict()
        self._counts_lock = Lock()

    def varied(self, *, lang: Language | None = None, funds: Collection[str] | None = None) -> "Questions":
        """The same questions with names in another language, or over other funds."""
        return Questions(
            self.store,
            self.reference,
            lang=lang or self.lang,
            funds=funds or self._named_funds,
            window_days=self.window_days,
        )

    def cursors(self, connection: Connection) -> Cursors:
        """What signs the cursors of the data that ``connection`` sees: after a restore, those of the data
        before are refused."""
        return Cursors(secret(connection))

    def ark_stock_dynamic(self, security: Security, as_of: date | None = None) -> ArkDynamic:
        """How the ARK funds trade ``security``, as it was known at the end of the day ``as_of``.

        ``as_of`` is the latest day that the loaded data covers unless an earlier one is named. Raises
        InvalidRequest. The rules stand in :mod:`qotgate.ark.dynamics`.
        """
        with self.store.reading() as connection:
            day, sums = self.transaction_days(connection, security, as_of)
            return self.dynamic(connection, sums, day)

    def explain_ark_stock_dynamic(
        self, security: Security, as_of: date | None = None
    ) -> tuple[ArkDynamic, tuple[TradeEvidence, ...]]:
        """The dynamic, and each fund's trades on the days that it counts, oldest first.

        Raises InvalidRequest.
        """
        with self.store.reading() as connection:
            day, sums = self.transaction_days(connection, security, as_of)
            answer = self.dynamic(connection, sums, day)
            counted = [counted for counted, _ in sums[len(sums) - answer.transaction_count :]]
            security_id = reads.securities.security_id(connection, str(security))
            if not counted or security_id is None:
                return answer, ()
            rows = reads.ark.explained_trades(connection, security_id, self.funds, counted, day)
            places = places_of(connection, security_id, rows)
        return answer, tuple(evidence(row, places(row)) for row in rows)

    def dynamic(self, connection: Connection, sums: list[tuple[date, int]], day: date) -> ArkDynamic:
        """The dynamic on ``day`` of transactions that :meth:`transaction_days` gives, with the days of its
        window that are not told."""
        since = window_start(day, self.window_days)
        untold = reads.ark.untold_days(connection, self.funds, since, day)
        answer = dynamic(sums, day, self.window_days)
        return replace(answer, untold=tuple(UntoldDays(*days) for days in untold), known_to=day)

    def transaction_days(
        self, connection: Connection, security: Security, as_of: date | None
    ) -> tuple[date, list[tuple[date, int]]]:
        """The day asked for, and of the transactions known on it those of the window, or else the last.

        Raises InvalidRequest.
        """
        day = self.ark_day(connection, as_of)
        security_id = reads.securities.security_id(connection, str(security))
        if security_id is None:
            return day, []
        seen = reads.ark.splits(connection, security_id, self.funds, day)
        start, end = window_start(day, self.window_days), day
        while True:
            trades = reads.ark.trades(connection, security_id, self.funds, start, end, day)
            if sums := daily_sums(trades, seen, day):
                return day, sums
            # No trades, or such as add up to nothing: further back, a day at a time.
            last = reads.ark.last_trade_day(connection, security_id, self.funds, start, day)
            if last is None:
                return day, []
            start = end = last

    def ark_day(self, connection: Connection, as_of: date | None) -> date:
        """The day that an answer is of: the day asked for, or the last one that the data covers where that is
        earlier. Raises InvalidRequest for a day before the first one. Both are looked for once in each
        generation."""
        number = generation(connection)
        known, first, latest = self._ark_span
        if number != known:
            first = reads.ark.first_ark_day(connection, self.funds)
            latest = reads.ark.latest_ark_day(connection, self.funds)
            self._ark_span = number, first, latest
        if latest is None:
            raise NothingLoaded("no_ark_data")
        check_not_before(as_of, first)
        return day_asked(as_of, latest)

    def fund_holdings(
        self,
        holding_type: ArkHoldingType = ArkHoldingType.POSITION,
        cycle_type: ArkCycleType = ArkCycleType.ONE_DAY,
        sort_field: ArkFundHoldingSortField = ArkFundHoldingSortField.SHARES,
        sort_dir: RankSortDir = RankSortDir.DESCENDING,
        count: int = FUND_HOLDINGS.count,
        page: str | None = None,
        as_of: date | None = None,
    ) -> Page[FundHolding]:
        """What the ARK funds hold together after the trading of ``as_of``, and how it changed over a cycle.

        For POSITION the cycle is one day, whatever is named. ``count`` is 1 to 200 rows; ``page`` the
        ``next_page`` of an earlier answer to the same question. Raises InvalidRequest, also for a page of a
        list that a load has changed since. The rules stand in :mod:`qotgate.ark.positions`.
        """
        if holding_type is ArkHoldingType.POSITION:
            cycle_type = ArkCycleType.ONE_DAY
        return self._ark_list(
            self.held_funds,
            ("fund_holdings", holding_type, cycle_type, sort_field, sort_dir),
            lambda changed: ranked(fund_holdings(changed, holding_type), HOLDING_SORTS[sort_field], sort_dir),
            cycle_type,
            count,
            page,
            as_of,
            traded=False,
        )

    def active_transactions(
        self,
        holding_type: ArkActiveTransactionHoldingType = ArkActiveTransactionHoldingType.INCREASE,
        cycle_type: ArkCycleType = ArkCycleType.ONE_DAY,
        sort_field: ArkActiveTransactionSortField = ArkActiveTransactionSortField.UNKNOWN,
        sort_dir: RankSortDir = RankSortDir.DESCENDING,
        count: int = ACTIVE_TRANSACTIONS.count,
        page: str | None = None,
        as_of: date | None = None,
    ) -> Page[ActiveTransaction]:
        """What the ARK funds actively bought or sold together over the cycle that ends on ``as_of``.

        A security stands under the same holding type as in :meth:`fund_holdings`; the rest is as there.
        """
        return self._ark_list(
            self.funds,
            ("active_transactions", holding_type, cycle_type, sort_field, sort_dir),
            lambda changed: ranked(
                active_transactions(changed, holding_type), TRANSACTION_SORTS[sort_field], sort_dir
            ),
            cycle_type,
            count,
            page,
            as_of,
            traded=True,
        )

    def _ark_list(
        self,
        funds: Collection[str],
        question: tuple[str, ...],
        rows_of: Callable[[list[tuple[Change, Label]]], list[ListRow]],
        cycle_type: ArkCycleType,
        count: int,
        page: str | None,
        as_of: date | None,
        *,
        traded: bool,
    ) -> Page[ListRow]:
        _check_count(count, FUND_HOLDINGS.most)
        question = (*question, str(as_of or ""), self.lang, *funds)
        with self.store.reading() as connection:
            cursors = self.cursors(connection)
            cursor = cursors.read(question, page, ListCursor) if page else None
            day = date.fromisoformat(cursor.as_of) if cursor else self.ark_day(connection, as_of)
            changed = labelled_changes(
                connection, self.reference, self.lang, funds, day, cycle_type, traded=traded
            )
            stale = left_out(connection, funds, day)
        found = page_of(rows_of(changed), cursors, question, day, count, cursor)
        return replace(found, left_out=stale, known_to=day)

    def rating_changes(
        self,
        market: Market,
        change_type: RatingChangeType = RatingChangeType.UPGRADE,
        count: int = RATING_CHANGES.count,
        page: str | None = None,
        as_of: date | None = None,
    ) -> Page[RatingChange]:
        """How analysts changed their ratings in ``market`` (US or CA), newest first.

        ``count`` is 1 to 20 rows; ``page`` the ``next_page`` of an earlier answer to the same question.
        Raises InvalidRequest. The rules stand in :mod:`qotgate.ratings.changes`.
        """
        if market not in RATING_MARKETS:
            raise InvalidRequest("rating_market", value=market)
        _check_count(count, RATING_CHANGES.most)
        question = ("rating_changes", market, change_type, str(as_of or ""))
        with self.store.reading() as connection:
            cursors = self.cursors(connection)
            if page:
                cursor = cursors.read(question, page, Cursor)
                check_reached(connection, cursor)
                number, day, after = cursor.generation, date.fromisoformat(cursor.as_of), cursor.after
                all_count = cursor.all_count
            else:
                latest = reads.ratings.latest_note_day(connection)
                if latest is None:
                    raise NothingLoaded("no_notes")
                check_not_before(as_of, reads.ratings.first_note_day(connection))
                number, day, after = generation(connection), day_asked(as_of, latest), None
                all_count = self._count(connection, market, change_type, number, day)
            wanted = RatingFilter(market, change_type)
            found = reads.ratings.changes(connection, wanted, number, day, after, count + 1)
        rows = found[:count]
        next_page = None
        if len(found) > count:
            last = rows[-1]
            next_page = cursors.write(
                question,
                Cursor(number, day.isoformat(), all_count, last["day"].isoformat(), last["note_id"]),
            )
        listed = tuple(self.rating_change(market, row) for row in rows)
        return Page(listed, next_page, all_count, known_to=day)

    def _count(
        self, connection: Connection, market: Market, change_type: RatingChangeType, number: int, as_of: date
    ) -> int:
        key = (market.value, change_type.value, number, as_of)
        with self._counts_lock:
            if key in self._counts:
                return self._counts[key]
        wanted = RatingFilter(market, change_type)
        total = reads.ratings.count_changes(connection, wanted, number, as_of)
        with self._counts_lock:
            self._counts[key] = total
            while len(self._counts) > COUNTS_KEPT:
                self._counts.popitem(last=False)
        return total

    def rating_change(self, market: Market, row: Row) -> RatingChange:
        """A row of the store in the model's words, its names in the language of the questions."""
        security = Security(market, row["code"])
        return RatingChange(
            security=security,
            name=self.reference.security_name(security, self.lang, row["name"]),
            rating=level(known_grade(row["grade"])),
            last_rating=level(known_grade(row["last_grade"])) if row["has_last"] else None,
            target_price=row["target"],
            last_target_price=row["last_target"],
            change_type=RatingChangeType(row["change_type"]),
            institution=self.reference.institutions.name(row["institution"], self.lang),
            day=row["day"],
            last_day=row["last_day"],
        )


def _check_count(count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise InvalidRequest("count", most=most, value=count)


def day_asked(asked: date | None, latest: date) -> date:
    """The day that an answer is of: ``latest`` unless an earlier one is asked for."""
    return latest if asked is None else min(asked, latest)


def check_not_before(asked: date | None, first: date | None) -> None:
    """Raises InvalidRequest for a day before the first one that is known."""
    if asked is not None and first is not None and asked < first:
        raise InvalidRequest("as_of_before", first=first, value=asked)


def check_reached(connection: Connection, cursor: Cursor) -> None:
    """Raises Unavailable where a cursor is of a state of the data that this database, a replica, has not
    received yet, and InvalidRequest where files were taken out since."""
    if cursor.generation > generation(connection):
        raise Unavailable("page_ahead")
    if cursor.generation < int(read_state(connection, "pages_from") or 0):
        raise InvalidRequest("page_changed")
