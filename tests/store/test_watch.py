"""The watch sees every commit and nothing else, and never waits."""

import sqlite3
import time
from pathlib import Path

from sqlalchemy.engine import make_url

from qotgate.store import Store
from qotgate.store.database import write_state
from qotgate.store.watch import Watch


def path(store: Store) -> str:
    name = make_url(str(store.engine.url)).database
    assert name
    return name


def test_a_commit_is_seen_once_whoever_made_it(store: Store) -> None:
    watch = Watch(store)
    assert not watch.moved()
    with store.writing() as connection:
        write_state(connection, "generation", "1")
        assert not watch.moved()
    assert [watch.moved(), watch.moved()] == [True, False]
    with store.writing(keep=False) as connection:
        write_state(connection, "generation", "2")
    assert not watch.moved()
    other = sqlite3.connect(path(store))
    other.execute("UPDATE state SET value = '3' WHERE key = 'generation'")
    assert not watch.moved()
    other.commit()
    other.close()
    assert [watch.moved(), watch.moved()] == [True, False]
    watch.close()


def test_it_keeps_no_writer_waiting_and_waits_for_none(store: Store) -> None:
    watch = Watch(store)
    with store.writing() as connection:
        write_state(connection, "generation", "1")
        started = time.monotonic()
        assert not watch.moved()
        # A reader would be given a minute.
        assert time.monotonic() - started < 30
    watch.close()


def test_what_cannot_be_read_may_have_moved(store: Store) -> None:
    watch = Watch(store)
    assert not watch.moved()
    store.engine.dispose()
    database = Path(path(store))
    content = database.read_bytes()
    for file in database.parent.glob(f"{database.name}*"):
        file.write_bytes(b"no database" * 1000)
    assert watch.moved()
    database.write_bytes(content)
    watch.close()
