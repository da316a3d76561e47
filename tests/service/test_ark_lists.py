"""The funds' combined holdings and trades, on small files: days, units, gaps, pages."""

import random
import tempfile
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qotgate.model import (
    ActiveTransaction,
    ArkActiveTransactionHoldingType,
    ArkCycleType,
    ArkFundHoldingSortField,
    ArkHoldingType,
    FundHolding,
    InvalidRequest,
    Page,
    RankSortDir,
)
from qotgate.service.ark.lists import active_transactions, fund_holdings
from qotgate.service.loading import LoadReport, find_files, load
from qotgate.service.questions import Questions
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.support.ark_files import BOOK, HEADER, LINES, holdings, notice, split_files

LoadText = Callable[..., LoadReport]
TYPES, CYCLES = ArkHoldingType, ArkCycleType


@pytest.fixture
def questions(store: Store, reference: Reference) -> Questions:
    return Questions(store, reference, lang="en")


def shares(answer: Page[FundHolding]) -> dict[str, tuple[int, int]]:
    """Shares and their change by code, or name."""
    return {str(row.security or row.name): (row.shares, row.shares_change) for row in answer.rows}


def traded(answer: Page[ActiveTransaction]) -> dict[str, tuple[int, float | None]]:
    return {str(row.security or row.name): (row.change_shares, row.change_amount) for row in answer.rows}


def test_a_position_is_that_of_the_next_file_and_changes_from_the_one_before(
    load_text: LoadText, questions: Questions
) -> None:
    load_text(
        a=holdings("6/15/2026", BOOK),
        b=holdings("6/16/2026", BOOK | {"TSLA": 1100}),
        c=holdings("6/17/2026", {**BOOK, "TSLA": 1100, "U": 700, "ROKU": 1500}),
        d=holdings("6/18/2026", {"TSLA": 1100, "U": 700, "ROKU": 1500, "COIN": 4000}),
    )
    by_type = {kind: shares(fund_holdings(questions, kind)) for kind in TYPES}
    assert by_type[TYPES.POSITION] == {
        "US.COIN": (4000, 0),
        "US.ROKU": (1500, 0),
        "US.TSLA": (1100, 0),
        "US.U": (700, 0),
    }
    assert by_type[TYPES.SOLD_OUT] == {"US.ZM": (0, -3000)}
    earlier = date(2026, 6, 16)
    by_type = {kind: shares(fund_holdings(questions, kind, CYCLES.FIVE_DAY, as_of=earlier)) for kind in TYPES}
    assert by_type[TYPES.INCREASE] == {"US.TSLA": (1100, 100)}
    assert by_type[TYPES.DECREASE] == {"US.ROKU": (1500, -500)}
    assert by_type[TYPES.NEW] == {"US.U": (700, 700)}
    assert by_type[TYPES.SOLD_OUT] == {}
    # For positions the cycle is one day, whatever the request names.
    assert by_type[TYPES.POSITION]["US.TSLA"] == (1100, 0)


def test_value_and_weight_are_those_of_the_file_cash_included(
    load_text: LoadText, questions: Questions
) -> None:
    load_text(
        a=holdings("6/15/2026", BOOK),
        b=holdings("6/16/2026", BOOK | {"TSLA": 2000}, price=20),
        c=holdings("6/16/2026", {"TSLA": 500}, "ARKW", price=20),
    )
    rows = fund_holdings(questions).rows
    tesla = next(row for row in rows if str(row.security) == "US.TSLA")
    # ARKW's first file counts at both ends: its earlier position is unknown, and so did not change.
    now, then = 20 * 11_500 + 2 * 5000.5, 10 * 10_000 + 20 * 500 + 2 * 5000.5
    assert (tesla.shares, tesla.shares_change, tesla.market_value) == (2500, 1000, 50_000.0)
    # 20.8332 less 16.6665, truncated to two decimals before the subtraction.
    assert (100 * 50_000 / now, 100 * 20_000 / then) == pytest.approx((20.8332, 16.6665), abs=1e-4)
    assert (tesla.weight, tesla.weight_change) == (20.83, 4.17)
    assert len(rows) == 4


