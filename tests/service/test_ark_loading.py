"""From published ARK files to trades and answers, on small files."""

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select

from qotgate.model import DynamicType, InvalidRequest, QotGateError, Security, UntoldDays
from qotgate.service.ark.dynamics import ark_stock_dynamic, explain_ark_stock_dynamic
from qotgate.service.coverage.status import status
from qotgate.service.loading import LoadReport, find_files, load
from qotgate.service.questions import Questions
from qotgate.service.reference import Reference, load_reference
from qotgate.store import Store, tables
from qotgate.store.database import generation
from tests.support.ark_files import (
    BOOK,
    HEADER,
    LARGE_BOOK,
    NOTICE_HEADER,
    created,
    holdings,
    notice,
    split_files,
)

LoadText = Callable[..., LoadReport]


def trades(store: Store) -> list[tuple[str, str, str, int]]:
    """(fund, day, code, shares) of every trade."""
    trade, security = tables.trade, tables.security
    query = select(trade.c.fund, trade.c.day, security.c.code, trade.c.shares).join(security)
    with store.reading() as connection:
        return sorted((row[0], str(row[1]), row[2], row[3]) for row in connection.execute(query))


def days(store: Store) -> list[tuple[str, str, str]]:
    """(day, source, through) of every covered fund day."""
    with store.reading() as connection:
        rows = connection.execute(select(tables.ark_day).order_by(tables.ark_day.c.day))
        return [(str(row.day), row.source, str(row.through)) for row in rows]


def test_the_difference_of_two_days_without_the_flow(store: Store, load_text: LoadText) -> None:
    after = created(10)
    after |= {"TSLA": after["TSLA"] + 1234, "U": 777}
    load_text(a=holdings("6/16/2026", LARGE_BOOK), b=holdings("6/17/2026", after))
    assert trades(store) == [("ARKK", "2026-06-16", "US.TSLA", 1234), ("ARKK", "2026-06-16", "US.U", 777)]
    assert days(store) == [("2026-06-16", "holdings", "2026-06-16")]


def test_a_name_left_out_of_the_basket_is_no_trade(store: Store, load_text: LoadText) -> None:
    after = created(10) | {"ZM": LARGE_BOOK["ZM"]}
    load_text(a=holdings("6/16/2026", LARGE_BOOK), b=holdings("6/17/2026", after))
    assert trades(store) == []


def test_a_notice_wins_over_the_difference(store: Store, load_text: LoadText) -> None:
    load_text(
        a=holdings("6/16/2026", BOOK),
        b=holdings("6/17/2026", BOOK | {"TSLA": 1100, "ROKU": 2500, "ZM": 2500}),
        c=notice("6/16/2026", {"TSLA": 99, "ROKU": 501}),
    )
    assert trades(store) == [("ARKK", "2026-06-16", "US.ROKU", 501), ("ARKK", "2026-06-16", "US.TSLA", 99)]
    assert days(store) == [("2026-06-16", "notice", "2026-06-16")]


def test_a_notice_of_few_stocks_does_not_silence_the_others(store: Store, load_text: LoadText) -> None:
    load_text(
        a=holdings("6/16/2026", BOOK),
        b=holdings("6/17/2026", BOOK | {"TSLA": 1100, "ROKU": 2500, "ZM": 2500}),
        c=notice("6/16/2026", {"TSLA": 99}),
    )
    assert trades(store) == [
        ("ARKK", "2026-06-16", "US.ROKU", 500),
        ("ARKK", "2026-06-16", "US.TSLA", 99),
        ("ARKK", "2026-06-16", "US.ZM", -500),
    ]
    assert days(store) == [("2026-06-16", "partial", "2026-06-16")]


def test_a_notice_of_one_fund_says_nothing_of_another(store: Store, load_text: LoadText) -> None:
    load_text(
        a=holdings("6/16/2026", BOOK, "ARKW"),
        b=holdings("6/17/2026", BOOK | {"ROKU": 2500}, "ARKW"),
        c=notice("6/16/2026", {"TSLA": 99}, "ARKK"),
    )
    assert [(fund, code, n) for fund, _, code, n in trades(store)] == [
        ("ARKK", "US.TSLA", 99),
        ("ARKW", "US.ROKU", 500),
    ]


