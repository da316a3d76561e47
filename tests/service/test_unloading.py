"""An unloaded file leaves nothing behind."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.loads import contents_of
from qotgate.model import InvalidRequest, Market, QotGateError, RatingChangeType
from qotgate.service.loading import load
from qotgate.service.loading.unloading import unload
from qotgate.service.questions import Questions
from qotgate.service.ratings.changes import rating_changes
from qotgate.service.reference import Reference
from qotgate.store import Store, tables
from tests.support.ark_files import BOOK, holdings
from tests.support.made_up_files import NOTES, texts


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.csv"
    path.write_text(text)
    return path


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(kept=st.lists(texts, min_size=1, max_size=3), taken=texts, first=st.booleans())
def test_a_file_that_is_taken_out_was_never_there(
    tmp_path_factory: pytest.TempPathFactory, reference: Reference, kept: list[str], taken: str, first: bool
) -> None:
    folder = tmp_path_factory.mktemp("unload")
    paths = [write(folder, f"kept{number}", text) for number, text in enumerate(dict.fromkeys(kept))]
    if taken in kept:
        return
    gone = write(folder, "taken", taken)
    stores = [Store.open(f"sqlite:///{folder / name}") for name in ("with.db", "without.db")]
    for files in ([gone], paths) if first else (paths, [gone]):
        load(stores[0], reference, files)
    report = unload(stores[0], reference, [gone])
    assert report.files == [str(gone)]
    load(stores[1], reference, paths)
    assert contents_of(stores[0]) == contents_of(stores[1])
    for store in stores:
        store.close()


def test_a_load_is_taken_out_by_its_number(store: Store, reference: Reference, tmp_path: Path) -> None:
    right = write(tmp_path, "right", holdings("6/16/2026", BOOK))
    both = [
        write(tmp_path, "typo", holdings("6/16/2026", {"TSLA": 7}, "XYZ").replace("88160R101", "77543R102")),
        write(tmp_path, "late", holdings("6/17/2026", BOOK | {"TSLA": 1})),
    ]
    load(store, reference, [right])
    before = contents_of(store)
    wrong = load(store, reference, both)
    assert contents_of(store) != before
    tried = unload(store, reference, load_id=wrong.number, dry_run=True)
    assert contents_of(store) != before
    report = unload(store, reference, load_id=wrong.number)
    assert sorted(report.files) == sorted(map(str, both)) == sorted(tried.files)
    assert (report.left, report.unread) == (1, [])
    assert contents_of(store) == before
    # Unloaded files can be loaded again.
    assert load(store, reference, both).read == 2


def test_what_cannot_be_taken_out_is_said(store: Store, reference: Reference, tmp_path: Path) -> None:
    path = write(tmp_path, "book", holdings("6/16/2026", BOOK))
    with pytest.raises(QotGateError, match="is not loaded"):
        unload(store, reference, [path])
    with pytest.raises(QotGateError, match="No file of load 7"):
        unload(store, reference, load_id=7)
    load(store, reference, [path])
    write(tmp_path, "book", holdings("6/17/2026", BOOK))
    load(store, reference, [path])
    with pytest.raises(QotGateError, match=r"was loaded 2 times.*in the loads 1, 2; name one with --load"):
        unload(store, reference, [path])
    assert unload(store, reference, load_id=1).left == 1


def test_files_of_an_earlier_version_are_read_from_their_place(
    store: Store, reference: Reference, tmp_path: Path
) -> None:
    old = write(tmp_path, "old", holdings("6/16/2026", BOOK))
    load(store, reference, [old])
    before = contents_of(store)
    with store.writing() as connection:
        connection.execute(tables.content.delete())
    new = write(tmp_path, "new", holdings("6/17/2026", BOOK))
    load(store, reference, [new])
    text = old.read_text()
    old.write_text("something else")
    with pytest.raises(QotGateError, match="loaded by an earlier version, which kept no copy"):
        unload(store, reference, [new])
    old.write_text(text)
    unload(store, reference, [new])
    assert contents_of(store) | {"content": []} == before | {"content": []}


def test_a_page_that_was_begun_before_is_refused(store: Store, reference: Reference, tmp_path: Path) -> None:
    many = write(tmp_path, "many", NOTES + "".join(f"T{n},UBS,Buy,{n + 1},2026-06-01\n" for n in range(9)))
    other = write(tmp_path, "other", NOTES + "TSLA,UBS,Buy,1,2026-06-01\n")
    load(store, reference, [many, other])
    questions = Questions(store, reference)
    page = rating_changes(questions, Market.US, RatingChangeType.NEW_RATING, 5)
    unload(store, reference, [other])
    with pytest.raises(InvalidRequest, match="changed since"):
        rating_changes(questions, Market.US, RatingChangeType.NEW_RATING, 5, page.next_page)
    assert rating_changes(questions, Market.US, RatingChangeType.NEW_RATING, 5).all_count == 9
