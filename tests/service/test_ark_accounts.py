"""The four ARK questions on the real files never contradict one another, and every share is accounted for.

Between two holdings files of a fund a position changes by trades, by the fund's own flow, and by a few
adjustments of known kinds: differences between a notice and the files, purchases in an offering, a position
that continues under another name with some of it traded, warrants out of a SPAC's units.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import select

from qotgate.ark.dynamics import daily_sums
from qotgate.model import (
    ACTIVE_FUNDS,
    ActiveTransaction,
    ArkActiveTransactionHoldingType,
    ArkCycleType,
    ArkHoldingType,
    FundHolding,
    Page,
    Security,
)
from qotgate.service.ark.changes import cycle_of, labelled_changes
from qotgate.service.ark.dynamics import ark_stock_dynamic
from qotgate.service.ark.lists import Row, active_transactions, fund_holdings
from qotgate.service.ark.trades import MAX_MISSING_SESSIONS, inferred_trades
from qotgate.service.calendar import ark_sessions, ark_sessions_after
from qotgate.service.columns.books import MONEY_MARKET
from qotgate.service.loading import find_files, load
from qotgate.service.questions import Questions
from qotgate.service.reference import Reference
from qotgate.store import Store, deriving, reads, tables

FIRST, LAST = date(2021, 3, 4), date(2021, 9, 9)
CHANGED = [kind for kind in ArkHoldingType if kind is not ArkHoldingType.POSITION]


@pytest.fixture(scope="module")
def store(real_url: str) -> Iterator[Store]:
    store = Store.open(real_url)
    yield store
    store.close()


@dataclass(frozen=True)
class Moved:
    """The changes of a fund's position between two of its files, in shares of the later one."""

    fund: str
    security: int
    through: date
    traded: int
    flow: Fraction
    adjusted: Fraction


@pytest.fixture(scope="module")
def moves(store: Store) -> list[Moved]:
    return [moved for fund in ACTIVE_FUNDS for moved in moves_of(store, fund)]


def moves_of(store: Store, fund: str) -> Iterator[Moved]:
    trade = tables.trade
    with store.reading() as connection:
        days = deriving.book_days(connection, fund, date.min, 0)
        found = deriving.positions(connection, fund, [book.day for book in days])
        books = [{key: Fraction(shares) for key, (shares, _) in book.items()} for book in found.values()]
        differences = inferred_trades(connection, fund, date.min)
        traded: defaultdict[date, Counter[int]] = defaultdict(Counter)
        noticed = set()
        for row in connection.execute(select(trade).where(trade.c.fund == fund)):
            traded[row.day][row.security_id] += row.shares
            if row.ground is None:
                noticed.add(row.day)
    for (start, before), (end, after) in pairwise(zip(days, books, strict=True)):
        sessions = ark_sessions_after(start.through, end.through)
        if len(sessions) > MAX_MISSING_SESSIONS + 1:
            assert sessions[0] not in differences
            continue
        told = differences[sessions[0]].inference
        trades = Counter[int]()
        for day in sessions:
            trades.update(traded[day])
        for key in before.keys() | after.keys() | trades.keys():
            change = after.get(key, Fraction(0)) - before.get(key, Fraction(0)) * told.splits.get(key, 1)
            carried = key in before and key in after
            if key in told.evidence:
                flow = Fraction(told.evidence[key].flow)
            else:
                flow = change if carried else Fraction(0)
            adjusted = change - trades[key] - flow
            if adjusted:
                inferred = told.trades.get(key, 0)
                assert (
                    # Fractions of a share after a split.
                    abs(adjusted) < 1
                    or (not noticed.isdisjoint(sessions) and abs(adjusted - inferred + trades[key]) < 1)
                    or key in told.renamed
                    or (not carried and key not in told.evidence)
                ), (fund, start, key, adjusted)
            if change or trades[key]:
                yield Moved(fund, key, sessions[-1], trades[key], flow, adjusted)


@pytest.mark.slow
def test_every_share_is_accounted_for(store: Store, reference: Reference, moves: list[Moved]) -> None:
    """Position now = position then + flows + active + adjustments, on every day and over every cycle."""
    checked = 0
    with store.reading() as connection:
        split = tables.split
        query = select(split.c.security_id, split.c.day, split.c.numerator, split.c.denominator)
        splits = {(row[0], row[1]): Fraction(row[2], row[3]) for row in connection.execute(query)}
        for day in ark_sessions(FIRST, LAST):
            for cycle_type in ArkCycleType:
                before = cycle_of(connection, day, cycle_type).before
                flows: defaultdict[int, Fraction] = defaultdict(Fraction)
                for moved in moves:
                    if before < moved.through <= day:
                        units = Fraction(1)
                        for (security, first_day), ratio in splits.items():
                            if security == moved.security and moved.through < first_day <= day:
                                units *= ratio
                        flows[moved.security] += (moved.flow + moved.adjusted) * units
                found = labelled_changes(
                    connection, reference, "en", ACTIVE_FUNDS, day, cycle_type, traded=True
                )
                for change, _ in found:
                    if change.security == MONEY_MARKET:
                        continue
                    rest = flows[change.security]
                    assert change.now.shares == change.then.shares + change.traded + rest, (day, change)
                checked += len(found)
    assert checked > 100_000


