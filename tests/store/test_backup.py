"""Backup and restore, on each engine: all data, of one moment, without losses."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from qotgate.model import InvalidRequest, Market, StoreError
from qotgate.service.ark.lists import active_transactions, fund_holdings
from qotgate.service.loading import LoadReport, find_files, load
from qotgate.service.questions import Questions
from qotgate.service.ratings.changes import rating_changes
from qotgate.service.reference import Reference
from qotgate.store import Store, tables
from qotgate.store.backup import backup, contents
from qotgate.store.database import generation
from qotgate.store.dialects import dialect_of
from qotgate.store.restore import restore
from tests.support.databases import PostgreSQL
from tests.support.paths import SAMPLE
from tests.support.serving import QOTGATE, serving
from tests.support.wire import Wire

KILLS = int(os.environ.get("QOTGATE_TEST_KILLS", "3"))
"""The number of kills of each command on each engine."""


def digests(store: Store) -> Any:
    with store.reading() as connection:
        return contents(connection, "", lambda *_: None)


def number(store: Store) -> int:
    with store.reading() as connection:
        return generation(connection)


def notes(count: int) -> str:
    """Notes, every second of which changes a rating."""
    rows = [
        f"T{number},Name {number},Firm,{rating},{number},2026-05-{day}"
        for number in range(count // 2)
        for rating, day in (("Hold", "04"), ("Buy", "05"))
    ]
    return "\n".join(["ticker,name,firm,rating,price_target,date", *rows])


@pytest.fixture
def sample(store: Store, reference: Reference) -> Store:
    load(store, reference, find_files([SAMPLE]))
    return store


@pytest.fixture
def saved(sample: Store, tmp_path: Path) -> Path:
    backup(sample, tmp_path / "saved.bak")
    return tmp_path / "saved.bak"


class TestBackup:
    def test_it_has_all_and_comes_back_as_it_was(
        self, sample: Store, saved: Path, new_url: Callable[[], str]
    ) -> None:
        assert saved.stat().st_mode & 0o777 == 0o600
        assert [path.name for path in saved.parent.iterdir() if "saved" in path.name] == ["saved.bak"]
        other = Store.open(new_url())
        manifest, now = restore(other, saved)
        assert digests(other) == digests(sample)
        assert manifest.rows["holding"] > 0
        assert now == number(other) == number(sample) + 1
        assert other.secret() != sample.secret()
        other.close()

    def test_what_was_restored_can_be_loaded_further(
        self, saved: Path, new_url: Callable[[], str], reference: Reference, tmp_path: Path
    ) -> None:
        """Rows get ids after those of the restored rows."""
        other = Store.open(new_url())
        restore(other, saved)
        more = tmp_path / "more.csv"
        more.write_text(notes(300))
        assert load(other, reference, find_files([more, SAMPLE])).generation == number(other)
        straight = Store.open(new_url())
        load(straight, reference, find_files([SAMPLE]))
        load(straight, reference, find_files([more]))
        found, wanted = digests(other)[0], digests(straight)[0]
        assert found == wanted
        other.close()
        straight.close()

    @pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
    def test_it_moves_from_either_engine_to_either(
        self,
        sample: Store,
        saved: Path,
        engine: str,
        tmp_path: Path,
        request: pytest.FixtureRequest,
        reference: Reference,
    ) -> None:
        url = f"sqlite:///{tmp_path / 'moved.db'}"
        if engine == "postgresql":
            url = request.getfixturevalue("postgresql").new()
        other = Store.open(url)
        restore(other, saved)
        assert digests(other) == digests(sample)
        for ask in (
            lambda questions: rating_changes(questions, Market.US).rows,
            lambda questions: fund_holdings(questions).rows,
            lambda questions: active_transactions(questions).rows,
        ):
            assert ask(Questions(other, reference)) == ask(Questions(sample, reference))
        other.close()

    def test_it_is_of_one_moment(
        self, sample: Store, load_text: Callable[..., LoadReport], tmp_path: Path
    ) -> None:
        before = digests(sample)
        loaded = threading.Event()

        def load_meanwhile(_what: str, _done: int, _total: int) -> None:
            if not loaded.is_set():
                loaded.set()
                load_text(more=notes(2_000))

        manifest = backup(sample, tmp_path / "one.bak", progress=load_meanwhile)
        assert loaded.is_set()
        assert (manifest.rows, manifest.digests) == before != digests(sample)

    def test_it_replaces_nothing_unasked(self, sample: Store, saved: Path) -> None:
        content = saved.read_bytes()
        with pytest.raises(StoreError, match="--force"):
            backup(sample, saved)
        assert saved.read_bytes() == content
        backup(sample, saved, replace=True)
        if sample.engine.dialect.name == "sqlite":
            with pytest.raises(StoreError, match="the database itself"):
                backup(sample, Path(str(sample.engine.url.database)), replace=True)
        with pytest.raises(StoreError, match="cannot be written"):
            backup(sample, saved.parent / "no folder" / "file.bak")

    def test_a_full_disk_leaves_nothing_behind(self, sample: Store, tmp_path: Path) -> None:
        url = sample.url
        script = (
            "import resource, signal, sys; from pathlib import Path\n"
            "from qotgate.store import Store; from qotgate.store.backup import backup\n"
            f"store = Store.open({url!r})\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
            f"backup(store, Path({str(tmp_path / 'full.bak')!r}))\n"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "StoreError" in done.stderr.splitlines()[-1]
        assert not [path for path in tmp_path.iterdir() if "full.bak" in path.name]


class TestRestore:
    def test_it_takes_the_place_of_data_only_where_it_may(
        self, sample: Store, saved: Path, load_text: Callable[..., LoadReport]
    ) -> None:
        was = digests(sample)
        load_text(more=notes(500))
        grown, before = digests(sample), number(sample)
        with pytest.raises(StoreError, match="--replace"):
            restore(sample, saved)
        assert (digests(sample), number(sample)) == (grown, before)
        _, now = restore(sample, saved, replace=True)
        assert digests(sample) == was
        assert now == before + 1 == number(sample)

    def test_its_number_is_beyond_both(self, sample: Store, saved: Path, new_url: Callable[[], str]) -> None:
        other = Store.open(new_url())
        for expected in (2, 3, 4):
            assert restore(other, saved, replace=True)[1] == expected
        backup(other, saved.parent / "later.bak")
        assert restore(sample, saved.parent / "later.bak", replace=True)[1] == 5
        other.close()

    def test_cursors_of_the_data_before_are_refused(
        self, sample: Store, saved: Path, reference: Reference
    ) -> None:
        questions = Questions(sample, reference)
        changes = rating_changes(questions, Market.US, count=1).next_page
        holdings = fund_holdings(questions, count=1).next_page
        assert rating_changes(questions, Market.US, count=1, page=changes).rows
        restore(sample, saved, replace=True)
        with pytest.raises(InvalidRequest):
            rating_changes(questions, Market.US, count=1, page=changes)
        with pytest.raises(InvalidRequest):
            fund_holdings(questions, count=1, page=holdings)
        # New cursors work, also in questions that were open during the restore.
        again = rating_changes(questions, Market.US, count=1).next_page
        assert rating_changes(Questions(sample, reference), Market.US, count=1, page=again).rows

    def refused(self, store: Store, path: Path, match: str) -> None:
        was = digests(store), number(store), store.secret()
        with pytest.raises(StoreError, match=match):
            restore(store, path, replace=True)
        assert (digests(store), number(store), store.secret()) == was

    def test_what_is_no_backup_is_refused(self, sample: Store, tmp_path: Path) -> None:
        self.refused(sample, tmp_path / "none.bak", "is not there")
        self.refused(sample, tmp_path, "is no file")
        (tmp_path / "text.bak").write_text("no database, but long enough to be looked at\n" * 100)
        self.refused(sample, tmp_path / "text.bak", "no backup")
        (tmp_path / "empty.bak").touch()
        self.refused(sample, tmp_path / "empty.bak", "no backup")
        other = Store.open(f"sqlite:///{tmp_path / 'other.db'}")
        self.refused(sample, tmp_path / "other.db", "no backup")
        other.close()

    @pytest.mark.slow
    def test_a_damaged_one_is_refused(self, sample: Store, saved: Path) -> None:
        content = saved.read_bytes()
        generator = random.Random(5)
        refused = 0
        for _ in range(20):
            damaged = bytearray(content)
            start = generator.randrange(0, len(content) - 64)
            damaged[start : start + 64] = generator.randbytes(64)
            saved.write_bytes(damaged)
            was = digests(sample)
            try:
                restore(sample, saved, replace=True)
            except StoreError:
                refused += 1
            # Some bytes of a file carry nothing; a change of any other is detected.
            assert digests(sample) == was
        assert refused
        saved.write_bytes(content[: len(content) // 2])
        self.refused(sample, saved, "damaged")

    def test_a_changed_one_is_refused(self, sample: Store, saved: Path) -> None:
        with closing(sqlite3.connect(saved)) as connection, connection:
            connection.execute("UPDATE holding SET shares = shares + 1 WHERE id = 1")
        self.refused(sample, saved, r"changed or damaged \(holding\)")
        with closing(sqlite3.connect(saved)) as connection, connection:
            connection.execute("UPDATE holding SET shares = shares - 1 WHERE id = 1")
            connection.execute("DELETE FROM note WHERE id = (SELECT max(id) FROM note)")
        self.refused(sample, saved, "damaged")

    def test_one_of_a_newer_version_is_refused(self, sample: Store, saved: Path) -> None:
        with closing(sqlite3.connect(saved)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
            (text,) = connection.execute("SELECT manifest FROM qotgate_backup").fetchone()
            newer = json.dumps({**json.loads(text), "revision": "9999"})
            connection.execute("UPDATE qotgate_backup SET manifest = ?", [newer])
        self.refused(sample, saved, "newer qotgate")

    def test_the_file_stays_as_it_is(self, saved: Path, new_url: Callable[[], str]) -> None:
        content = saved.read_bytes()
        saved.chmod(0o400)
        other = Store.open(new_url())
        restore(other, saved)
        other.close()
        assert saved.read_bytes() == content


def test_zeros_with_a_sign_do_not_matter(
    store: Store, load_text: Callable[..., LoadReport], tmp_path: Path, new_url: Callable[[], str]
) -> None:
    """PostgreSQL keeps the sign, SQLite does not."""
    header = 'date,fund,company,ticker,cusip,shares,"market value($)",weight(%)'
    load_text(
        book=f"{header}\n2026-04-20,ARKK,TESLA,TSLA,88160R101,-0,(0),-0.0\n2026-04-20,ARKK,CASH,,USD,9,9,100\n"
    )
    with store.reading() as connection:
        columns = select(tables.holding.c["shares", "market_value", "weight"])
        row = connection.execute(columns.where(tables.holding.c.ticker == "TSLA")).one()
        assert str(tuple(row)) == "(0.0, 0.0, 0.0)"
    # Some that came before such were read without it, and some that follow from others.
    with store.writing() as connection:
        connection.execute(update(tables.holding).values(shares=-0.0, weight=-0.0))
    backup(store, tmp_path / "saved.bak")
    other = Store.open(new_url())
    restore(other, tmp_path / "saved.bak")
    assert digests(other) == digests(store)
    other.close()


def test_one_that_is_undone_leaves_room_for_loads(
    store: Store, reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL does not roll back its sequences."""
    saved, more = tmp_path / "saved.bak", tmp_path / "more.csv"
    backup(store, saved)
    load(store, reference, find_files([SAMPLE]))
    few = Store.open(f"sqlite:///{tmp_path / 'few.db'}")
    more.write_text(notes(20))
    load(few, reference, find_files([more]))
    backup(few, saved, replace=True)
    few.close()

    def fail(*_: Any) -> None:
        raise StoreError("The machine fails.")

    before = digests(store)
    dialect = dialect_of(store.engine)
    restored = dialect.restored
    with monkeypatch.context() as failing, pytest.raises(StoreError, match="fails"):
        failing.setattr(dialect, "restored", lambda *given: (restored(*given), fail()))
        restore(store, saved, replace=True)
    assert digests(store) == before
    assert load(store, reference, find_files([more])).added


