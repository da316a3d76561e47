"""The watch sees every commit and nothing else, and never waits."""

import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from qotgate.model import InvalidRequest, Market, StoreError
from qotgate.service.ark.lists import fund_holdings
from qotgate.service.loading import find_files, load
from qotgate.service.questions import Questions
from qotgate.service.ratings.changes import rating_changes
from qotgate.service.reference import Reference
from qotgate.store import Store, postgresql
from qotgate.store.database import generation, move_generation, write_state
from qotgate.store.dialect import Watch
from tests.support.databases import PostgreSQL
from tests.support.paths import SAMPLE
from tests.support.serving import until


def settled(watch: Watch) -> bool:
    """Whether nothing changes for longer than the watch's interval."""
    time.sleep(2 * postgresql.LOOK_SECONDS if isinstance(watch, postgresql.Watch) else 0)
    return not watch.moved()


def test_a_commit_is_seen_once_whoever_made_it(store: Store) -> None:
    watch = store.watch()
    assert not watch.moved()
    with store.writing() as connection:
        move_generation(connection, 1)
        assert settled(watch)
    until(watch.moved)
    assert settled(watch)
    with store.writing(keep=False) as connection:
        move_generation(connection, 2)
    assert settled(watch)
    other = Store.open(store.url)
    with other.writing() as connection:
        move_generation(connection, 3)
        assert settled(watch)
    other.close()
    until(watch.moved)
    assert settled(watch)
    watch.close()


def test_it_keeps_no_writer_waiting_and_waits_for_none(store: Store) -> None:
    watch = store.watch()
    with store.writing() as connection:
        move_generation(connection, 1)
        started = time.monotonic()
        assert not watch.moved()
        # A reader would wait for up to a minute.
        assert time.monotonic() - started < 30
    watch.close()


def test_what_cannot_be_read_may_have_moved(tmp_path: Path) -> None:
    database = tmp_path / "test.db"
    store = Store.open(f"sqlite:///{database}")
    watch = store.watch()
    assert not watch.moved()
    store.engine.dispose()
    content = database.read_bytes()
    for file in database.parent.glob(f"{database.name}*"):
        file.write_bytes(b"no database" * 1000)
    assert watch.moved()
    database.write_bytes(content)
    watch.close()


def test_a_database_that_was_replaced_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qotgate.store.sqlite.LOOK_SECONDS", 0)
    path, other = tmp_path / "test.db", tmp_path / "other.db"
    store = Store.open(f"sqlite:///{path}")
    watch = store.watch()
    assert not watch.moved()
    Store.open(f"sqlite:///{other}").close()
    for file in tmp_path.glob("test.db*"):
        file.unlink()
    assert watch.moved()
    assert watch.moved()
    assert not path.exists()
    other.rename(path)
    until(watch.moved)
    until(lambda: not watch.moved())
    # Open programs are notified once, and continue with the new files.
    with pytest.raises(StoreError, match="deleted or replaced"), store.reading() as connection:
        generation(connection)
    with store.writing() as connection:
        move_generation(connection, 1)
    assert watch.moved()
    watch.close()
    store.close()


def test_what_a_later_page_tells_moves_it(
    postgresql: PostgreSQL, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a standby, say, where no notice arrives: a client that learns that the list has changed does not get
    the old first page."""
    monkeypatch.setattr("qotgate.store.postgresql.LOOK_SECONDS", 3600)
    monkeypatch.setattr("qotgate.store.postgresql.DEAF_SECONDS", 3600)
    monkeypatch.setattr("qotgate.store.postgresql.PostgreSQL.tell", lambda *_: None)
    store = Store.open(postgresql.new())
    load(store, reference, find_files([SAMPLE]))
    watch, questions = store.watch(), Questions(store, reference)
    for first, ask in (
        (fund_holdings(questions, count=1), partial(fund_holdings, questions)),
        (rating_changes(questions, Market.US, count=1), partial(rating_changes, questions, Market.US)),
    ):
        assert first.next_page
        other = Store.open(store.url)
        with other.writing() as connection:
            write_state(connection, "secret", first.next_page)
            move_generation(connection, generation(connection) + 1)
        other.close()
        assert not watch.moved()
        with pytest.raises(InvalidRequest):
            ask(count=1, page=first.next_page)
        assert watch.moved()
    store.close()


def test_a_load_is_heard_of_at_once(postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qotgate.store.postgresql.LOOK_SECONDS", 3600)
    monkeypatch.setattr("qotgate.store.postgresql.DEAF_SECONDS", 3600)
    url = postgresql.new()
    store, loading = Store.open(url), Store.open(url)
    watch = store.watch()
    assert not watch.moved()
    with loading.writing() as connection:
        move_generation(connection, 1)
    until(watch.moved)
    assert not watch.moved()
    # It ends with the process; waiting for it here would take the hour.
    loading.close()


def test_what_a_question_has_read_counts(postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qotgate.store.postgresql.CHANNEL", "another")
    monkeypatch.setattr("qotgate.store.postgresql.LOOK_SECONDS", 3600)
    monkeypatch.setattr("qotgate.store.postgresql.DEAF_SECONDS", 3600)
    url = postgresql.new()
    store, loading = Store.open(url), Store.open(url)
    watch = store.watch()
    monkeypatch.undo()
    with loading.writing() as connection:
        move_generation(connection, 1)
    assert not watch.moved()
    with store.reading() as connection:
        assert generation(connection) == 1
    assert watch.moved()
    assert not watch.moved()
    loading.close()


def test_a_standby_is_watched_without_listening(postgresql: PostgreSQL) -> None:
    url = postgresql.new()
    with postgresql.standby() as standby:
        store = Store.open(standby.url(url.rpartition("/")[2]))
        watch = store.watch()
        assert not watch.moved()
        primary = Store.open(url)
        with primary.writing() as connection:
            move_generation(connection, 1)
        primary.close()
        until(watch.moved)
        with store.reading() as connection:
            assert generation(connection) == 1
        watch.close()
        store.close()


def test_while_the_server_is_away_anything_may_have_moved(postgresql_alone: PostgreSQL) -> None:
    server = postgresql_alone
    store = Store.open(server.new())
    watch = store.watch()
    assert not watch.moved()
    server.stop("immediate")
    until(lambda: watch.moved() and watch.moved())
    server.start()
    until(lambda: not watch.moved())
    with store.writing() as connection:
        move_generation(connection, 1)
    until(watch.moved)
    watch.close()
    store.close()


def test_it_outlives_a_pool_without_a_free_connection(
    postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgresql.new()
    store = Store.open(url)
    watch = store.watch()
    monkeypatch.setattr(store.engine.pool, "_timeout", 0.1)
    with ExitStack() as held:
        for _ in range(15):
            held.enter_context(store.engine.connect())
        name = url.rpartition("/")[2]
        postgresql.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        until(lambda: watch.moved() and watch.moved())
        time.sleep(2)
    until(lambda: not watch.moved())
    with store.writing() as connection:
        move_generation(connection, 1)
    until(watch.moved)
    watch.close()
    store.close()
