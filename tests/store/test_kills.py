"""Loads killed at random points: the database has one of the two complete states, row for row, on either
engine."""

import os
import random
import shutil
import time
from collections.abc import Callable
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, select

from qotgate.model import StoreError
from qotgate.service.loading import find_files, load
from qotgate.service.reference import load_reference
from qotgate.store import Store
from qotgate.store.database import generation
from qotgate.store.references import REFERENCES
from qotgate.store.tables import METADATA
from tests.support.databases import PostgreSQL
from tests.support.killed import start_load
from tests.support.paths import SAMPLE

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("QOTGATE_TEST_KILLS", "10"))
TRIES = 4 * KILLS
CRASHES = 4


Ranks = dict[str, dict[Any, int]]


def digest(store: Store) -> tuple[int, str]:
    """The generation, and a digest of every row of every table. An id from a sequence counts by its rank: a
    load that was rolled back leaves gaps on PostgreSQL."""
    found = sha256()
    with store.reading() as connection:
        ranks: Ranks = {}
        contents = []
        for table in METADATA.sorted_tables:
            key = next(iter(table.primary_key))
            rows = connection.execute(select(table).order_by(*table.primary_key)).mappings().all()
            ranks[table.name] = {row[key.name]: rank for rank, row in enumerate(rows)}
            contents.append((table, rows))
        for table, rows in contents:
            for row in rows:
                content = [ranked(table, name, row[name], ranks) for name in row if name != "loaded_at"]
                found.update(repr(content).encode())
        return generation(connection), found.hexdigest()


def ranked(table: Table, name: str, value: Any, ranks: Ranks) -> object:
    if name == "id":
        return ranks[table.name][value]
    for key in table.c[name].foreign_keys:
        return None if value is None else ranks[key.column.table.name][value]
    for of, column, target in REFERENCES:
        if (of, column) == (table.name, name):
            return ranks[target][value]
    return value


def write_files(folder: Path) -> list[Path]:
    """Files of all three kinds that add to the sample, replace part of it, and have it judged again."""
    chance = random.Random(10)
    start = date(2026, 6, 22)
    for number in range(3):
        day = start + timedelta(days=number)
        rows = [
            f"{day:%m/%d/%Y},ARKK,COMPANY {stock},T{stock},{stock:09d},{chance.randrange(10**5, 10**6)},"
            f'"$1,000,000.00",{5 + (stock - 9.5) / 100:.2f}%'
            for stock in range(20)
        ]
        header = "date,fund,company,ticker,cusip,shares,market value ($),weight (%)"
        (folder / f"holdings{number}.csv").write_text("\n".join([header, *rows, ""]))
        rows = [
            f"ARKQ,{day:%m/%d/%Y},Buy,T{stock},{stock:09d},COMPANY {stock},{100 + stock},0.1"
            for stock in range(9)
        ]
        header = "FUND,Date,Direction,Ticker,CUSIP,Name,Shares,% of ETF"
        (folder / f"notices{number}.csv").write_text("\n".join([header, *rows, ""]))
        rows = [
            f"Q{stock},Stock {stock},House {house},{chance.choice(('Buy', 'Hold', 'Sell'))},,{day}"
            for stock in range(20)
            for house in range(3)
        ]
        (folder / f"notes{number}.csv").write_text(
            "\n".join(["ticker,name,firm,rating,price_target,date", *rows, ""])
        )
    return find_files([folder])


class Database:
    """The sample, and copies of it: a completed load, which was not killed in time, is replaced by a new
    copy."""

    def __init__(self, new_url: Callable[[], str], folder: Path, server: PostgreSQL | None) -> None:
        self._new_url, self._server = new_url, server
        self._base = Store.open(new_url())
        load(self._base, load_reference(), find_files([SAMPLE]))
        self.before = digest(self._base)
        self._base.close()

    def copy(self) -> str:
        url = self._new_url()
        if self._server is None:
            shutil.copy(self._base.engine.url.database or "", url.removeprefix("sqlite:///"))
            return url
        return self._server.empty(self._base.engine.url.database or "")


@pytest.fixture
def database(new_url: Callable[[], str], tmp_path: Path, request: pytest.FixtureRequest) -> Database:
    on_server = new_url().startswith("postgresql")
    return Database(new_url, tmp_path, request.getfixturevalue("postgresql") if on_server else None)


def loaded_in(url: str, files: list[Path]) -> tuple[float, tuple[int, str]]:
    """The seconds of a complete load, and the digest after it."""
    process = start_load(url, files)
    began = time.monotonic()
    process.join()
    seconds = time.monotonic() - began
    assert process.exitcode == 0
    store = Store.open(url)
    try:
        return seconds, digest(store)
    finally:
        store.close()


@pytest.mark.timeout(3600)
def test_killed_loads_have_happened_or_not(database: Database, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    files = write_files(tmp_path / "files")
    seconds, after = loaded_in(database.copy(), files)
    assert after[0] == database.before[0] + 1
    chance = random.Random(0)
    url, kills = database.copy(), 0
    for _ in range(TRIES):
        process = start_load(url, files)
        time.sleep(chance.uniform(0, 1.3 * seconds))
        process.kill()
        process.join()
        kills += process.exitcode != 0
        store = Store.open(url)
        found = digest(store)
        if store.engine.dialect.name == "sqlite":
            with store.reading() as connection:
                assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        store.close()
        assert found in (database.before, after)
        if found == after:
            url = database.copy()
        if kills == KILLS:
            break
    assert kills == KILLS


def test_a_server_that_crashes_keeps_whole_loads(postgresql_alone: PostgreSQL, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    files = write_files(tmp_path / "files")
    database = Database(postgresql_alone.new, tmp_path, postgresql_alone)
    seconds, after = loaded_in(database.copy(), files)
    chance = random.Random(0)
    url = database.copy()
    for _ in range(CRASHES):
        process = start_load(url, files)
        time.sleep(chance.uniform(0, seconds))
        postgresql_alone.stop("immediate")
        process.join()
        postgresql_alone.start()
        store = Store.open(url)
        found = digest(store)
        store.close()
        assert found == (after if process.exitcode == 0 else database.before)
        if found == after:
            url = database.copy()
    with pytest.raises(StoreError):
        postgresql_alone.stop()
        Store.open(url)