def test_readers_of_several_tables_and_a_restore_go_on_together(
    postgresql: PostgreSQL, reference: Reference, tmp_path: Path
) -> None:
    """A reader with one table that needs another does not wait for a restore, nor the restore for the
    reader."""
    store = Store.open(postgresql.new())
    load(store, reference, find_files([SAMPLE]))
    backup(store, tmp_path / "saved.bak")
    before = digests(store)
    indexes = "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
    with store.reading() as connection:
        known = connection.exec_driver_sql(indexes).all()
    restored = threading.Event()

    def restore_it() -> None:
        other = Store.open(store.url)
        restore(other, tmp_path / "saved.bak", replace=True)
        other.close()
        restored.set()

    thread = threading.Thread(target=restore_it)
    with store.reading() as connection:
        connection.execute(select(tables.note.c.id)).all()
        thread.start()
        deadline = time.monotonic() + 20
        while number(store) == 1:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        # It has the old data, also in tables that it has not read yet.
        assert contents(connection, "", lambda *_: None) == before
    thread.join(20)
    assert restored.is_set()
    with store.reading() as connection:
        assert connection.exec_driver_sql(indexes).all() == known
    store.close()


def test_a_gateway_answers_from_the_data_before_or_after(
    sample: Store, saved: Path, load_text: Callable[..., LoadReport]
) -> None:
    """It sees the restored data within a second, and no answer in between mixes the two."""
    url = sample.url
    with serving(url, "--rate-limit", "off") as gateway, Wire(gateway.port) as wire:
        after = wire.ask(3426, market=11, count=20)
        cursor = wire.ask(3426, market=11, count=1).s2c.nextPage
        load_text(more=notes(3_000))
        before = after
        deadline = time.monotonic() + 60
        while told(before) == told(after):
            assert time.monotonic() < deadline
            before = wire.ask(3426, market=11, count=20)
        restored = threading.Thread(target=restore, args=(sample, saved), kwargs={"replace": True})
        restored.start()
        # The cursors have another key each time; one row, and the number of rows, distinguish the two.
        known = {told(before): "before", told(after): "after"}
        seen = ["before"]
        while restored.is_alive() or seen[-1] != "after":
            assert time.monotonic() < deadline
            seen.append(known[told(wire.ask(3426, market=11, count=20))])
        restored.join()
        assert "before" not in seen[seen.index("after") :]
        assert wire.ask(3426, market=11, count=1, page=cursor).retType == -1


