"""Real files on which the inference once failed, with today's results."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import func, select

from qotgate.model import (
    ACTIVE_FUNDS,
    ETFS,
    ArkActiveTransactionHoldingType,
    ArkCycleType,
    ArkHoldingType,
    DynamicType,
    Security,
)
from qotgate.service.ark.changes import labelled_changes
from qotgate.service.ark.dynamics import ark_stock_dynamic
from qotgate.service.ark.lists import holding_rows, transaction_rows
from qotgate.service.loading import LoadReport, find_files, load
from qotgate.service.questions import Questions
from qotgate.service.reference import Reference
from qotgate.store import Store, tables

Case = Callable[[str], LoadReport]


@pytest.fixture
def case(store: Store, reference: Reference, shared_data: Path) -> Case:
    """Loads the files of a case."""
    return lambda name: load(store, reference, find_files([shared_data.parent / "cases" / name]))


def trades(store: Store, day: date, fund: str) -> dict[str, int]:
    trade, security = tables.trade, tables.security
    query = select(security.c.code, security.c.name, trade.c.shares).join_from(trade, security)
    with store.reading() as connection:
        rows = connection.execute(query.where(trade.c.day == day, trade.c.fund == fund))
        return {code or name: shares for code, name, shares in rows}


def test_files_up_to_2021_03_11_are_the_book_after_their_day(store: Store, case: Case) -> None:
    case("12-before-2021-03-12")
    found = trades(store, date(2020, 12, 15), "ARKK")
    bought = {"US.BIDU": 472_108, "US.PYPL": 348_461, "US.ZM": 42_239, "US.DOCU": 200_110}
    assert bought.items() <= found.items()
    assert trades(store, date(2020, 12, 14), "ARKK") == {"US.WORK": -738_400, "US.XONE": -80_543}


def test_a_purchase_of_half_the_position_on_the_day_of_a_crash_is_no_split(store: Store, case: Case) -> None:
    case("09-false-split")
    assert trades(store, date(2021, 10, 22), "ARKW")["US.SNAP"] == 230_323
    with store.reading() as connection:
        # Later splits come from the table.
        assert connection.scalar(select(func.min(tables.split.c.day))) > date(2022, 1, 1)


def test_a_notice_of_one_stock_leaves_the_others_inferred(store: Store, case: Case) -> None:
    case("07-notices-of-one-stock")
    found = trades(store, date(2021, 8, 5), "ARKK")
    assert found["US.TSLA"] == -144_200
    assert len(found) == 9
    with store.reading() as connection:
        assert connection.scalars(select(tables.ark_day.c.source)).all() == ["partial"]


def test_a_position_goes_on_in_a_stock_merger(store: Store, case: Case, reference: Reference) -> None:
    case("11-stock-merger")
    found = trades(store, date(2024, 1, 8), "ARKG")
    assert not {"US.SLGC", "US.LAB", "US.FLDM"} & found.keys()
    answer = ark_stock_dynamic(Questions(store, reference), Security.parse("US.SLGC"))
    assert answer.dynamic_type is DynamicType.NO_DYNAMIC


@pytest.fixture
def halved(store: Store, reference: Reference, shared_data: Path) -> Store:
    folder = shared_data / "ark-2026" / "holdings"
    load(store, reference, [folder / day / "ARKK.csv" for day in ("2026-06-15", "2026-06-16")])
    return store


def test_half_of_a_fund_goes_out_in_a_day(halved: Store) -> None:
    found = trades(halved, date(2026, 6, 15), "ARKK")
    assert found["US.FIG"] == -100_000
    assert (found["US.TSLA"], len(found)) == (-44_488, 17)


def lists_of_2026(store: Store, reference: Reference) -> dict[tuple[date, ArkCycleType], list[object]]:
    """All rows of 3423 and 3425, by trading day and cycle."""
    found: dict[tuple[date, ArkCycleType], list[object]] = {}
    with store.reading() as connection:
        shown = select(tables.snapshot.c.through).where(tables.snapshot.c.day >= date(2026, 1, 1)).distinct()
        for day in connection.scalars(shown).all():
            for cycle in ArkCycleType:
                held, traded = (
                    labelled_changes(connection, reference, "en", funds, day, cycle, traded=traded)
                    for funds, traded in ((ETFS, False), (ACTIVE_FUNDS, True))
                )
                rows: list[object] = []
                for kind in ArkHoldingType:
                    rows += sorted(holding_rows(held, kind), key=str)
                for sold in ArkActiveTransactionHoldingType:
                    rows += sorted(transaction_rows(traded, sold), key=str)
                found[day, cycle] = rows
    return found


@pytest.mark.slow
def test_an_archive_before_a_hole_changes_nothing_after_it(
    tmp_path: Path, reference: Reference, shared_data: Path
) -> None:
    answers, splits, lists = [], [], []
    for folders in (["ark-2026"], ["ark", "ark-2023", "ark-2026"]):
        store = Store.open(f"sqlite:///{tmp_path / f'{len(folders)}.db'}")
        load(store, reference, find_files([shared_data / name / "holdings" for name in folders]))
        questions = Questions(store, reference, lang="en")
        found = {}
        with store.reading() as connection:
            codes = connection.scalars(
                select(tables.security.c.code).where(tables.security.c.code.is_not(None))
            )
            wanted = sorted(set(codes))
            trade, split = tables.trade, tables.split
            for table in (trade, split):
                rows = connection.execute(select(table.c.day, table.c.through))
                assert all((through - day).days < 15 for day, through in rows)
            splits.append({tuple(row) for row in connection.execute(select(split.c.day, split.c.numerator))})
        for code in wanted:
            answer = ark_stock_dynamic(questions, Security.parse(code))
            if answer.dynamic_type not in (DynamicType.LAST_TRANSACTION, DynamicType.NO_DYNAMIC):
                # The hole itself is named with the answer if its other end is known.
                found[code] = replace(answer, untold=())
        answers.append(found)
        lists.append(lists_of_2026(store, reference))
        store.close()
    assert answers[0] == answers[1]
    assert sum(map(len, lists[0].values())) > 10_000
    for asked, rows in lists[0].items():
        assert rows == lists[1][asked], asked
    # TSLA's and SHOP's splits of 2022 and NVDA's of 2024 come from the table.
    assert {(date(2022, 8, 25), 3), (date(2022, 6, 29), 10), (date(2024, 6, 10), 10)} <= splits[1] - splits[0]