def test_the_money_market_fund_is_a_row_without_code_and_name(
    load_text: LoadText, questions: Questions
) -> None:
    for day, dollars in ((15, 400), (16, 700)):
        fund_line = "GOLDMAN FS TRSY OBLIG INST 468,,X9USDGSFT"
        text = holdings(f"6/{day}/2026", BOOK) + f"6/{day}/2026,ARKK,{fund_line},{dollars},{dollars},1\n"
        other = f"{HEADER}\n6/{day}/2026,PRNT,DREYFUS GOVT CM INST,,X9USDDGCM,30.4,30.4,1\n"
        load_text(**{f"arkk{day}": text, f"prnt{day}": other})
    rows = fund_holdings(questions).rows
    assert [(row.security, row.name) for row in rows].count((None, "")) == 1
    assert rows[-1] == FundHolding(None, "", 730, 300, 730.4, rows[-1].weight, rows[-1].weight_change)
    (row,) = fund_holdings(questions, TYPES.INCREASE).rows
    assert row.name == ""
    assert active_transactions(questions).rows == ()


def test_transactions_are_priced_at_the_close_of_the_day(load_text: LoadText, questions: Questions) -> None:
    load_text(
        a=holdings("6/15/2026", BOOK),
        b=holdings("6/16/2026", BOOK | {"TSLA": 1300}, price=11),
        c=holdings("6/17/2026", {**BOOK, "TSLA": 1100, "U": 700} | {"ROKU": 0}, price=12),
    )
    ask = partial(active_transactions, questions)
    five = CYCLES.FIVE_DAY
    assert traded(ask(cycle_type=five)) == {"US.TSLA": (100, 300 * 11 - 200 * 12)}
    assert traded(ask(ArkActiveTransactionHoldingType.NEW, five)) == {"US.U": (700, 8400)}
    # A sold position has the price of the last file that shows it.
    assert traded(ask(ArkActiveTransactionHoldingType.SOLD_OUT, five)) == {"US.ROKU": (-2000, -22_000)}
    assert traded(ask(ArkActiveTransactionHoldingType.DECREASE)) == {"US.TSLA": (-200, -2400)}


def test_a_notice_after_the_last_file_moves_the_position(load_text: LoadText, questions: Questions) -> None:
    load_text(
        a=holdings("6/15/2026", BOOK),
        b=holdings("6/16/2026", BOOK | {"TSLA": 1100}),
        c=notice("6/16/2026", {"TSLA": 50, "U": 9, "ZM": -3000}),
    )
    assert shares(fund_holdings(questions)) == {
        "US.COIN": (4000, 0),
        "US.ROKU": (2000, 0),
        "US.TSLA": (1150, 50),
        "US.U": (9, 9),
    }
    rows = {str(row.security): row for row in fund_holdings(questions).rows}
    assert (rows["US.TSLA"].market_value, rows["US.U"].market_value) == (11_500, None)
    assert rows["US.U"].weight is None
    assert shares(fund_holdings(questions, TYPES.NEW)) == {"US.U": (9, 9)}
    # No file has its price.
    assert traded(active_transactions(questions, ArkActiveTransactionHoldingType.NEW)) == {"US.U": (9, None)}
    sold = active_transactions(questions, ArkActiveTransactionHoldingType.SOLD_OUT)
    assert traded(sold) == {"US.ZM": (-3000, -30_000)}


def test_a_fund_counts_from_its_first_file_less_what_notices_tell_before_it(
    load_text: LoadText, questions: Questions
) -> None:
    load_text(
        a=holdings("6/15/2026", {"ROKU": 2000}),
        b=holdings("6/18/2026", {"ROKU": 2000}),
        c=notice("6/16/2026", {"TSLA": 300}, "ARKW"),
        d=holdings("6/17/2026", {"TSLA": 800}, "ARKW"),
        e=holdings("6/18/2026", {"TSLA": 900}, "ARKW"),
    )
    answer = fund_holdings(questions, TYPES.INCREASE, CYCLES.TEN_DAY)
    assert shares(answer) == {"US.TSLA": (900, 400)}
    assert traded(active_transactions(questions, cycle_type=CYCLES.TEN_DAY)) == {"US.TSLA": (400, 4000)}


