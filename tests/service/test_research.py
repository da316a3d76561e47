"""The research tables compared with the questions about one stock, one day or one page: no number differs."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import pairwise
from operator import attrgetter
from typing import Any

import pytest

from qotgate.model import Grade, InvalidRequest, NothingLoaded, Security
from qotgate.model.research import DynamicOfDay, PositionOfDay, RatingNote, Streak, Trade, Transaction
from qotgate.protocol.research import TABLES
from qotgate.ratings.words import level
from qotgate.service.ark.dynamics import ark_stock_dynamic
from qotgate.service.ark.history import ark_history, ark_positions
from qotgate.service.loading import LoadReport
from qotgate.service.questions import Questions
from qotgate.service.ratings.changes import rating_listing
from qotgate.service.reference import Reference
from qotgate.service.research import part, parts, scope
from qotgate.store import Store, reads
from tests.support.ark_files import holdings

DAYS = ("2026-04-17", "2026-05-08", "2026-06-17", "2026-06-22")


@pytest.fixture(scope="module")
def questions(sample_url: str, reference: Reference) -> Iterator[Questions]:
    store = Store.open(sample_url)
    yield Questions(store, reference, lang="en")
    store.close()


def rows_of(questions: Questions, name: str, **given: Any) -> list[Any]:
    """The rows of all parts of a table."""
    table = TABLES[name]
    texts = {one: [value] if isinstance(value, str) else list(value) for one, value in given.items()}
    return [table.row(*row) for found in parts(questions, table, table.values(texts)) for row in found.rows]


def codes_of(questions: Questions) -> list[str]:
    with questions.store.reading() as connection:
        return sorted(code for code, _ in reads.research.names(connection).values() if code)


told_of = attrgetter(
    *("day", "through", "fund", "shares", "adjusted_shares", "ground", "confidence", "change", "flow")
)
held_of = attrgetter("day", "fund", "shares", "adjusted_shares", "market_value", "weight")


def untold_of(answer: Any) -> str | None:
    said = [f"{days.fund} {days.first_day} {days.last_day} {days.why}" for days in answer.untold]
    return "; ".join(said) or None


def test_dynamics_are_those_of_the_one_question(questions: Questions) -> None:
    codes = [*codes_of(questions), "US.NEVER"]
    rows: list[DynamicOfDay] = rows_of(questions, "dynamics", codes=codes, as_of=DAYS)
    assert [(row.as_of.isoformat(), row.security) for row in rows] == [
        (day, code) for day in DAYS for code in codes
    ]
    kinds = set()
    for row in rows:
        one = ark_stock_dynamic(questions, Security.parse(row.security), row.as_of)
        told = one.dynamic_type, one.transaction_count, one.net_shares, one.last_transaction_day, one.known_to
        assert told == (
            row.dynamic_type,
            row.transaction_count,
            row.net_shares,
            row.last_transaction_day,
            row.known_to,
        )
        assert untold_of(one) == row.untold
        kinds.add(row.dynamic_type)
    assert len(kinds) == 4
    assert any(row.untold for row in rows)


def test_dynamics_of_what_is_held_are_of_each_day(questions: Questions) -> None:
    held = rows_of(questions, "dynamics", start="2026-06-15", end="2026-06-22")
    days = {row.as_of for row in held}
    assert len(days) == 5  # Juneteenth is no trading day
    for day in days:
        _, positions = ark_positions(questions, Security.parse("US.TSLA"), day)
        assert positions
        told = {row.security for row in held if row.as_of == day}
        shown = {
            row.security
            for row in rows_of(questions, "positions", end=str(day), as_of=str(day))
            if row.shares and row.security and row.day > day - timedelta(days=14)
        }
        assert told <= shown
        assert "US.TSLA" in told
    assert {row.security for row in rows_of(questions, "dynamics", codes="ALL")} == set(codes_of(questions))
    # An unknown later day gets the last day's answer; a day before the first is refused.
    (later,) = rows_of(questions, "dynamics", codes="US.TSLA", as_of="2099-01-01")
    assert (str(later.as_of), str(later.known_to), later.net_shares) == ("2099-01-01", "2026-06-22", 76041)
    with pytest.raises(InvalidRequest, match="from 2026-04-17 on"):
        rows_of(questions, "dynamics", as_of=["2026-04-16", "2026-06-22"])
    with pytest.raises(InvalidRequest, match="not both"):
        rows_of(questions, "dynamics", as_of="2026-06-22", start="2026-06-22")


def test_trades_are_those_of_each_history(questions: Questions) -> None:
    for as_of in DAYS[1:]:
        rows: list[Trade] = rows_of(questions, "trades", as_of=as_of)
        told = [row for row in rows if row.untold is None and row.security]
        found = []
        for code in codes_of(questions):
            history = ark_history(questions, Security.parse(code), date.fromisoformat(as_of))
            for one in history.transactions:
                later = one.places[-1] if one.places else None
                found.append((code, *told_of(one), later and later.path, later and later.line))
        mine = [(row.security, *told_of(row), row.file, row.line) for row in told]
        assert sorted(mine, key=str) == sorted(found, key=str)
        assert [row.day for row in rows] == sorted(row.day for row in rows)


def test_days_that_are_not_told_are_rows(questions: Questions) -> None:
    rows: list[Trade] = rows_of(questions, "trades", codes="US.TSLA")
    (arkk, arkw) = [row for row in rows if row.untold]
    assert (arkk.fund, str(arkk.day), str(arkk.through), arkk.untold) == (
        "ARKK",
        "2026-04-21",
        "2026-06-12",
        "hole",
    )
    assert arkw.fund == "ARKW"
    assert (arkk.shares, arkk.usd, arkk.security, arkk.confidence) == (None, None, None, None)
    # As of a day within the period it ends there: how long it will be is not known yet.
    for table in ("trades", "dynamics"):
        within = [row.untold for row in rows_of(questions, table, as_of="2026-05-04") if row.untold]
        assert within, table
        assert "2026-06-12" not in " ".join(within), table
    (arkk, _) = [row for row in rows_of(questions, "trades", as_of="2026-05-04") if row.untold]
    assert (str(arkk.day), str(arkk.through)) == ("2026-04-21", "2026-05-04")
    # A period that overlaps the requested days is reported too.
    assert [row.untold for row in rows_of(questions, "trades", start="2026-06-01", end="2026-06-12")] == [
        "hole",
        "hole",
    ]
    assert rows_of(questions, "trades", start="2026-06-15", codes=()) == []
    one_fund = rows_of(questions, "trades", funds="arkw")
    assert {row.fund for row in one_fund} == {"ARKW"}
    with pytest.raises(InvalidRequest, match=r"\(ARKK, ARKW\), not ARKZ"):
        rows_of(questions, "trades", funds="ARKZ")


def test_transactions_are_what_the_dynamics_count(questions: Questions) -> None:
    rows: list[Transaction] = rows_of(questions, "transactions")
    for code in codes_of(questions):
        sums: dict[date, int] = {}
        for one in ark_history(questions, Security.parse(code)).transactions:
            sums[one.day] = sums.get(one.day, 0) + one.adjusted_shares
        mine = {row.day: row.shares for row in rows if row.security == code}
        assert mine == {day: shares for day, shares in sums.items() if shares}
    assert all(row.confidence <= 1 and row.funds for row in rows)


def test_positions_are_those_of_each_stock(questions: Questions) -> None:
    rows: list[PositionOfDay] = rows_of(questions, "positions")
    found = []
    for code in codes_of(questions):
        _, positions = ark_positions(questions, Security.parse(code))
        found += [(code, *held_of(one), one.place.path, one.place.line) for one in positions]
    mine = [(row.security, *held_of(row), row.file, row.line) for row in rows if row.security]
    assert sorted(mine, key=str) == sorted(found, key=str)
    missing = [row for row in rows if row.untold]
    assert missing
    assert {row.untold for row in missing} == {"no file"}
    shown = {(row.day, row.fund) for row in rows if not row.untold}
    assert not shown & {(row.day, row.fund) for row in missing}
    # From the middle on, the first day of a closed position is still reported.
    for start in sorted({row.day for row in rows}):
        later = rows_of(questions, "positions", start=str(start))
        assert later == [row for row in rows if row.day >= start]


def test_rating_changes_are_those_of_the_pages(questions: Questions) -> None:
    listed = rating_listing(questions, count=2000)
    rows: list[RatingNote] = rows_of(questions, "rating_changes")
    assert len(rows) == listed.all_count
    found = {(str(one.change.security), one.change.institution, one.change.day): one for one in listed.rows}
    for row in rows:
        one = found[row.security, row.institution, row.day]
        assert (row.change_type, row.rating, row.last_rating) == (
            one.change.change_type,
            one.change.rating,
            one.change.last_rating,
        )
        assert (row.target_price, row.last_target_price, row.last_day, row.word, row.file, row.line) == (
            one.change.target_price,
            one.change.last_target_price,
            one.change.last_day,
            one.word,
            one.place.path,
            one.place.line,
        )
        assert row.grade is None or level(Grade[row.grade]) == row.rating
    notes = rows_of(questions, "notes")
    assert [row for row in notes if row.change_type] == rows
    some = rows_of(questions, "rating_changes", change_type="downgrade", market="US")
    assert some == [row for row in rows if row.change_type == "DOWNGRADE" and row.security.startswith("US.")]
    named = rows[0].institution
    assert rows_of(questions, "notes", institutions=named) == [
        row for row in notes if row.institution == named
    ]
    codes = [rows[0].security, rows[-1].security, "HK.00700"]
    assert rows_of(questions, "notes", codes=codes) == [row for row in notes if row.security in codes]


def test_holdings_are_the_lines_of_the_files(questions: Questions) -> None:
    rows = rows_of(questions, "holdings")
    with questions.store.reading() as connection:
        spans = reads.files.spans(connection)["holdings"]
    assert len(rows) == sum(span["rows"] for span in spans)
    assert any(row.security is None for row in rows)  # cash
    assert all(row.day < row.file_day for row in rows)  # a file shows the book before its day's trading
    one_day = rows_of(questions, "holdings", start="2026-06-22", end="2026-06-22", funds="ARKK")
    assert {(str(row.day), row.fund) for row in one_day} == {("2026-06-22", "ARKK")}


def test_coverage_adds_up(questions: Questions) -> None:
    rows = rows_of(questions, "coverage")
    for kind in ("trades", "holdings"):
        for fund in ("ARKK", "ARKW"):
            known, *rest = [row for row in rows if (row.kind, row.part) == (kind, fund)]
            assert known.state == "known"
            assert rest
            with questions.store.reading() as connection:
                sessions = reads.research.sessions(connection, known.first_day, known.last_day)
            assert known.days + sum(row.days for row in rest) == len(sessions)
    assert [(row.state, str(row.first_day), str(row.last_day)) for row in rows if row.state == "hole"] == [
        ("hole", "2026-04-21", "2026-06-12")
    ] * 2
    latest = rows_of(questions, "latest_days")
    assert {(row.kind, row.part): str(row.day) for row in latest}["trades", "ARKK"] == "2026-06-22"


def test_no_streak_reaches_over_days_for_which_no_trade_is_known(
    store: Store, reference: Reference, load_text: Callable[..., LoadReport]
) -> None:
    others = {"ROKU": 5000.0, "COIN": 7000.0, "ZM": 9000.0}
    # Bought on three days before the hole and on two days after it.
    bought = {
        "2026-03-02": 1000,
        "2026-03-03": 1100,
        "2026-03-04": 1200,
        "2026-03-05": 1300,
        "2026-06-15": 1300,
        "2026-06-16": 1400,
        "2026-06-17": 1500,
    }
    load_text(**{f"d{day}": holdings(day, {"TSLA": shares, **others}) for day, shares in bought.items()})
    (row,) = rows_of(Questions(store, reference, lang="en"), "streaks", days="2")
    assert (row.security, row.transactions, row.first_day) == ("US.TSLA", 2, date(2026, 6, 15))


def test_streaks_tell_trading_days_from_transactions(questions: Questions) -> None:
    transactions = rows_of(questions, "transactions")
    with questions.store.reading() as connection:
        sessions = reads.research.sessions(connection, date(2026, 1, 1), date(2026, 6, 22))
    rows: list[Streak] = rows_of(questions, "streaks", days="2")
    assert rows
    for row in rows:
        days = [one for one in transactions if one.security == row.security]
        run = []
        for one in reversed(days):
            if run and (one.shares > 0) != (run[-1].shares > 0):
                break
            run.append(one)
        assert len(run) == row.transactions
        in_a_row = 0
        while in_a_row < len(run) and run[in_a_row].day == sessions[-1 - in_a_row]:
            in_a_row += 1
        assert in_a_row == row.trading_days
        assert row.kind == ("TRADING_DAYS" if in_a_row >= 2 else "TRANSACTIONS")
        chosen = run[:in_a_row] if in_a_row >= 2 else run
        assert (row.first_day, row.last_day) == (chosen[-1].day, chosen[0].day)
        assert row.shares == sum(one.shares for one in chosen)
        assert row.side == ("BUY" if row.shares > 0 else "SELL")
    assert rows_of(questions, "streaks", days="2", side="buy") == [row for row in rows if row.side == "BUY"]
    assert rows_of(questions, "streaks", days="250") == []


@pytest.mark.parametrize("name", ["dynamics", "trades", "transactions", "positions", "holdings", "notes"])
def test_parts_are_the_whole(questions: Questions, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"codes": "all", "start": "2026-04-17"} if name == "dynamics" else {}
    whole = rows_of(questions, name, **given)
    monkeypatch.setattr(scope, "MAX_ROWS", 1)
    table = TABLES[name]
    found = list(parts(questions, table, table.values({one: [text] for one, text in given.items()})))
    assert len(found) > 3
    assert [table.row(*row) for one in found for row in one.rows] == whole
    for one, other in pairwise(found):
        if one.rows and other.rows and table.by:
            place = list(table.row.__dataclass_fields__).index(table.by)
            assert max(row[place] for row in one.rows if row[place]) < other.rows[-1][place]


def test_a_load_between_two_parts_is_told(
    store: Store, reference: Reference, load_text: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = Questions(store, reference, lang="en")
    with pytest.raises(NothingLoaded):
        rows_of(questions, "trades")
    with pytest.raises(NothingLoaded):
        rows_of(questions, "notes")
    assert rows_of(questions, "coverage") == []
    notices = "fund,date,direction,ticker,company,shares\n" + "".join(
        f"ARKK,2026-06-{day:02},Buy,TSLA,Tesla,{day}\n" for day in (15, 16, 17)
    )
    load_text(notices=notices)
    monkeypatch.setattr(scope, "MAX_ROWS", 1)
    table = TABLES["trades"]
    first = part(questions, table, table.values({}))
    assert [row[5] for row in first.rows] == [15]
    second = part(questions, table, table.values({}), first.next_page)
    assert [row[5] for row in second.rows] == [16]
    with pytest.raises(InvalidRequest, match="page takes the nextPage"):
        part(questions, table, table.values({"start": ["2026-06-15"]}), first.next_page)
    load_text(more="fund,date,direction,ticker,company,shares\nARKK,2026-06-18,Sell,TSLA,Tesla,5\n")
    with pytest.raises(InvalidRequest, match="start again without page"):
        part(questions, table, table.values({}), second.next_page)


def test_notes_older_than_the_funds_are_in_the_tables(
    store: Store, reference: Reference, load_text: Callable[..., LoadReport]
) -> None:
    load_text(notes="ticker,firm,rating,date\nMU,UBS,Hold,2011-12-08\nMU,UBS,Buy,2012-01-05\n")
    questions = Questions(store, reference, lang="en")
    assert [row.day.year for row in rows_of(questions, "notes")] == [2011, 2012]
    assert [row.change_type for row in rows_of(questions, "rating_changes")] == ["NEW_RATING", "UPGRADE"]
    assert rows_of(questions, "notes", start="2012-01-01")[0].day == date(2012, 1, 5)
