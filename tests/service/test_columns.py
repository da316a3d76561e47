"""Columns in memory answer like the database, and always belong to its current state."""

from array import array
from collections.abc import Callable, Collection, Iterator
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qotgate.model import (
    ArkActiveTransactionHoldingType,
    ArkActiveTransactionSortField,
    ArkCycleType,
    ArkFundHoldingSortField,
    ArkHoldingType,
    InvalidRequest,
    Language,
    Market,
    RankSortDir,
    RatingChangeType,
    Security,
    UntoldDays,
)
from qotgate.protocol.answers import write_list
from qotgate.protocol.body import FORMATS, encode
from qotgate.protocol.interface import ACTIVE_TRANSACTIONS, FUND_HOLDINGS, RATING_CHANGES, ListQuestion
from qotgate.service.ark.dynamics import ark_stock_dynamic
from qotgate.service.ark.lists import active_transactions, fund_holdings
from qotgate.service.calls import LIST_CALLS
from qotgate.service.columns.books import MAX_SETS, BookColumns
from qotgate.service.columns.cache import KINDS, ColumnCache
from qotgate.service.columns.ratings import RatingColumns
from qotgate.service.columns.source import NotAtHand
from qotgate.service.columns.trades import TradeColumns
from qotgate.service.cursor import Cursors
from qotgate.service.loading import LoadReport, load
from qotgate.service.loading.unloading import unload
from qotgate.service.questions import Questions
from qotgate.service.ratings.changes import rating_changes
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.support.ark_files import BOOK, holdings, notice
from tests.support.made_up_files import NOTES, texts

WEEK = ("6/15/2026", "6/16/2026", "6/17/2026", "6/18/2026")


@pytest.fixture
def cache(store: Store) -> Iterator[ColumnCache]:
    made = ColumnCache(store)
    yield made
    made.close()


def said(question: Callable[..., Any], *given: Any) -> Any:
    """An answer, or the sentence that refuses one."""
    try:
        return question(*given)
    except InvalidRequest as error:
        return error.text("en")


def compare_dynamics(store: Store, reference: Reference, cache: ColumnCache, step: int) -> int:
    """Ask for the dynamics of all securities as of every ``step`` th day, both ways. Returns their number."""
    columns = cache.prepared(TradeColumns)
    assert columns is not None
    first, last = columns.span(Questions(store, reference).funds)
    assert first is not None
    assert last is not None
    codes = [Security.parse(code) for code in sorted(columns.codes)] + [Security.parse("US.NONE")]
    days = [first - timedelta(days=1), last + timedelta(days=9)]
    days += [first + timedelta(days=n) for n in range(0, (last - first).days + 1, step)]
    asked = 0
    for how in ({}, {"window_days": 1}, {"window_days": 366, "funds": ("ARKK", "ARKW")}):
        with_columns = Questions(store, reference, columns=cache, **how).at_hand()
        without = Questions(store, reference, **how)
        assert with_columns is not None
        for number, code in enumerate(codes):
            # Another third of the days for each security: together they cover all days.
            for day in (None, *days[:2], *days[2 + number % 3 :: 3]):
                asked += 1
                assert said(ark_stock_dynamic, with_columns, code, day) == said(
                    ark_stock_dynamic, without, code, day
                ), (code, day, how)
    return asked


def test_dynamics_of_the_sample_are_those_of_the_database(sample_url: str, reference: Reference) -> None:
    store = Store.open(sample_url)
    cache = ColumnCache(store)
    assert compare_dynamics(store, reference, cache, step=3) > 100
    cache.close()
    store.close()


@pytest.mark.slow
def test_dynamics_of_real_data_are_those_of_the_database(real_url: str, reference: Reference) -> None:
    store = Store.open(real_url)
    cache = ColumnCache(store)
    assert compare_dynamics(store, reference, cache, step=11) > 2000
    cache.close()
    store.close()


HOLDINGS = [
    (kind, cycle, field, direction)
    for kind in ArkHoldingType
    for cycle, field, direction in (
        (ArkCycleType.ONE_DAY, ArkFundHoldingSortField.SHARES, RankSortDir.DESCENDING),
        (ArkCycleType.FIVE_DAY, ArkFundHoldingSortField.WEIGHT_CHANGE, RankSortDir.ASCENDING),
        (ArkCycleType.THIRTY_DAY, ArkFundHoldingSortField.WEIGHT, RankSortDir.DESCENDING),
        (ArkCycleType.SIXTY_DAY, ArkFundHoldingSortField.SHARES_CHANGE, RankSortDir.ASCENDING),
        (ArkCycleType.TEN_DAY, ArkFundHoldingSortField.MARKET_VALUE, RankSortDir.DESCENDING),
    )
]
TRANSACTIONS = [
    (kind, cycle, field, direction)
    for kind in ArkActiveTransactionHoldingType
    for cycle, field, direction in (
        (ArkCycleType.ONE_DAY, ArkActiveTransactionSortField.UNKNOWN, RankSortDir.DESCENDING),
        (ArkCycleType.SIXTY_DAY, ArkActiveTransactionSortField.CHANGE_SHARES, RankSortDir.ASCENDING),
        (ArkCycleType.FIVE_DAY, ArkActiveTransactionSortField.CHANGE_AMOUNT, RankSortDir.ASCENDING),
    )
]


