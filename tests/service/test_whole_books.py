"""Incomplete books are refused: truncated files, answers of an API that a limit truncated."""

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import select

from qotgate.model import ArkHoldingType
from qotgate.service.ark.lists import fund_holdings
from qotgate.service.loading import LoadReport, find_files, load
from qotgate.service.questions import Questions
from qotgate.service.reference import Reference
from qotgate.store import Store, tables
from tests.support.ark_files import BOOK, LARGE_BOOK, holdings

LoadText = Callable[..., LoadReport]


def books(store: Store) -> list[str]:
    with store.reading() as connection:
        return [str(day) for day in connection.scalars(select(tables.snapshot.c.day).order_by("day"))]


def test_a_file_cut_at_a_line_end_is_no_book(store: Store, load_text: LoadText, tmp_path: Path) -> None:
    before, after = holdings("6/16/2026", LARGE_BOOK), holdings("6/17/2026", LARGE_BOOK)
    cut = "\n".join(after.splitlines()[:3]) + "\n"
    report = load_text(any_book=False, a=before, b=cut)
    assert (report.read, report.rejected) == (1, 1)
    whole = "ARKK 2026-06-17 is not a whole book: its weights add up to 6.8%, not to about 100%"
    assert [reason for _, _, reason in report.rejects] == [f"{whole}; --any-book loads it"]
    assert books(store) == ["2026-06-16"]
    # The complete file replaces it later.
    assert load_text(any_book=False, b=after).read == 1
    assert books(store) == ["2026-06-16", "2026-06-17"]


def test_a_file_cut_inside_a_line_is_no_book(store: Store, load_text: LoadText) -> None:
    """However little is missing."""
    whole = holdings("6/17/2026", BOOK | {"COIN": 10}).rstrip("\n")
    report = load_text(any_book=False, a=holdings("6/16/2026", BOOK), b=whole[: whole.index("COINBASE") + 3])
    assert [reason for _, _, reason in report.rejects][-1].endswith(
        "it breaks off in line 5; --any-book loads it"
    )
    assert books(store) == ["2026-06-16"]


def test_a_book_without_weights_that_lost_most_of_its_lines(store: Store, load_text: LoadText) -> None:
    def unweighted(text: str) -> str:
        head, *lines = text.splitlines()
        return "\n".join([head, *(line.rpartition(",")[0] + "," for line in lines), ""])

    part = {"TSLA": LARGE_BOOK["TSLA"]}
    report = load_text(
        any_book=False,
        a=unweighted(holdings("6/16/2026", LARGE_BOOK)),
        b=unweighted(holdings("6/17/2026", part)),
    )
    assert report.rejects[0][2].endswith(
        f"it has 2 lines, the book of 2026-06-16 has {len(LARGE_BOOK) + 1}; --any-book loads it"
    )


def test_a_history_loses_only_the_partial_day(store: Store, load_text: LoadText) -> None:
    days = [holdings(f"6/{day}/2026", LARGE_BOOK).splitlines() for day in (15, 16, 17)]
    text = "\n".join([*days[0], *days[1][1:4], *days[2][1:], ""])
    report = load_text(any_book=False, a=text)
    assert (report.read, report.rejected, len(report.rejects)) == (1, 0, 1)
    assert books(store) == ["2026-06-15", "2026-06-17"]


def test_a_header_alone_is_no_book(load_text: LoadText) -> None:
    report = load_text(any_book=False, a=holdings("6/16/2026", BOOK).splitlines()[0] + "\n")
    assert [reason for _, _, reason in report.rejects] == ["it has no line of holdings"]


def test_those_who_know_better_may_load_a_part(
    store: Store, load_text: LoadText, reference: Reference, tmp_path: Path
) -> None:
    part = "\n".join(holdings("6/17/2026", LARGE_BOOK).splitlines()[:3]) + "\n"
    load_text(any_book=False, a=holdings("6/16/2026", LARGE_BOOK), b=part)
    report = load(store, reference, find_files([tmp_path / "b.csv"]), any_book=True)
    assert (report.read, report.rejected) == (1, 0)
    assert books(store) == ["2026-06-16", "2026-06-17"]


def test_nothing_is_sold_out_by_a_cut_file(store: Store, reference: Reference, shared_data: Path) -> None:
    case = shared_data.parent / "cases" / "06-cut-short"
    report = load(store, reference, find_files([case]))
    assert (report.read, report.rejected) == (2, 2)
    found = fund_holdings(Questions(store, reference), ArkHoldingType.SOLD_OUT)
    assert found.all_count == 0


FOOTER = (
    '"Investors should carefully consider the objectives and risks as well as the charges and expenses of a\
 fund before investing; this paragraph is as long as those below the published files."'
)


def test_a_file_that_lacks_its_last_line_and_the_paragraph_below_is_no_book(
    store: Store, load_text: LoadText
) -> None:
    """However little the line weighs."""
    small = LARGE_BOOK | {"U": 20}
    before, after = (holdings(f"6/{day}/2026", small) for day in (16, 17))
    cut = "\n".join([line for line in after.splitlines() if "UNITY" not in line] + [""])
    report = load_text(any_book=False, a=before + FOOTER + "\n", b=cut)
    (reason,) = (reason for _, _, reason in report.rejects)
    assert "it lacks 1 line of the book of 2026-06-16, and the end that its file has" in reason
    # With the paragraph, the author of the file left the line out.
    assert load_text(any_book=False, b=cut + FOOTER + "\n").read == 1
    assert books(store) == ["2026-06-16", "2026-06-17"]


def test_a_file_without_the_paragraph_that_lacks_nothing_is_a_book(store: Store, load_text: LoadText) -> None:
    before, after = (holdings(f"6/{day}/2026", LARGE_BOOK) for day in (16, 17))
    assert load_text(any_book=False, a=before + FOOTER, b=after.rstrip("\n")).read == 2


@pytest.mark.slow
@pytest.mark.parametrize("at_a_line", [False, True])
def test_no_truncated_file_is_a_book(
    tmp_path: Path, reference: Reference, shared_data: Path, at_a_line: bool
) -> None:
    """200 real files, truncated anywhere before the end of the last position, after those of the day
    before."""
    chance = random.Random(16)
    folders = [shared_data / name / "holdings" for name in ("ark-2020", "ark", "ark-2023", "ark-2026")]
    found = [path for path in find_files(folders) if path.suffix == ".csv" and path.name != "ARKVX.csv"]
    by_name: dict[str, list[Path]] = {}
    for path in found:
        by_name.setdefault(path.name, []).append(path)
    pairs = [pair for files in by_name.values() for pair in pairwise(files)]
    for number, (before, path) in enumerate(chance.sample(pairs, 200)):
        content = path.read_bytes()
        lines = content.splitlines(keepends=True)
        fund = lines[1].split(b",")[1]
        last = max(place for place, line in enumerate(lines) if b"," + fund + b"," in line)
        # Before the last weight: a file that ends within it has all shares.
        end = len(b"".join(lines[:last])) + lines[last].rindex(b",")
        cut = tmp_path / f"{number}.csv"
        if at_a_line:
            end = len(b"".join(lines[: chance.randrange(1, last)])) + 1
        cut.write_bytes(content[: end - 1 if at_a_line else chance.randrange(10, end)])
        store = Store.open(f"sqlite:///{tmp_path / f'{number}.db'}")
        load(store, reference, [before])
        report = load(store, reference, [cut])
        store.close()
        assert (report.read, report.rejected) == (0, 1), (path, cut.stat().st_size)