def test_a_missing_day_goes_to_the_first_day_of_the_gap(store: Store, load_text: LoadText) -> None:
    load_text(a=holdings("6/16/2026", BOOK), b=holdings("6/22/2026", BOOK | {"ROKU": 2500}))
    assert trades(store) == [("ARKK", "2026-06-16", "US.ROKU", 500)]
    # Through the 18th: the 19th was a holiday.
    assert days(store) == [("2026-06-16", "holdings", "2026-06-18")]


def test_a_notice_within_a_gap_is_not_counted_twice(store: Store, load_text: LoadText) -> None:
    load_text(
        a=holdings("6/15/2026", BOOK),
        b=notice("6/16/2026", {"TSLA": 100}),
        c=holdings("6/17/2026", BOOK | {"TSLA": 1100, "ROKU": 2500}),
    )
    assert trades(store) == [
        ("ARKK", "2026-06-15", "US.ROKU", 500),
        ("ARKK", "2026-06-16", "US.TSLA", 100),
    ]


def test_a_late_file_fills_its_gap(store: Store, load_text: LoadText) -> None:
    load_text(a=holdings("6/15/2026", BOOK), b=holdings("6/17/2026", BOOK | {"TSLA": 1300}))
    assert trades(store) == [("ARKK", "2026-06-15", "US.TSLA", 300)]
    load_text(c=holdings("6/16/2026", BOOK | {"TSLA": 1100}))
    assert trades(store) == [
        ("ARKK", "2026-06-15", "US.TSLA", 100),
        ("ARKK", "2026-06-16", "US.TSLA", 200),
    ]
    assert [source for _, source, _ in days(store)] == ["holdings", "holdings"]


def test_a_split_is_no_trade_and_earlier_counts_are_in_later_units(
    store: Store, load_text: LoadText, reference: Reference
) -> None:
    split = BOOK | {"TSLA": 5500}
    load_text(
        a=holdings("6/15/2026", BOOK),
        b=holdings("6/16/2026", BOOK | {"TSLA": 1100}),
        c=holdings("6/17/2026", split).replace("5500,55000.0", "5500,11000.0"),
        d=holdings("6/18/2026", split | {"TSLA": 5600}),
    )
    assert [(day, n) for _, day, _, n in trades(store)] == [("2026-06-15", 100), ("2026-06-17", 100)]
    questions = Questions(store, reference)
    tesla = Security.parse("US.TSLA")
    assert ark_stock_dynamic(questions, tesla).net_shares == 600
    # The file of the 17th is the first in new units, so the trades of the 16th are in them.
    assert ark_stock_dynamic(questions, tesla, date(2026, 6, 16)).net_shares == 500
    assert ark_stock_dynamic(questions, tesla, date(2026, 6, 15)).net_shares == 100


def test_a_notice_on_the_day_of_a_split_is_in_the_new_units(
    store: Store, load_text: LoadText, reference: Reference
) -> None:
    load_text(**split_files("ARKK", "15 16 17 18"), told=notice("6/16/2026", {"TSLA": 50}, "ARKW"))
    assert ark_stock_dynamic(Questions(store, reference), Security.parse("US.TSLA")).net_shares == 550


def test_a_split_that_a_fund_with_a_gap_shows_too_counts_once(
    store: Store, load_text: LoadText, reference: Reference
) -> None:
    load_text(**split_files("ARKK", "15 16 17 18"), **split_files("ARKW", "16 18"))
    assert ark_stock_dynamic(Questions(store, reference), Security.parse("US.TSLA")).net_shares == 500


def test_a_split_in_a_fund_that_is_not_summed_changes_nothing(
    store: Store, load_text: LoadText, reference: Reference
) -> None:
    load_text(
        a=holdings("6/15/2026", BOOK),
        b=holdings("6/16/2026", BOOK | {"TSLA": 1100}),
        c=holdings("6/17/2026", BOOK | {"TSLA": 1100}),
        **split_files("PRNT", "15 16 17"),
    )
    assert ark_stock_dynamic(Questions(store, reference), Security.parse("US.TSLA")).net_shares == 100