def compare_lists(
    store: Store, reference: Reference, cache: ColumnCache, days: Collection[date], part: int = 1
) -> tuple[int, int]:
    """Ask for the lists as of some days, both ways, every ``part`` th of them with its second page. Returns
    how many came from memory, and how many did not."""
    assert cache.prepared(BookColumns) is not None
    with_columns = Questions(store, reference, columns=cache)
    both = []
    for lang in get_args(Language):
        at_hand = with_columns.varied(lang=lang).at_hand()
        assert at_hand is not None
        both.append((at_hand, Questions(store, reference, lang=lang)))
    for first_use in (fund_holdings, active_transactions):
        said(first_use, with_columns)
    every: list[tuple[Any, ...]] = [(FUND_HOLDINGS, *words) for words in HOLDINGS]
    every += [(ACTIVE_TRANSACTIONS, *words) for words in TRANSACTIONS]
    asked = answered = 0
    for number, (day, (question, *words)) in enumerate(product(days, every)):
        if number % part:
            continue

        def pages(questions: Questions) -> list[Any]:
            call = LIST_CALLS[question]  # noqa: B023
            first = call(questions, *words, 7, None, day)  # noqa: B023
            if first.next_page is None:
                return [first]
            return [first, call(questions, *words, 7, first.next_page, day)]  # noqa: B023

        at_hand, without = both[asked % 2]
        asked += 1
        try:
            found = said(pages, at_hand)
        except NotAtHand:
            continue
        answered += 1
        expected = said(pages, without)
        assert repr(found) == repr(expected), (question.name, words, day)
        if not isinstance(found, str):
            assert on_the_wire(question, found) == on_the_wire(question, expected), (
                question.name,
                words,
                day,
            )
    return answered, asked - answered


def on_the_wire(question: ListQuestion[Any], pages: list[Any]) -> list[bytes]:
    """The bodies of some pages, in both formats."""
    return [encode(write_list(question, page), body_format) for page in pages for body_format in FORMATS]


def test_lists_of_the_sample_are_those_of_the_database(sample_url: str, reference: Reference) -> None:
    store = Store.open(sample_url)
    cache = ColumnCache(store)
    columns = cache.prepared(BookColumns)
    assert columns is not None
    first, last = columns.span(("ARKK",))
    assert first is not None
    assert last is not None
    days = [first - timedelta(days=1), *(first + timedelta(days=n) for n in range((last - first).days + 2))]
    assert compare_lists(store, reference, cache, days, part=3)[0] > 10
    cache.close()
    store.close()


@pytest.mark.slow
def test_lists_of_real_data_are_those_of_the_database(real_url: str, reference: Reference) -> None:
    store = Store.open(real_url)
    cache = ColumnCache(store)
    columns = cache.prepared(BookColumns)
    assert columns is not None
    days = columns.throughs(("ARKK",))
    answered, others = compare_lists(store, reference, cache, days, part=7)
    assert answered > 3 * others
    cache.close()
    store.close()


def walked(
    questions: Questions, market: Market, kind: RatingChangeType, count: int, as_of: date | None
) -> list[Any]:
    """All pages of a list."""
    pages = [rating_changes(questions, market, kind, count, None, as_of)]
    while pages[-1].next_page is not None:
        pages.append(rating_changes(questions, market, kind, count, pages[-1].next_page, as_of))
    return pages


def compare_ratings(store: Store, reference: Reference, cache: ColumnCache, days: int) -> int:
    """Read all pages of rating changes as of some ``days``, both ways. Returns the number of pages."""
    columns = cache.prepared(RatingColumns)
    assert columns is not None
    first, last = columns.span()
    assert first is not None
    assert last is not None
    at_hand = Questions(store, reference, columns=cache, lang="en").at_hand()
    without = Questions(store, reference, lang="en")
    assert at_hand is not None
    pages = 0
    for market in Market.US, Market.CA, Market.HK:
        for kind in RatingChangeType:
            for number in range(-1, days + 1):
                as_of = first + (last - first) * number // days if number >= 0 else first - timedelta(days=1)
                for count in (20, 7) if number == days else (20,):
                    found = [
                        said(lambda one: walked(one, market, kind, count, as_of), questions)  # noqa: B023
                        for questions in (at_hand, without)
                    ]
                    assert found[0] == found[1], (market, kind, as_of)
                    if not isinstance(found[0], str):
                        bodies = [on_the_wire(RATING_CHANGES, one) for one in found]
                        assert bodies[0] == bodies[1], (market, kind, as_of)
                    pages += len(found[0])
    return pages