def test_a_gap_in_the_files_of_one_fund(load_text: LoadText, questions: Questions) -> None:
    load_text(
        a=holdings("6/15/2026", BOOK),
        b=holdings("6/16/2026", BOOK),
        c=holdings("6/17/2026", BOOK),
        d=holdings("6/18/2026", BOOK),
        e=holdings("6/15/2026", {"TSLA": 500}, "ARKW"),
        f=holdings("6/18/2026", {"TSLA": 900}, "ARKW"),
        g=notice("6/16/2026", {"TSLA": 100}, "ARKW"),
    )
    as_of = {
        day: shares(fund_holdings(questions, as_of=date(2026, 6, day)))["US.TSLA"] for day in (15, 16, 17)
    }
    assert as_of == {15: (1500, 0), 16: (1600, 100), 17: (1900, 300)}
    # The rest of the gap is known at its end.
    on_the_17th = active_transactions(questions, as_of=date(2026, 6, 17))
    assert traded(on_the_17th) == {"US.TSLA": (300, 3000)}


def test_changes_are_in_the_share_units_of_the_day_asked_for(
    load_text: LoadText, questions: Questions
) -> None:
    load_text(**split_files("ARKK", "15 16 17 18"), **split_files("ARKW", "16 18"))
    answer = fund_holdings(questions, TYPES.INCREASE, CYCLES.FIVE_DAY)
    assert shares(answer) == {"US.TSLA": (11_000, 500)}
    before = fund_holdings(questions, TYPES.INCREASE, CYCLES.FIVE_DAY, as_of=date(2026, 6, 15))
    assert shares(before) == {"US.TSLA": (2200, 100)}
    assert traded(active_transactions(questions, cycle_type=CYCLES.FIVE_DAY)) == {"US.TSLA": (500, 1000)}


def test_trades_that_cancel_out_are_no_transaction(load_text: LoadText, questions: Questions) -> None:
    load_text(
        a=holdings("6/15/2026", BOOK),
        b=holdings("6/16/2026", BOOK | {"TSLA": 1100}),
        c=holdings("6/17/2026", BOOK),
    )
    for kind in ArkActiveTransactionHoldingType:
        assert active_transactions(questions, kind, CYCLES.FIVE_DAY).all_count == 0
    assert traded(active_transactions(questions, ArkActiveTransactionHoldingType.DECREASE)) == {
        "US.TSLA": (-100, -1000)
    }


def test_a_holding_without_a_code_keeps_its_name(load_text: LoadText, questions: Questions) -> None:
    row = "6/{0}/2026,ARKG,CM LIFE SCIENCES III,{1},125842108,150,1500,100\n"
    for day, ticker in ((15, ""), (16, ""), (17, "CMLT"), (18, "CMLT")):
        load_text(**{f"d{day}": f"{HEADER}\n{row.format(day, ticker)}"})
    (before,) = fund_holdings(questions, as_of=date(2026, 6, 15)).rows
    (after,) = fund_holdings(questions).rows
    assert (before.security, before.name, before.shares) == (None, "CM LIFE SCIENCES III", 150)
    assert (str(after.security), after.shares_change) == ("US.CMLT", 0)


def test_funds_are_summed_as_the_options_say(store: Store, load_text: LoadText, reference: Reference) -> None:
    for fund in ("ARKK", "ARKW", "PRNT"):
        load_text(**{f"{fund}{day}": holdings(f"6/{day}/2026", BOOK, fund) for day in (15, 16)})
    for funds, times in ((["ARKW"], 1), (["ARKK", "ARKW"], 2), (["ARKK", "PRNT", "ARKW"], 3)):
        answer = fund_holdings(Questions(store, reference, funds=funds))
        assert shares(answer)["US.TSLA"] == (1000 * times, 0)
    # By default, holdings are summed over all ETFs, trades over the active funds.
    assert shares(fund_holdings(Questions(store, reference)))["US.TSLA"] == (3000, 0)
    for fund in ("ARKW", "PRNT"):
        load_text(**{f"{fund}17": holdings("6/17/2026", BOOK | {"TSLA": 1500}, fund)})
    (row,) = active_transactions(Questions(store, reference)).rows
    assert (str(row.security), row.change_shares) == ("US.TSLA", 500)