def test_what_explains_an_answer_is_known_on_its_day(
    store: Store, load_text: LoadText, reference: Reference
) -> None:
    load_text(
        a=holdings("6/15/2026", BOOK),
        b=holdings("6/16/2026", BOOK | {"TSLA": 1100}),
        c=holdings("6/15/2026", BOOK, "ARKW"),
        d=holdings("6/17/2026", BOOK | {"TSLA": 1700}, "ARKW"),
    )
    questions = Questions(store, reference)
    for day, shares in ((15, 100), (16, 800)):
        answer, trades = explain_ark_stock_dynamic(questions, Security.parse("US.TSLA"), date(2026, 6, day))
        assert sum(trade.shares for trade in trades) == answer.net_shares == shares


def test_a_position_that_was_opened_is_explained_by_both_files(
    store: Store, load_text: LoadText, reference: Reference
) -> None:
    load_text(a=holdings("6/15/2026", BOOK), b=holdings("6/16/2026", BOOK | {"U": 777}))
    _, (trade,) = explain_ark_stock_dynamic(Questions(store, reference), Security.parse("US.U"))
    assert [(Path(path).name, line) for path, line in trade.places] == [("a.csv", None), ("b.csv", 6)]


def test_an_absurd_count_is_left_out_by_its_line(store: Store, load_text: LoadText) -> None:
    text = holdings("6/15/2026", BOOK | {"TSLA": 10})
    report = load_text(a=text.replace(",10,100.0,", ",9.3e18,100.0,"))
    assert [(line, "shares" in reason) for _, line, reason in report.rejects] == [(2, True)]
    assert report.added["holdings"] == 4


def test_a_swap_of_values_is_a_correction(store: Store, load_text: LoadText) -> None:
    first = holdings("6/15/2026", BOOK)
    swapped = first.replace("1000,10000.0", "1000,20000.0").replace("2000,20000.0", "2000,10000.0")
    assert load_text(a=first).added["holdings"] == load_text(b=swapped).added["holdings"] == 5


