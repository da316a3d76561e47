"""Paths that would block a reader for ever are refused with a sentence, and hold no lock."""

import os
from pathlib import Path

import pytest

from qotgate.model import QotGateError, Unreadable
from qotgate.service.loading import find_files, load
from qotgate.service.loading.reading import read_bytes
from qotgate.service.loading.unloading import unload
from qotgate.service.reference import Reference
from qotgate.store import Store, tables
from tests.support.ark_files import BOOK, holdings
from tests.support.commands import run

REFUSED = "neither a file nor a folder"


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Path]:
    pipe, link, circle = tmp_path / "pipe", tmp_path / "link", tmp_path / "circle"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    circle.symlink_to(circle)
    return {"pipe": pipe, "link": link, "circle": circle, "zero": Path("/dev/zero"), "tty": Path("/dev/tty")}


@pytest.mark.parametrize("what", ["pipe", "link", "circle", "zero", "tty"])
def test_they_are_refused(paths: dict[str, Path], tmp_path: Path, what: str) -> None:
    db = ("--db", f"sqlite:///{tmp_path / 'q.db'}")
    Store.open(db[1]).close()
    for command, reason in (("load", "load takes files and folders"), ("unload", "is not loaded")):
        refused = run(command, paths[what], *db)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.startswith(f"qotgate: {paths[what]} ")
        assert reason in refused.stderr
        assert refused.stderr.count("\n") == 1


def test_a_folder_in_itself_is_read_once(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "book.csv").write_text(holdings("6/16/2026", BOOK))
    (folder / "again").symlink_to(folder)
    os.mkfifo(folder / "pipe.csv")
    assert find_files([folder, folder / "again"]) == [folder / "book.csv"]


def test_a_pipe_that_takes_a_files_place(store: Store, reference: Reference, tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    for path, day in ((old, "6/16/2026"), (new, "6/17/2026")):
        path.write_text(holdings(day, BOOK))
        load(store, reference, [path])
    files = find_files([new])
    for path in (old, new):
        path.unlink()
        os.mkfifo(path)
    with pytest.raises(Unreadable, match="no regular file"):
        read_bytes(new)
    # Between the search for files and the reading.
    report = load(store, reference, files)
    assert [(path, "no regular file" in reason) for path, reason in report.unread] == [(str(new), True)]
    # A file loaded by an earlier version, without a stored copy.
    with store.writing() as connection:
        connection.execute(tables.content.delete())
    with pytest.raises(QotGateError, match="kept no copy"):
        unload(store, reference, [new])