def test_without_holdings_the_answer_says_what_to_load(load_text: LoadText, questions: Questions) -> None:
    with pytest.raises(InvalidRequest, match="qotgate load"):
        fund_holdings(questions)
    load_text(a=notice("6/16/2026", {"TSLA": 50}))
    for ask in (fund_holdings, active_transactions):
        with pytest.raises(InvalidRequest, match="No ARK holdings are loaded yet"):
            ask(questions)
    load_text(b=holdings("6/17/2026", BOOK))
    with pytest.raises(InvalidRequest, match="as_of takes a day from 2026-06-16 on"):
        fund_holdings(questions, as_of=date(2026, 6, 15))
    later = fund_holdings(questions, as_of=date(2026, 6, 17))
    assert later == fund_holdings(questions, as_of=date(2026, 6, 16)) == fund_holdings(questions)
    assert later.known_to == date(2026, 6, 16)


@pytest.mark.parametrize("count", [0, -1, 201])
def test_a_count_out_of_range(load_text: LoadText, questions: Questions, count: int) -> None:
    load_text(a=holdings("6/15/2026", BOOK), b=holdings("6/16/2026", BOOK))
    for ask in (fund_holdings, active_transactions):
        with pytest.raises(InvalidRequest, match="count takes a whole number from 1 to 200"):
            ask(questions, count=count)


class TestPages:
    def test_all_rows_once_in_order(self, load_text: LoadText, questions: Questions) -> None:
        load_text(a=holdings("6/15/2026", BOOK), b=holdings("6/16/2026", BOOK))
        found, page, pages = [], None, 0
        while pages == 0 or page:
            answer = fund_holdings(questions, sort_dir=RankSortDir.ASCENDING, count=3, page=page)
            assert answer.all_count == 4
            found += [str(row.security) for row in answer.rows]
            page, pages = answer.next_page, pages + 1
        assert (found, pages) == (["US.TSLA", "US.ROKU", "US.ZM", "US.COIN"], 2)

    def test_a_new_day_leaves_the_pages_of_the_day_before_alone(
        self, load_text: LoadText, questions: Questions
    ) -> None:
        load_text(a=holdings("6/15/2026", BOOK), b=holdings("6/16/2026", BOOK))
        first = fund_holdings(questions, count=2)
        load_text(c=holdings("6/17/2026", {"U": 5}), d=holdings("6/18/2026", {"U": 5}))
        second = fund_holdings(questions, count=2, page=first.next_page)
        assert [*shares(first), *shares(second)] == ["US.COIN", "US.ZM", "US.ROKU", "US.TSLA"]
        assert second.next_page is None
        assert shares(fund_holdings(questions)) == {"US.U": (5, 0)}

    def test_a_load_that_changes_the_list_ends_the_paging(
        self, load_text: LoadText, questions: Questions
    ) -> None:
        load_text(a=holdings("6/15/2026", BOOK), b=holdings("6/16/2026", BOOK))
        first = fund_holdings(questions, count=2)
        load_text(b=holdings("6/16/2026", BOOK | {"TSLA": 9000}))
        with pytest.raises(InvalidRequest, match="start again without page"):
            fund_holdings(questions, count=2, page=first.next_page)

    def test_a_page_belongs_to_its_question(
        self, store: Store, reference: Reference, load_text: LoadText, questions: Questions
    ) -> None:
        load_text(a=holdings("6/15/2026", BOOK), b=holdings("6/16/2026", BOOK))
        page = fund_holdings(questions, count=2).next_page
        assert page
        assert fund_holdings(questions, TYPES.POSITION, CYCLES.TEN_DAY, count=1, page=page).rows
        one_fund = Questions(store, reference, lang="en", funds=["ARKK"])
        for ask in (
            lambda: fund_holdings(questions, TYPES.INCREASE, page=page),
            lambda: fund_holdings(questions, sort_field=ArkFundHoldingSortField.WEIGHT, page=page),
            lambda: fund_holdings(questions, sort_dir=RankSortDir.ASCENDING, page=page),
            lambda: fund_holdings(questions, as_of=date(2026, 6, 15), page=page),
            lambda: active_transactions(questions, page=page),
            lambda: fund_holdings(questions, page=page[:-5] + ("A" if page[-5] != "A" else "B") + page[-4:]),
            lambda: fund_holdings(one_fund, page=page),
        ):
            with pytest.raises(InvalidRequest, match="page takes the nextPage"):
                ask()