def test_a_name_that_is_not_utf_8_is_loaded(store: Store, reference: Reference, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.csv"))
    path.write_text(holdings("6/15/2026", BOOK))
    assert load(store, reference, find_files([tmp_path])).read >= 1


def test_a_folder_that_may_not_be_entered_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe.csv")
    assert find_files([tmp_path]) == [tmp_path / "a.csv"]
    with pytest.raises(QotGateError, match=r"pipe\.csv is neither a file nor a folder"):
        find_files([tmp_path / "pipe.csv"])


def test_the_same_file_twice_changes_nothing(store: Store, load_text: LoadText) -> None:
    first = load_text(a=holdings("6/16/2026", BOOK), b=notice("6/16/2026", {"TSLA": 9}))
    assert (first.read, first.unchanged, first.generation) == (2, 0, 1)
    again = load_text(a=holdings("6/16/2026", BOOK), b=notice("6/16/2026", {"TSLA": 9}))
    assert (again.read, again.unchanged, again.generation) == (0, 2, 1)


def test_the_same_rows_in_another_file_change_nothing(store: Store, load_text: LoadText) -> None:
    load_text(a=holdings("6/16/2026", BOOK), b=notice("6/16/2026", {"TSLA": 9}))
    again = load_text(a=holdings("6/16/2026", BOOK) + "\n", b=notice("6/16/2026", {"TSLA": 9}) + "\n")
    assert (again.read, sum(again.added.values()), again.generation) == (2, 0, 1)
    with store.reading() as connection:
        assert len(connection.execute(select(tables.holding)).all()) == 5


def test_a_corrected_file_takes_the_place_of_the_first(store: Store, load_text: LoadText) -> None:
    load_text(a=holdings("6/16/2026", BOOK), b=holdings("6/17/2026", BOOK | {"TSLA": 1500}))
    load_text(b=holdings("6/17/2026", BOOK | {"TSLA": 1100}))
    assert trades(store) == [("ARKK", "2026-06-16", "US.TSLA", 100)]


def test_a_file_under_another_funds_name_is_known_by_its_content(store: Store, load_text: LoadText) -> None:
    load_text(ARK_ARKQ_HOLDINGS=holdings("6/16/2026", BOOK, "ARKK"))
    assert [row["fund"] for row in status(store).spans["holdings"]] == ["ARKK"]


def test_a_day_without_shares_is_named_and_the_rest_is_loaded(store: Store, load_text: LoadText) -> None:
    bare = HEADER.replace("shares,", "") + "\n6/17/2026,ARKK,TESLA INC,TSLA,88160R101,5,1\n"
    report = load_text(a=holdings("6/16/2026", BOOK), b=bare, c=holdings("6/18/2026", BOOK))
    assert (report.read, report.rejected) == (2, 1)
    ((path, line, reason),) = report.rejects
    assert (Path(path).name, line) == ("b.csv", None)
    assert "shares" in reason
    assert days(store) == [("2026-06-16", "holdings", "2026-06-17")]


def test_a_spac_without_a_ticker_that_gets_one(
    store: Store, load_text: LoadText, reference: Reference
) -> None:
    spac = "6/{0},ARKG,CM LIFE SCIENCES III,{1},125842108,{2},{2},100\n"
    for day, ticker, shares in ((15, "", 100), (16, "", 150), (17, "CMLT", 150)):
        load_text(**{f"d{day}": f"{HEADER}\n{spac.format(f'{day}/2026', ticker, shares)}"})
    answer = ark_stock_dynamic(Questions(store, reference), Security.parse("US.CMLT"))
    assert (answer.net_shares, answer.last_transaction_day) == (50, date(2026, 6, 15))
    assert len(trades(store)) == 1


def test_notices_and_holdings_name_a_foreign_listing_differently(
    store: Store, load_text: LoadText, reference: Reference
) -> None:
    row = "6/{0}/2026,ARKF,YEAHKA LTD,9923,BL58D39,{1},{1},100\n"
    load_text(
        a=f"{HEADER}\n{row.format(15, 100)}",
        b=f"{HEADER}\n{row.format(16, 150)}",
        c=f"{NOTICE_HEADER}\nARKF,6/16/2026,Sell,9923HK,G9835C108,YEAHKA LTD,30,0.1\n",
    )
    answer = ark_stock_dynamic(Questions(store, reference), Security.parse("HK.09923"))
    assert (answer.transaction_count, answer.net_shares) == (2, 20)
    assert answer.dynamic_type is DynamicType.RECENT_TRANSACTION


def test_every_row_knows_its_file_and_line(store: Store, load_text: LoadText, tmp_path: Path) -> None:
    load_text(a=holdings("6/16/2026", BOOK), b=notice("6/16/2026", {"TSLA": 9, "ZM": -4}))
    query = select(tables.file.c.path, tables.notice.c.line, tables.notice.c.shares).join_from(
        tables.notice, tables.file
    )
    with store.reading() as connection:
        rows = connection.execute(query.order_by(tables.notice.c.line)).all()
    assert [tuple(row) for row in rows] == [(str(tmp_path / "b.csv"), 2, 9), (str(tmp_path / "b.csv"), 3, -4)]


def test_index_funds_are_not_summed_unless_named(
    store: Store, load_text: LoadText, reference: Reference
) -> None:
    load_text(
        a=holdings("6/16/2026", BOOK, "PRNT"),
        b=holdings("6/17/2026", BOOK | {"TSLA": 1500}, "PRNT"),
        c=holdings("6/16/2026", BOOK, "ARKK"),
        d=holdings("6/17/2026", BOOK | {"TSLA": 1001}, "ARKK").replace("1001,", "1010,"),
    )
    tesla = Security.parse("US.TSLA")
    assert ark_stock_dynamic(Questions(store, reference), tesla).net_shares == 10
    assert ark_stock_dynamic(Questions(store, reference, funds=["PRNT", "ARKK"]), tesla).net_shares == 510


def test_what_is_not_known_yet_on_a_day_is_not_in_its_answer(
    store: Store, load_text: LoadText, reference: Reference
) -> None:
    load_text(
        a=holdings("6/15/2026", BOOK),
        b=holdings("6/16/2026", BOOK | {"TSLA": 1100}),
        # The file of the 17th is missing: this trade may be of the 16th or the 17th.
        c=holdings("6/18/2026", BOOK | {"TSLA": 1300}),
    )
    questions = Questions(store, reference)
    tesla = Security.parse("US.TSLA")
    assert ark_stock_dynamic(questions, tesla, date(2026, 6, 16)).net_shares == 100
    assert ark_stock_dynamic(questions, tesla, date(2026, 6, 17)).net_shares == 300
    assert ark_stock_dynamic(questions, tesla, date(2026, 6, 12)).dynamic_type is DynamicType.NO_DYNAMIC
    with pytest.raises(InvalidRequest, match="as_of takes a day from 2026-06-12 on"):
        ark_stock_dynamic(questions, tesla, date(2026, 6, 11))
    later = ark_stock_dynamic(questions, tesla, date(2026, 6, 18))
    assert later == ark_stock_dynamic(questions, tesla, date(2026, 6, 17))
    assert later.known_to == date(2026, 6, 17)


def test_without_data_the_answer_says_what_to_load(store: Store, reference: Reference) -> None:
    with pytest.raises(InvalidRequest, match="qotgate load"):
        ark_stock_dynamic(Questions(store, reference), Security.parse("US.TSLA"))


def test_a_dry_run_keeps_nothing(store: Store, reference: Reference, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(holdings("6/16/2026", BOOK))
    report = load(store, reference, find_files([tmp_path / "a.csv"]), dry_run=True)
    assert (report.read, report.added["holdings"]) == (1, 5)
    with store.reading() as connection:
        assert generation(connection) == 0
        assert connection.execute(select(tables.file)).all() == []


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(QotGateError, match=r"nowhere does not exist"):
        find_files([tmp_path / "nowhere"])


def test_a_users_listing_maps_what_is_loaded_already(
    store: Store, load_text: LoadText, tmp_path: Path
) -> None:
    row = "6/{0}/2026,ARKF,SOME LTD,1234,B0YBKJ7,{1},{1},100\n"
    report = load_text(a=f"{HEADER}\n{row.format(15, 100)}", b=f"{HEADER}\n{row.format(16, 150)}")
    assert report.unmapped == {"1234 B0YBKJ7 SOME LTD": 2}
    own = tmp_path / "own"
    own.mkdir()
    (own / "listings.csv").write_text("identifier,code,name\nB0YBKJ7,HK.01234,Some\n")
    extended = load_reference(own)
    load(store, extended, [])
    answer = ark_stock_dynamic(Questions(store, extended), Security.parse("HK.01234"))
    assert answer.net_shares == 50


def test_days_on_which_nothing_can_be_told(store: Store, load_text: LoadText, reference: Reference) -> None:
    """Nearly every name was sold in small pieces during redemptions."""
    sold = {
        code: round(n * (0.97 - place % 7 / 500)) - place * 31
        for place, (code, n) in enumerate(LARGE_BOOK.items())
    }
    load_text(
        a=holdings("6/16/2026", LARGE_BOOK), b=holdings("6/17/2026", sold), c=holdings("6/30/2026", sold)
    )
    assert trades(store) == []
    assert [source for _, source, _ in days(store)] == ["untold", "hole"]
    questions = Questions(store, reference)
    # As of June 20 the end of the hole is not known yet.
    for as_of, end in ((None, date(2026, 6, 29)), (date(2026, 6, 20), date(2026, 6, 20))):
        assert ark_stock_dynamic(questions, Security.parse("US.TSLA"), as_of).untold == (
            UntoldDays("ARKK", date(2026, 6, 16), date(2026, 6, 16), "untold"),
            UntoldDays("ARKK", date(2026, 6, 17), end, "hole"),
        )