def test_ratings_of_the_sample_are_those_of_the_database(sample_url: str, reference: Reference) -> None:
    store = Store.open(sample_url)
    cache = ColumnCache(store)
    assert compare_ratings(store, reference, cache, days=2) > 10
    cache.close()
    store.close()


@pytest.mark.slow
def test_ratings_of_real_data_are_those_of_the_database(real_url: str, reference: Reference) -> None:
    store = Store.open(real_url)
    cache = ColumnCache(store)
    assert compare_ratings(store, reference, cache, days=3) > 200
    cache.close()
    store.close()


def test_pages_of_an_earlier_generation_come_from_the_database_where_notes_came_since(
    load_text: Callable[..., LoadReport], store: Store, reference: Reference, cache: ColumnCache
) -> None:
    def notes(day: int, *targets: int) -> str:
        return NOTES + "".join(f"TSLA,UBS,Buy,{n},2026-06-{day + k:02}\n" for k, n in enumerate(targets))

    def second(questions: Questions) -> Any:
        return rating_changes(questions, Market.US, RatingChangeType.UPGRADE, 2, first.next_page)

    load_text(notes=notes(1, 1, 2, 3, 4, 5))
    assert cache.prepared(RatingColumns) is not None
    database, at_hand = Questions(store, reference), Questions(store, reference, columns=cache).at_hand()
    assert at_hand is not None
    first = rating_changes(at_hand, Market.US, count=2)
    wanted = second(database)
    load_text(book=holdings(WEEK[0], BOOK))
    assert cache.prepared(RatingColumns) is not None
    assert second(at_hand) == second(database) == wanted
    load_text(late=notes(2, 9))
    assert cache.prepared(RatingColumns) is not None
    with pytest.raises(NotAtHand):
        second(at_hand)
    assert second(Questions(store, reference, columns=cache)) == second(database) == wanted


def test_a_hole_that_ends_long_after_the_day_is_told_beside_notices_within_it(
    load_text: Callable[..., LoadReport], store: Store, reference: Reference, cache: ColumnCache
) -> None:
    load_text(
        before=holdings("3/2/2026", BOOK),
        within=notice("3/10/2026", {"TSLA": 500}),
        after=holdings("6/16/2026", BOOK),
        next=holdings("6/17/2026", BOOK),
    )
    assert cache.prepared(TradeColumns) is not None
    at_hand = Questions(store, reference, columns=cache).at_hand()
    assert at_hand is not None
    for questions in (Questions(store, reference), at_hand):
        answer = ark_stock_dynamic(questions, Security.parse("US.TSLA"), date(2026, 3, 20))
        assert answer.untold == (UntoldDays("ARKK", date(2026, 3, 2), date(2026, 3, 20), "hole"),)


def everything(columns: Any) -> dict[str, Any]:
    """The contents of columns, without derived values, their size, and the day since when they are equal."""
    left = ("size", "spellings", "_untold", "_spans", "_same_from", "_sets", "_lock")
    found = {name: value for name, value in vars(columns).items() if name not in left}
    if isinstance(columns, BookColumns):
        found["_books"] = {
            fund: [spelled(book, columns) for book in of.books] for fund, of in found["_books"].items()
        }
    return {name: plain(value) for name, value in found.items()}


def spelled(book: Any, columns: BookColumns) -> Any:
    """A book with the spellings of its lines: their numbers depend on the order of reading."""
    numbers = (one.tobytes() for one in (book.security, book.shares, book.value))
    spellings = [columns.spellings[one] for one in book.spelling.tolist()]
    return book.through, *numbers, spellings, book.total, book.plain


def plain(value: Any) -> Any:
    """A value that compares by contents: NaN equals NaN, and the order of a dictionary's keys does not
    count."""
    if isinstance(value, Cursors):
        return value._secret
    if isinstance(value, array):
        return value.tobytes()
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return tuple(map(plain, value)) if isinstance(value, list | tuple) else value


def assert_as_if_read_whole(store: Store, cache: ColumnCache) -> None:
    anew = ColumnCache(store)
    for kind in KINDS:
        extended, whole = cache.prepared(kind), anew.prepared(kind)
        assert extended is not None
        assert everything(extended) == everything(whole)
    anew.close()