def everything(store: Store, reference: Reference) -> list[object]:
    """Every row of every list, as of each day."""
    questions = Questions(store, reference, lang="en")
    found: list[object] = []
    for day in (15, 16, 17, 18):
        for cycle in (CYCLES.ONE_DAY, CYCLES.FIVE_DAY):
            for kind in TYPES:
                try:
                    found += fund_holdings(questions, kind, cycle, as_of=date(2026, 6, day)).rows
                except InvalidRequest as error:
                    found.append(str(error))
            for changed in ArkActiveTransactionHoldingType:
                try:
                    found += active_transactions(questions, changed, cycle, as_of=date(2026, 6, day)).rows
                except InvalidRequest as error:
                    found.append(str(error))
    return found


# Too small for a count to match the same position under another name, but splits show.
BOOKS = st.dictionaries(st.sampled_from(sorted(LINES)[:6]), st.sampled_from([100, 140, 500, 700]))
FILES = st.dictionaries(
    st.tuples(st.sampled_from(["ARKK", "ARKW"]), st.sampled_from([15, 16, 17, 18, 22])),
    st.tuples(BOOKS, st.sampled_from([10, 2, 31])),
    min_size=2,
)
NOTICES = st.dictionaries(
    st.tuples(st.sampled_from(["ARKK", "ARKW"]), st.sampled_from([15, 16, 17, 18])),
    st.dictionaries(st.sampled_from(["TSLA", "U"]), st.sampled_from([-300, 40, 700]), min_size=1),
    max_size=3,
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=FILES, notices=NOTICES, seed=st.integers(0, 1000))
def test_any_order_and_pieces_of_files_give_the_same_lists(
    reference: Reference, files: dict, notices: dict, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for (fund, day), (book, price) in files.items():
            text = holdings(f"6/{day}/2026", book, fund, price)
            (folder / f"h{fund}{day}.csv").write_text(text)
        for (fund, day), trades in notices.items():
            (folder / f"n{fund}{day}.csv").write_text(notice(f"6/{day}/2026", trades, fund))
        paths = find_files([folder])
        answers = []
        for times in range(2):
            store = Store.open(f"sqlite:///{folder}/{times}.db")
            if times:
                chance = random.Random(seed)
                chance.shuffle(paths)
                cut = chance.randrange(len(paths) + 1)
                load(store, reference, paths[:cut])
                load(store, reference, paths[cut:])
            else:
                load(store, reference, paths)
            answers.append(everything(store, reference))
            store.close()
        assert answers[0] == answers[1]


def test_a_fund_without_a_book_of_about_the_day_is_in_neither_end(
    load_text: LoadText, questions: Questions
) -> None:
    days = {day: f"6/{day}/2026" for day in (1, 2, 3)} | {day: f"6/{day}/2026" for day in (23, 24)}
    load_text(
        **{f"k{day}": holdings(text, BOOK | {"TSLA": 1000 + 100 * day}) for day, text in days.items()},
        **{f"w{day}": holdings(days[day], BOOK, "ARKW") for day in (1, 2)},
    )
    early = fund_holdings(questions, as_of=date(2026, 6, 2))
    assert early.left_out == ()
    assert {str(row.security): row.shares for row in early.rows}["US.TSLA"] == 2300
    late = fund_holdings(questions)
    assert late.left_out == (("ARKW", date(2026, 6, 1)),)
    assert {str(row.security): row.shares for row in late.rows}["US.TSLA"] == 3400
    # Over the hole of ARKK no change is known.
    assert traded(active_transactions(questions, cycle_type=CYCLES.SIXTY_DAY)) == {"US.TSLA": (100, 1000)}
    sold = fund_holdings(questions, ArkHoldingType.SOLD_OUT, CYCLES.SIXTY_DAY)
    assert (sold.all_count, sold.left_out) == (0, late.left_out)