def daily(store: Store, code: Security, before: date, as_of: date) -> dict[date, int]:
    """The daily sums behind the dynamic of a code, of the trades that became known after ``before``."""
    trade = tables.trade
    with store.reading() as connection:
        security = reads.securities.security_id(connection, str(code))
        assert security is not None
        seen = reads.ark.splits(connection, security, ACTIVE_FUNDS, as_of)
        query = select(trade.c.fund, trade.c.day, trade.c.shares).where(
            trade.c.security_id == security,
            trade.c.fund.in_(ACTIVE_FUNDS),
            trade.c.through > before,
            trade.c.through <= as_of,
        )
        trades = [(row[0], row[1], row[2]) for row in connection.execute(query)]
    return dict(daily_sums(trades, seen, as_of))


def walked(ask: Callable[[str | None], Page[Row]]) -> dict[str, Row]:
    """The rows of all pages by code, or by name if there is none."""
    rows: list[Row] = []
    page = None
    while True:
        answer = ask(page)
        rows += answer.rows
        page = answer.next_page
        if page is None:
            break
    found = {row.name if row.security is None else str(row.security): row for row in rows}
    assert len(found) == len(rows) == answer.all_count
    return found


@pytest.mark.slow
@pytest.mark.parametrize("cycle_type", ArkCycleType)
def test_the_four_questions_never_contradict_one_another(
    store: Store, reference: Reference, moves: list[Moved], cycle_type: ArkCycleType
) -> None:
    # By default holdings are summed over all ETFs, and trades over the active funds.
    questions = Questions(store, reference, lang="en", funds=ACTIVE_FUNDS)
    seen = Counter[str]()
    for day in [*ark_sessions(FIRST, LAST)[5::16], LAST]:
        with store.reading() as connection:
            before = cycle_of(connection, day, cycle_type).before

        def holdings(kind: ArkHoldingType, as_of: date = day) -> dict[str, FundHolding]:
            return walked(
                lambda page: fund_holdings(questions, kind, cycle_type, count=40, page=page, as_of=as_of)
            )

        def transactions(
            kind: ArkActiveTransactionHoldingType, as_of: date = day
        ) -> dict[str, ActiveTransaction]:
            return walked(
                lambda page: active_transactions(questions, kind, cycle_type, count=7, page=page, as_of=as_of)
            )

        position = holdings(ArkHoldingType.POSITION)
        changed = {kind: holdings(kind) for kind in CHANGED}
        earlier = holdings(ArkHoldingType.POSITION, before) if before >= FIRST else {}
        assert sum(row.weight for row in position.values()) <= 100
        assert len({code for rows in changed.values() for code in rows}) == sum(map(len, changed.values()))
        for kind, rows in changed.items():
            for code, row in rows.items():
                assert (row.shares, row.weight) == (
                    (position[code].shares, position[code].weight) if code in position else (0, 0)
                )
                assert (row.shares == row.shares_change) == (kind is ArkHoldingType.NEW)
                assert (code in position) == (kind is not ArkHoldingType.SOLD_OUT)
                assert (row.shares_change > 0) == (kind in (ArkHoldingType.NEW, ArkHoldingType.INCREASE))
                if kind is ArkHoldingType.NEW:
                    assert code not in earlier
        traded = {kind: transactions(kind) for kind in ArkActiveTransactionHoldingType}
        for kind, trades in traded.items():
            for code, trade in trades.items():
                assert code in changed[ArkHoldingType(kind.value)]
                if trade.security is None:
                    continue
                sums = daily(store, trade.security, before, day)
                assert sum(sums.values()) == trade.change_shares
                dynamic = ark_stock_dynamic(questions, trade.security, day)
                assert dynamic.last_transaction_day == max(sums)
                seen[kind] += 1
        # A new holding was bought, or arrived otherwise: in an offering, or under another name.
        for code in changed[ArkHoldingType.NEW]:
            if code not in traded[ArkActiveTransactionHoldingType.NEW]:
                with store.reading() as connection:
                    security = reads.securities.security_id(connection, code)
                came = [
                    moved for moved in moves if moved.security == security and before < moved.through <= day
                ]
                assert any(moved.adjusted > 0 for moved in came), (day, code)
    assert set(seen) >= set(ArkActiveTransactionHoldingType)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_share_of_every_year_is_accounted_for(
    tmp_path: Path, reference: Reference, shared_data: Path
) -> None:
    """All real files of 2020 to 2026, in one database and at once."""
    everything = Store.open(f"sqlite:///{tmp_path / 'all.db'}")
    years = ("ark-2020", "ark", "ark-2023", "ark-2026")
    report = load(everything, reference, find_files([shared_data / name for name in years]))
    assert all(" " in reason for _, _, reason in report.rejects)
    days: defaultdict[date, list[Moved]] = defaultdict(list)
    for fund in ACTIVE_FUNDS:
        for moved in moves_of(everything, fund):
            days[moved.through].append(moved)
    checked = 0
    with everything.reading() as connection:
        for day in sorted(days):
            rest: defaultdict[int, Fraction] = defaultdict(Fraction)
            for moved in days[day]:
                rest[moved.security] += moved.flow + moved.adjusted
            found = labelled_changes(
                connection, reference, "en", ACTIVE_FUNDS, day, ArkCycleType.ONE_DAY, traded=True
            )
            for change, _ in found:
                if change.security == MONEY_MARKET:
                    continue
                expected = change.then.shares + change.traded + rest[change.security]
                # Some stock dividends leave fractions of a share.
                assert abs(change.now.shares - expected) < 1, (day, change)
            checked += len(found)
    assert checked > 60_000
    everything.close()
