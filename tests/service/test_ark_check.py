"""Inferred trades compared with ARK's notices, on all real files."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import date
from math import comb
from pathlib import Path

import pytest
from sqlalchemy import select

from qotgate import sources
from qotgate.ark.grounds import CONFIDENCE, Ground
from qotgate.ark.notices import merge
from qotgate.model import ACTIVE_FUNDS, FileKind, Notice
from qotgate.service.ark.check import Comparison, agreement, compare, score, seen_splits
from qotgate.service.loading import find_files, load
from qotgate.service.reference import Reference
from qotgate.store import Store, tables

BROKEN_OFF = ("ARKK", date(2021, 8, 16))
"""The notice of this day, one file for all funds, ends after four lines of ARKK, whose holdings show fifteen
more trades."""
CHANCE = 0.01
"""Probability of a half below which its confidence counts as too high."""
AUGUST = [date(2021, 8, day) for day in (*range(2, 7), *range(9, 14), *range(16, 21), *range(23, 28), 30, 31)]


@pytest.fixture(scope="module")
def real(real_url: str) -> Iterator[Store]:
    store = Store.open(real_url)
    yield store
    store.close()


@pytest.fixture(scope="module")
def found(real: Store, reference: Reference, shared_data: Path) -> list[Comparison]:
    files: list[list[Notice]] = []
    for path in find_files([shared_data / "ark" / "trades"]):
        parsed = sources.read(path.read_bytes())
        assert parsed.kind is FileKind.NOTICES
        files.append([line for line in parsed.records if isinstance(line, Notice)])
    return compare(real, reference, merge([*files, files[0]]), ACTIVE_FUNDS)


def test_precision_recall_and_exactness(found: list[Comparison]) -> None:
    total = score(found)
    assert total.noticed > 3300
    assert total.precision >= 0.97
    assert total.recall >= 0.97
    assert total.exactness >= 0.95
    for fund in ACTIVE_FUNDS:
        part = score(one for one in found if one.fund == fund)
        assert min(part.precision, part.recall) >= 0.97, fund
        assert part.exactness >= 0.95, fund
    # The months used to develop the model, and the others.
    for months in ((4, 5, 6), (7, 8)):
        part = score(one for one in found if one.day.month in months)
        assert min(part.precision, part.recall) >= 0.97, months


@pytest.fixture(scope="module")
def all_found(
    tmp_path_factory: pytest.TempPathFactory, reference: Reference, shared_data: Path
) -> list[Comparison]:
    """All given notices, compared with the holdings of the same months."""
    folders = [shared_data / "ark-2020", shared_data / "ark"]
    files = []
    for path in find_files([folder / "trades" for folder in folders]):
        lines = [line for line in sources.read(path.read_bytes()).records if isinstance(line, Notice)]
        files.append(lines)
    store = Store.open(f"sqlite:///{tmp_path_factory.mktemp('all') / 'all.db'}")
    load(store, reference, find_files([folder / "holdings" for folder in folders]))
    found = compare(store, reference, merge(files), ACTIVE_FUNDS)
    store.close()
    return [one for one in found if (one.fund, one.day) != BROKEN_OFF]


def at_most(confirmed: int, trades: int, rate: float) -> float:
    """The probability that at most this many trades are confirmed, if each is with probability ``rate``."""
    fewer = range(trades - confirmed)
    return 1 - sum(comb(trades, n) * (1 - rate) ** n * rate ** (trades - n) for n in fewer)


@pytest.mark.slow
def test_confidence_is_kept_in_months_that_did_not_set_it(all_found: list[Comparison]) -> None:
    """Odd months set the confidence for even months, and the other way round; the shipped value is at most
    either."""
    tally: dict[tuple[str, int], Counter[str]] = {}
    for one in all_found:
        if one.ground and one.matters(one.inferred):
            tally.setdefault((one.ground, one.day.month % 2), Counter()).update(trades=1, confirmed=one.found)
    for ground in {ground for ground, _ in tally}:
        halves = [tally[ground, half] for half in (0, 1)]
        for half, other in (halves, halves[::-1]):
            rate = min((half["confirmed"] + 1) / (half["trades"] + 2), 0.99)
            assert CONFIDENCE[Ground[ground]] <= rate, ground
            for confidence in (rate, CONFIDENCE[Ground[ground]]):
                assert at_most(other["confirmed"], other["trades"], confidence) >= CHANCE, ground
    # No half of a year differs much either.
    parts: dict[tuple[str, int, bool], Counter[str]] = {}
    for one in all_found:
        if one.ground and one.matters(one.inferred):
            part = one.ground, one.day.year, one.day.month < 4
            parts.setdefault(part, Counter()).update(trades=1, confirmed=one.found)
    for (ground, *_), part in parts.items():
        assert at_most(part["confirmed"], part["trades"], CONFIDENCE[Ground[ground]]) >= CHANCE, part
    assert len(tally) == 2 * len(CONFIDENCE) - 2


@pytest.mark.slow
def test_no_sign_is_wrong(all_found: list[Comparison]) -> None:
    total = score(all_found)
    assert total.wrong_sign == 0
    assert total.inferred > 5300
    for months, least in {
        (11, 12): (0.987, 0.993, 0.943),
        (1, 2, 3): (0.993, 0.9935, 0.971),
        (4, 5, 6, 7, 8): (0.9923, 0.9973, 0.9805),
    }.items():
        part = score(one for one in all_found if one.day.month in months)
        shown = part.precision, part.recall, part.exactness
        assert all(figure >= bound for figure, bound in zip(shown, least, strict=True)), (months, shown)


def test_dynamics_agree(real: Store, found: list[Comparison]) -> None:
    splits = seen_splits(real, {one.security for one in found})
    whole = agreement(found, splits, AUGUST)
    assert whole.dynamics > 4000
    assert whole.same_type >= 0.98 * whole.dynamics
    assert whole.same_shares >= 0.90 * whole.dynamics
    rest = agreement([one for one in found if (one.fund, one.day) != BROKEN_OFF], splits, AUGUST)
    assert rest.same_shares >= 0.95 * rest.dynamics


def derived(store: Store) -> dict[str, set[tuple[object, ...]]]:
    """Trades, covered days and splits, each security by its names and identifiers instead of its number."""
    rows: dict[str, set[tuple[object, ...]]] = {}
    with store.reading() as connection:
        spellings: dict[int, list[tuple[str, ...]]] = {}
        spelling = tables.spelling.c
        columns = (spelling.ticker, spelling.identifier, spelling.name, spelling.security_id)
        for *spelled, security in connection.execute(select(*columns)):
            spellings.setdefault(security, []).append(tuple(spelled))
        for table in (tables.trade, tables.split):
            others = [column for column in table.c if column.name != "security_id"]
            rows[table.name] = {
                (min(spellings[row[0]]), *row[1:])
                for row in connection.execute(select(table.c.security_id, *others))
            }
        rows["ark_day"] = {tuple(row) for row in connection.execute(select(tables.ark_day))}
        rows["spelling"] = {tuple(sorted(spelled)) for spelled in spellings.values()}
    return rows


@pytest.mark.slow
def test_the_order_and_pieces_of_loading_do_not_matter(
    tmp_path: Path, reference: Reference, shared_data: Path
) -> None:
    files = [
        path
        for path in find_files([shared_data / "ark"])
        if any(fund in path.name for fund in ("ARKX", "ARKQ")) and path.parent.name > "2021-07-01"
    ]
    assert len(files) > 150
    results = []
    for seed in (None, 1, 2):
        store = Store.open(f"sqlite:///{tmp_path / f'{seed}.db'}")
        if seed is None:
            load(store, reference, files)
        else:
            shuffled = list(files)
            random.Random(seed).shuffle(shuffled)
            for start in range(0, len(shuffled), 40):
                load(store, reference, shuffled[start : start + 40])
        results.append(derived(store))
        store.close()
    for other in results[1:]:
        for name, rows in results[0].items():
            assert other[name] ^ rows == set(), name


def test_splits_stand_on_the_day_that_they_were_effective(real: Store) -> None:
    with real.reading() as connection:
        split, security = tables.split, tables.security
        query = select(security.c.code, split.c.day, split.c.numerator).join_from(split, security).distinct()
        found = {(code, str(day), new) for code, day, new in connection.execute(query)}
    assert {("US.NVDA", "2021-07-20", 4), ("US.TTD", "2021-06-17", 10)} <= found
    assert {code for code, _, _ in found if code} >= {"US.ADYEY"}


@pytest.mark.slow
def test_a_new_day_is_worked_in_like_all_at_once(
    tmp_path: Path, reference: Reference, shared_data: Path
) -> None:
    files = [path for path in find_files([shared_data / "ark" / "holdings"]) if "ARKG" in path.name]
    whole = Store.open(f"sqlite:///{tmp_path / 'whole.db'}")
    load(whole, reference, files)
    grown = Store.open(f"sqlite:///{tmp_path / 'grown.db'}")
    load(grown, reference, files[:-12])
    for path in files[-12:]:
        load(grown, reference, [path])
    assert derived(grown) == derived(whole)
    whole.close()
    grown.close()
