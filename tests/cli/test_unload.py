"""``qotgate unload`` on the command line."""

import json
from pathlib import Path

from tests.support.ark_files import BOOK, holdings
from tests.support.commands import run


def test_a_load_that_was_a_mistake_is_taken_out(tmp_path: Path) -> None:
    db = ("--db", f"sqlite:///{tmp_path / 'q.db'}")
    for name, day in (("a", "6/16/2026"), ("b", "6/17/2026"), ("c", "6/18/2026")):
        (tmp_path / f"{name}.csv").write_text(holdings(day, BOOK))
        run("load", tmp_path / f"{name}.csv", *db)
    status = run("status", *db).stdout
    assert "qotgate unload --load N" in status
    assert "Load 3" in status
    tried = run("unload", "--load", 3, "--dry-run", *db)
    assert tried.returncode == 0, tried.stderr
    assert "Dry run" in tried.stdout
    done = json.loads(run("unload", "--load", 3, "--json", *db).stdout)
    assert (done["files"], done["left"]) == ([str(tmp_path / "c.csv")], 2)
    (tmp_path / "b.csv").unlink()
    gone = run("unload", tmp_path / "b.csv", *db)
    assert "Files that remain: 1." in gone.stdout
    assert "unloaded" in run("status", *db).stdout
    for wrong in (
        ("unload",),
        ("unload", "--load", 3),
        ("unload", "x.csv", "--load", 1),
        ("unload", "x.csv"),
    ):
        refused = run(*wrong, *db)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.startswith("qotgate: ")
        assert refused.stderr.count("\n") == 1
