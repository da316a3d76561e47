"""From analyst notes to rating changes and pages of them."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from qotgate.model import (
    DayOrder,
    InvalidRequest,
    Market,
    Page,
    QotGateError,
    RatingChange,
    RatingChangeType,
    RatingLevel,
)
from qotgate.service.coverage.status import status
from qotgate.service.cursor import Cursor, Cursors
from qotgate.service.loading import LoadReport, find_files, load
from qotgate.service.loading.unloading import unload
from qotgate.service.questions import Questions
from qotgate.service.ratings.changes import institution_names, rating_changes
from qotgate.service.reference import Reference, load_reference
from qotgate.store import Store, tables
from qotgate.store.database import write_state

LoadText = Callable[..., LoadReport]
HEADER = "ticker,name,firm,rating,price_target,date"
US, UP, NEW = Market.US, RatingChangeType.UPGRADE, RatingChangeType.NEW_RATING


def notes(*rows: str) -> str:
    return "\n".join([HEADER, *rows, ""])


def many(start: int, stop: int, day: str = "2026-02-02") -> str:
    """A hold before and a buy on ``day`` for each of some tickers: an upgrade each."""
    holds = [f"T{number},Stock {number},UBS,Hold,,2026-01-02" for number in range(start, stop)]
    buys = [f"T{number},Stock {number},UBS,Buy,,{day}" for number in range(start, stop)]
    return notes(*holds, *buys)


def walk(questions: Questions, count: int, page: str | None = None) -> list[str]:
    codes = []
    while True:
        answer = rating_changes(questions, US, UP, count, page)
        codes += [row.security.code for row in answer.rows]
        page = answer.next_page
        if page is None:
            return codes


@pytest.fixture
def questions(store: Store, reference: Reference) -> Questions:
    return Questions(store, reference)


def test_the_references_own_example(load_text: LoadText, questions: Questions) -> None:
    load_text(
        notes=notes(
            "MU,Micron,B of A Securities,Buy,$950.00,5/13/2026",
            'US.MU,Micron,BofA,Buy,"1,500",2026-06-23',
        )
    )
    (row,) = rating_changes(questions, US).rows
    assert row == RatingChange(
        security=row.security,
        name="美光科技",
        rating=RatingLevel.BUY,
        last_rating=RatingLevel.BUY,
        target_price=1500.0,
        last_target_price=950.0,
        change_type=UP,
        institution="美银证券",
        day=date(2026, 6, 23),
        last_day=date(2026, 5, 13),
    )
    (first,) = rating_changes(questions, US, NEW).rows
    assert (first.last_rating, first.last_target_price, first.last_day) == (None, None, None)


def test_a_name_that_no_table_knows_is_the_feeds(load_text: LoadText, questions: Questions) -> None:
    load_text(notes=notes("QQQQX,Quality Widgets,Some House,Buy,,2026-06-23"))
    (row,) = rating_changes(questions, US, NEW).rows
    assert (row.name, row.institution) == ("Quality Widgets", "Some House")


def test_a_name_that_no_table_knows_may_be_spelled_in_several_ways(
    store: Store, load_text: LoadText, questions: Questions
) -> None:
    """One institution, under the spelling that was loaded first."""
    load_text(
        a=notes(
            "MU,Micron,Foo Capital,Hold,100,2026-06-01",
            "MU,Micron,FOO CAPITAL,Buy,120,2026-06-02",
            "MU,Micron,foo-capital,Buy,120,2026-06-02",
        ),
        b=notes("NVDA,Nvidia,FOO CAPITAL,Buy,200,2026-06-02", "NVDA,Nvidia,Foo-Capital,Buy,200,2026-06-02"),
    )
    (row,) = rating_changes(questions, US, UP).rows
    assert (row.institution, row.last_target_price, row.target_price) == ("Foo Capital", 100, 120)
    report = load_text(c=notes("NVDA,Nvidia,foo capital,Buy,210,2026-06-03"))
    assert report.added["notes"] == 1
    assert [row.target_price for row in rating_changes(questions, US, UP).rows] == [210, 120]
    assert rating_changes(questions, US, NEW).all_count == 2


def test_notes_that_an_earlier_version_put_under_two_spellings_come_together(
    store: Store, load_text: LoadText, questions: Questions, reference: Reference
) -> None:
    load_text(
        notes=notes("MU,Micron,Foo Capital,Hold,,2026-06-01", "MU,Micron,Other,Buy,,2026-06-02"),
    )
    with store.writing() as connection:
        history, note = tables.history, tables.note
        other = {"institution": "FOO CAPITAL"}
        connection.execute(history.update().where(history.c.institution == "Other").values(other))
        connection.execute(note.update().where(note.c.firm == "Other").values(firm="FOO CAPITAL"))
        write_state(connection, "reference", reference.digest)
    load(store, reference, [])
    (row,) = rating_changes(questions, US, UP).rows
    assert (row.institution, row.last_day) == ("Foo Capital", date(2026, 6, 1))


def test_the_first_spelling_comes_back_when_a_table_of_institutions_is_gone(
    store: Store, load_text: LoadText, questions: Questions, tmp_path: Path
) -> None:
    """Neither the spelling of the table stays, nor does the first or the last one by name come."""
    load_text(a=notes("NVDA,Nvidia,FOO Capital,Buy,,2026-06-01", "MU,Micron,Foo Capital,Buy,,2026-06-01"))
    (tmp_path / "institutions.csv").write_text("name,name_zh,spellings\nfoo capital,,\nFOO,,\n")
    load(store, load_reference(tmp_path), [])
    assert institution_names(questions) == ["foo capital"]
    load_text(b=notes("MU,Micron,foo-capital,Buy,,2026-06-02"))
    assert institution_names(questions) == ["FOO Capital"]
    new = rating_changes(questions, US, NEW)
    assert [row.institution for row in new.rows] == ["FOO Capital"] * 2


@pytest.mark.parametrize("firm", ["—", "***", "-", "N/A", "none"])
def test_a_note_of_no_institution_is_left_out(load_text: LoadText, questions: Questions, firm: str) -> None:
    """Two of them may be of two institutions: from one to the other there is no change."""
    report = load_text(notes=notes(f"MU,Micron,{firm},Hold,,2026-06-01", "MU,Micron,UBS,Buy,,2026-06-01"))
    ((_, line, reason),) = report.rejects
    assert (line, reason) == (2, f"firm is '{firm}', which names no institution")
    assert rating_changes(questions, US, NEW).all_count == 1


def test_an_unknown_grade_is_counted_and_shown_as_unknown(
    store: Store, load_text: LoadText, questions: Questions
) -> None:
    report = load_text(notes=notes("MU,Micron,UBS,Buy,,2026-06-01", "MU,Micron,UBS,Splendid,,2026-06-02"))
    assert report.unknown_grades == {"Splendid": 1}
    assert status(store).unknown_grades == {"Splendid": 1}
    assert rating_changes(questions, US, UP).all_count == 0
    assert rating_changes(questions, US, RatingChangeType.DOWNGRADE).all_count == 0


def test_a_users_grade_applies_to_notes_that_are_loaded_already(
    store: Store, load_text: LoadText, tmp_path: Path
) -> None:
    load_text(notes=notes("MU,Micron,UBS,Hold,,2026-06-01", "MU,Micron,UBS,Splendid,,2026-06-02"))
    own = tmp_path / "own"
    own.mkdir()
    (own / "grades.csv").write_text("word,grade\nSplendid,buy\n")
    (own / "institutions.csv").write_text("name,name_zh,spellings\nUBS Group,瑞士,UBS\n")
    extended = load_reference(own)
    load(store, extended, [])
    (row,) = rating_changes(Questions(store, extended), US, UP).rows
    assert (row.rating, row.last_rating, row.institution) == (RatingLevel.BUY, RatingLevel.HOLD, "瑞士")


def test_new_tables_and_new_notes_may_come_in_one_load(
    store: Store, load_text: LoadText, tmp_path: Path
) -> None:
    """The new notes follow the loaded ones in the history that the new tables give these."""
    load_text(notes=notes("MU,Micron,UBS,Hold,,2026-06-01"))
    (tmp_path / "institutions.csv").write_text("name,name_zh,spellings\nUBS Group,瑞士,UBS\n")
    (tmp_path / "new.csv").write_text(
        notes("MU,Micron,UBS Group,Buy,,2026-06-03", "MU,Micron,UBS,Hold,,2026-06-01")
    )
    extended = load_reference(tmp_path)
    report = load(store, extended, [tmp_path / "new.csv"])
    assert report.added["notes"] == 1
    (row,) = rating_changes(Questions(store, extended), US, UP).rows
    assert (row.institution, row.last_day) == ("瑞士", date(2026, 6, 1))
    assert rating_changes(Questions(store, extended), US, NEW).all_count == 1


def test_a_late_note_reclassifies_its_successor(load_text: LoadText, questions: Questions) -> None:
    load_text(a=notes("MU,Micron,UBS,Hold,,2026-06-01", "MU,Micron,UBS,Buy,,2026-06-09"))
    assert rating_changes(questions, US, UP).all_count == 1
    load_text(b=notes("MU,Micron,UBS,Buy,,2026-06-05"))
    (row,) = rating_changes(questions, US, UP).rows
    assert row.day == date(2026, 6, 5)


def test_the_same_note_from_another_file_is_one_note(load_text: LoadText, questions: Questions) -> None:
    load_text(a=notes("MU,Micron,UBS,Hold,,2026-06-01", "MU,Micron,UBS,Buy,,2026-06-09"))
    again = load_text(b=notes("US.MU,Micron Inc,ubs,hold,0,2026-06-01"))
    assert (again.read, again.added["notes"], again.generation) == (1, 0, 1)


def test_newest_day_first_and_within_a_day_the_newest_loaded(
    load_text: LoadText, questions: Questions
) -> None:
    load_text(a=many(0, 3), b=many(3, 5, "2026-02-03"))
    load_text(c=many(5, 7))
    assert walk(questions, 2) == ["T4", "T3", "T6", "T5", "T2", "T1", "T0"]


@pytest.mark.parametrize("count", [1, 3, 7, 20])
def test_pages_neither_repeat_nor_skip(load_text: LoadText, questions: Questions, count: int) -> None:
    load_text(a=many(0, 45))
    codes = walk(questions, count)
    assert len(codes) == len(set(codes)) == rating_changes(questions, US, UP).all_count == 45


def test_paging_holds_still_while_rows_arrive_and_change(load_text: LoadText, questions: Questions) -> None:
    load_text(a=many(0, 30))
    before = walk(questions, 20)
    first = rating_changes(questions, US, UP, 10)
    # New rows before, within and after the remaining pages, and one that cancels an upgrade not yet read.
    load_text(
        b=many(30, 40, "2026-02-09"),
        c=many(40, 50, "2026-01-20"),
        d=notes("T3,Stock 3,UBS,Buy,,2026-01-15", "T3,Stock 3,UBS,Hold,,2026-02-01"),
    )
    rest = walk(questions, 7, first.next_page)
    assert [row.security.code for row in first.rows] + rest == before
    assert rating_changes(questions, US, UP, 1, first.next_page).all_count == first.all_count == 30
    assert rating_changes(questions, US, UP).all_count == 51


def test_a_cursor_is_bound_to_its_question(load_text: LoadText, questions: Questions) -> None:
    load_text(a=many(0, 5))
    page = rating_changes(questions, US, UP, 2).next_page
    assert page is not None
    assert len(rating_changes(questions, US, UP, 20, page).rows) == 3
    for market, change_type, as_of in (
        (Market.CA, UP, None),
        (US, NEW, None),
        (US, UP, date(2026, 2, 2)),
    ):
        with pytest.raises(InvalidRequest, match="page takes the nextPage"):
            rating_changes(questions, market, change_type, 2, page, as_of)


def test_a_cursor_cannot_be_forged(load_text: LoadText, questions: Questions) -> None:
    load_text(a=many(0, 5))
    page = rating_changes(questions, US, UP, 2).next_page
    assert page is not None
    forged = [page[:-1], page + "A", page[::-1], page.swapcase(), "é", "\x00", "." * 1000, "x" * 100_000]
    other = Cursors("another secret").write(
        ("rating_changes", "US", "UPGRADE", ""), Cursor(1, "2026-02-02", 5, "2026-02-02", 9)
    )
    for text in (*forged, other):
        with pytest.raises(InvalidRequest, match="page takes the nextPage"):
            rating_changes(questions, US, UP, 2, text)


def test_cursors_outlive_the_process(
    store: Store, load_text: LoadText, questions: Questions, reference: Reference
) -> None:
    load_text(a=many(0, 5))
    page = rating_changes(questions, US, UP, 2).next_page
    reopened = Store.open(store.url)
    assert len(rating_changes(Questions(reopened, reference), US, UP, 20, page).rows) == 3
    reopened.close()


def test_as_of_an_earlier_day(load_text: LoadText, questions: Questions) -> None:
    load_text(a=many(0, 3), b=many(3, 5, "2026-02-03"))

    def counted(as_of: date | None) -> Page[RatingChange]:
        return rating_changes(questions, US, UP, 20, None, as_of)

    assert [counted(day).all_count for day in (None, date(2026, 2, 2), date(2026, 2, 4))] == [5, 3, 5]
    assert [counted(day).known_to for day in (None, date(2026, 2, 2), date(2026, 2, 4))] == [
        *(date(2026, 2, 3), date(2026, 2, 2), date(2026, 2, 3)),
    ]
    assert counted(date(2026, 2, 1)).all_count == 0
    with pytest.raises(InvalidRequest, match="as_of takes a day from 2026-01-02 on"):
        counted(date(2026, 1, 1))


def test_pages_of_a_day_that_is_not_known_yet(load_text: LoadText, questions: Questions) -> None:
    load_text(a=many(0, 5))
    tomorrow = date(2026, 2, 3)
    first = rating_changes(questions, US, UP, 2, None, tomorrow)
    load_text(b=many(5, 9, "2026-02-03"))
    rest = rating_changes(questions, US, UP, 20, first.next_page, tomorrow)
    assert (len(rest.rows), rest.all_count, rest.known_to) == (3, 5, date(2026, 2, 2))
    assert rating_changes(questions, US, UP, 20, None, tomorrow).known_to == tomorrow


@pytest.mark.parametrize("count", [0, 21, -1])
def test_the_count_has_a_range(load_text: LoadText, questions: Questions, count: int) -> None:
    load_text(a=many(0, 1))
    with pytest.raises(InvalidRequest, match="count takes a whole number from 1 to 20"):
        rating_changes(questions, US, UP, count)


def test_without_notes_the_answer_says_what_to_load(questions: Questions) -> None:
    with pytest.raises(InvalidRequest, match="qotgate load"):
        rating_changes(questions, US)


def test_us_and_canada_are_apart(load_text: LoadText, questions: Questions) -> None:
    load_text(notes=notes("SHOP,Shopify,UBS,Buy,,2026-06-01", "SHOP.TO,Shopify,UBS,Buy,,2026-06-01"))
    for market, name in ((US, "US.SHOP"), (Market.CA, "CA.SHOP")):
        assert [str(row.security) for row in rating_changes(questions, market, NEW).rows] == [name]


def test_pages_are_read_from_an_index(store: Store, load_text: LoadText) -> None:
    load_text(a=many(0, 5000))
    explain = "EXPLAIN" if store.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    with store.reading() as connection:
        plan = connection.exec_driver_sql(
            f"{explain} SELECT * FROM rating_change WHERE market = 'US' AND change_type = 'UPGRADE' "
            "AND day <= '2026-02-02' AND since <= 1 AND until > 1 ORDER BY day DESC, note_id DESC LIMIT 20"
        ).all()
    text = " ".join(str(row[-1]) for row in plan)
    assert re.search(
        "(USING INDEX|Index Scan Backward using) ix_rating_change_market_change_type_day_note_id", text
    )
    assert "TEMP B-TREE" not in text
    assert "Sort" not in text


def test_a_wrong_table_is_named_by_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "grades.csv").write_text("word,grade\nFine,good\n")
    with pytest.raises(QotGateError, match=r"grades\.csv, line 2: grade takes .*strong_buy, not good"):
        load_reference(tmp_path)


def test_folders_are_searched_but_not_their_hidden_files(
    store: Store, reference: Reference, tmp_path: Path
) -> None:
    inner = tmp_path / "in" / "deep"
    inner.mkdir(parents=True)
    (inner / "b.csv").write_text(many(0, 2))
    (inner / "a.txt").write_text("junk")
    (inner / ".hidden.csv").write_text("junk")
    (inner / "README.md").write_text("junk")
    (inner / "named").write_text(many(2, 3))
    passed_over: Counter[str] = Counter()
    found = find_files([tmp_path / "in", inner / "b.csv"], passed_over)
    report = load(store, reference, found)
    assert (report.files, report.read, report.rejected) == (2, 1, 1)
    assert passed_over == {".md": 1, "": 1}
    assert load(store, reference, find_files([inner / "named"])).read == 1


def test_a_raise_across_a_split_is_a_raise(
    store: Store, reference: Reference, questions: Questions, load_text: LoadText
) -> None:
    """From 700 before the split of 10 for 1 to 75 after it."""
    load_text(
        notes="ticker,firm,date,rating,price_target,previous_price_target,adjusted_price_target,"
        "adjusted_previous_price_target\n"
        "NVDA,Oppenheimer,2024-06-05,outperform,700,660,70,66\n"
        "NVDA,Oppenheimer,2024-06-20,outperform,75,70,75,70\n"
    )
    rows = rating_changes(questions, US, UP).rows
    assert [(row.target_price, row.last_target_price) for row in rows] == [(75.0, 70.0), (70.0, 66.0)]


def test_the_order_of_days_that_the_user_says_stays_with_the_file(
    store: Store, reference: Reference, tmp_path: Path, questions: Questions
) -> None:
    """A file is loaded once under one order, and read again by it if another file is unloaded."""
    path, other = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text(notes("MU,Micron,UBS,Hold,,3/2/2026", "MU,Micron,UBS,Buy,,4/2/2026"))
    other.write_text(many(0, 1))
    files = [path, other]
    assert [reason for *_, reason in load(store, reference, files).rejects] == [
        "its days may be D/M/Y or M/D/Y, as '3/2/2026' in line 2; load it with --dates dmy or --dates mdy"
    ]
    assert load(store, reference, files, dates=DayOrder.DMY).read == 1
    assert load(store, reference, files, dates=DayOrder.DMY).read == 0
    unload(store, reference, [other])
    (row,) = rating_changes(questions, US, UP).rows
    assert (row.day, row.last_day) == (date(2026, 2, 4), date(2026, 2, 3))
    assert load(store, reference, [path], dates=DayOrder.MDY).read == 1


def test_two_files_of_the_same_bytes_may_be_of_two_stocks_by_their_names(
    store: Store, reference: Reference, tmp_path: Path, questions: Questions
) -> None:
    text = "GradeDate,Firm,ToGrade,FromGrade,Action\n2026-06-01 10:00:00,UBS,Buy,Hold,up\n"
    for name in ("GOOG", "GOOGL"):
        (tmp_path / f"{name}.csv").write_text(text)
    report = load(store, reference, find_files([tmp_path]))
    assert report.read == 2
    assert {row.security.code for row in rating_changes(questions, US, UP).rows} == {"GOOG", "GOOGL"}
    again = load(store, reference, find_files([tmp_path]))
    assert (again.read, again.generation) == (0, 1)


def test_two_feeds_with_the_same_note_are_one_note(load_text: LoadText, questions: Questions) -> None:
    load_text(a=notes("MU,Micron,UBS,Hold,90,2026-06-01", "MU,Micron,UBS,Buy,,2026-06-09"))
    assert rating_changes(questions, US, UP).rows[0].target_price is None
    load_text(
        b="ticker,date,time,analyst,action_company,rating_current,rating_prior,pt_current,pt_prior\n"
        "MU,2026-06-09,08:30:00,UBS,Upgrades,Buy,Neutral,120,90\n"
    )
    (row,) = rating_changes(questions, US, UP).rows
    assert (row.target_price, row.last_target_price, row.last_day) == (120, 90, date(2026, 6, 1))