def told(answer: Any) -> str:
    """An answer without its cursor."""
    assert answer.retType == 0, answer
    answer.s2c.ClearField("nextPage")
    return str(answer)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["backup", "restore"])
def test_killed_at_any_point_it_has_happened_or_not(
    command: str, sample: Store, saved: Path, load_text: Callable[..., LoadReport], tmp_path: Path
) -> None:
    url = sample.url
    was = digests(sample)
    load_text(more=notes(1_500))
    grown = digests(sample)
    target = tmp_path / "killed.bak"
    arguments = ["backup", str(target)] if command == "backup" else ["restore", "--replace", str(saved)]
    started = time.monotonic()
    subprocess.run([*QOTGATE, *arguments, "--db", url], check=True, stdout=subprocess.DEVNULL)
    whole = time.monotonic() - started
    generator = random.Random(7)
    killed = 0
    for _ in range(KILLS):
        target.unlink(missing_ok=True)
        with subprocess.Popen(
            [*QOTGATE, *arguments, "--db", url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(generator.uniform(0.3, 1.0) * whole)
            process.send_signal(signal.SIGKILL)
        if process.returncode == -signal.SIGKILL:
            killed += 1
        else:
            # The first run was slower, as if on a busy machine.
            whole *= 0.5
        if command == "restore":
            # The first, complete run has restored it; a killed one leaves that, or restores it again.
            assert digests(sample) == was
        elif target.exists():
            other = Store.open(f"sqlite:///{tmp_path / f'other{os.urandom(4).hex()}.db'}")
            restore(other, target)
            assert digests(other) == grown
            other.close()
    assert killed