def test_a_day_that_is_added_is_all_that_is_read(
    load_text: Callable[..., LoadReport], store: Store, cache: ColumnCache
) -> None:
    for number, day in enumerate(WEEK):
        load_text(**{f"book{number}": holdings(day, BOOK | {"TSLA": 5000 + 1000 * number})})
        assert_as_if_read_whole(store, cache)
    assert cache.reads["whole"] == len(KINDS)
    assert cache.reads["extended"] >= len(WEEK) - 1


def test_a_late_file_and_one_that_ties_two_securities_together(
    load_text: Callable[..., LoadReport], store: Store, cache: ColumnCache
) -> None:
    load_text(one=holdings(WEEK[0], BOOK), three=holdings(WEEK[2], BOOK | {"TSLA": 7000}))
    assert_as_if_read_whole(store, cache)
    load_text(two=holdings(WEEK[1], BOOK | {"TSLA": 6000}), told=notice(WEEK[1], {"TSLA": 1000}))
    assert_as_if_read_whole(store, cache)
    # Another name and ticker, the same CUSIP.
    load_text(four=holdings(WEEK[3], BOOK).replace("TESLA INC,TSLA", "TESLA HOLDING,TSLH"))
    assert_as_if_read_whole(store, cache)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(loads=st.lists(st.lists(texts, min_size=1, max_size=2), min_size=2, max_size=5), taken=st.booleans())
def test_extended_columns_are_those_that_are_read_whole(
    tmp_path_factory: pytest.TempPathFactory, reference: Reference, loads: list[list[str]], taken: bool
) -> None:
    folder = tmp_path_factory.mktemp("columns")
    store = Store.open(f"sqlite:///{folder / 'qotgate.db'}")
    cache = ColumnCache(store)
    number = 0
    for some in loads:
        paths = []
        for text in some:
            number += 1
            paths.append(folder / f"file{number}.csv")
            paths[-1].write_text(text)
        load(store, reference, paths)
        assert_as_if_read_whole(store, cache)
        compare_lists(store, reference, cache, [date(2026, 6, day) for day in range(15, 20)], part=4)
    if taken:
        with store.reading() as connection:
            last = connection.exec_driver_sql("SELECT max(load_id) FROM file").scalar()
        unload(store, reference, load_id=last)
        assert_as_if_read_whole(store, cache)
    cache.close()
    store.close()


def test_a_commit_takes_columns_out_of_date_at_once(
    load_text: Callable[..., LoadReport], store: Store, reference: Reference, cache: ColumnCache
) -> None:
    load_text(notice=notice(WEEK[0], {"TSLA": 100}))
    assert cache.prepared(TradeColumns) is not None
    questions, tesla = Questions(store, reference, columns=cache), Security.parse("US.TSLA")
    assert ark_stock_dynamic(questions, tesla).net_shares == 100
    load_text(more=notice(WEEK[1], {"TSLA": 200}))
    assert ark_stock_dynamic(questions, tesla).net_shares == 300
    assert cache.prepared(TradeColumns) is not None
    assert ark_stock_dynamic(questions, tesla).net_shares == 300


def test_the_database_answers_what_does_not_fit(
    load_text: Callable[..., LoadReport], store: Store, reference: Reference, tmp_path: Path
) -> None:
    load_text(notice=notice(WEEK[0], {"TSLA": 100}))
    small = ColumnCache(store, most=1000)
    assert small.prepared(TradeColumns) is None
    assert small.reads["too_large"] == 1
    questions = Questions(store, reference, columns=small)
    assert ark_stock_dynamic(questions, Security.parse("US.TSLA")).net_shares == 100
    at_hand = questions.at_hand()
    assert at_hand is not None
    with pytest.raises(NotAtHand):
        ark_stock_dynamic(at_hand, Security.parse("US.TSLA"))
    small.change(1 << 20)
    assert small.prepared(TradeColumns) is not None
    small.close()
    none = ColumnCache(store, most=0)
    assert none.prepared(TradeColumns, seconds=0) is None
    assert sum(none.reads.values()) == 0
    none.close()


def test_the_database_answers_for_more_choices_of_funds_than_are_kept(
    sample_url: str, reference: Reference
) -> None:
    store = Store.open(sample_url)
    cache = ColumnCache(store)
    columns = cache.prepared(BookColumns)
    assert columns is not None
    for number in range(MAX_SETS + 2):
        funds = ("ARKK", *(f"ARK{one}" for one in range(number)))
        with_columns = Questions(store, reference, columns=cache, funds=funds)
        assert fund_holdings(with_columns) == fund_holdings(Questions(store, reference, funds=funds))
    assert len(columns._sets) == MAX_SETS
    cache.close()
    store.close()
