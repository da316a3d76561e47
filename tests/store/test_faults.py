"""Faults of the disk and of the clock: one sentence with a remedy, no wrong answer, and the gateway
continues."""

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from qotgate import QuoteClient, Unavailable
from qotgate.model import Market, Security, StoreError
from qotgate.protocol.messages import ProtoId
from qotgate.service.ark.dynamics import explain_ark_stock_dynamic
from qotgate.service.ark.lists import active_transactions, fund_holdings
from qotgate.service.coverage.status import status
from qotgate.service.questions import Questions
from qotgate.service.ratings.changes import rating_listing
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.support.databases import PostgreSQL
from tests.support.parts import faketime_library, missing
from tests.support.paths import ROOT, SAMPLE
from tests.support.serving import QOTGATE, ServingProcess, serving, serving_process, until
from tests.support.wire import Wire, free_port

pytestmark = pytest.mark.slow


def digest(url: str) -> str:
    """A digest of every row of every table."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return sha256("\n".join(connection.iterdump()).encode()).hexdigest()


PAGE = 4096
MEND = "put a backup in its place, or delete it and load all files anew"
HOURS, YEARS = 3600, 365 * 86_400
NOTICE = """FUND,Date,Direction,Ticker,CUSIP,Name,Shares,% of ETF
ARKK,06/23/2026,Sell,TSLA,88160R101,TESLA INC,5000,0.1
"""


def qotgate(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [*QOTGATE, *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, timeout=60, **options)


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some thousand notes, about a megabyte of database."""
    path = tmp_path_factory.mktemp("notes") / "notes.csv"
    lines = (
        f"T{n % 997},Company {n},UBS,{('Buy', 'Sell')[n % 2]},{n % 500 + 1},20{10 + n % 15}-01-1{n % 9}"
        for n in range(6000)
    )
    path.write_text("ticker,name,firm,rating,price_target,date\n" + "\n".join(lines) + "\n")
    return path


@pytest.fixture
def database(sample_file: Path, tmp_path: Path) -> Path:
    """A copy of the sample's database."""
    return Path(shutil.copy(sample_file, tmp_path / "copy.db"))


def test_a_load_over_a_file_size_limit_has_not_happened(database: Path, notes: Path) -> None:
    url = f"sqlite:///{database}"
    before = digest(url)

    def limit() -> None:
        most = database.stat().st_size + PAGE
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    done = qotgate("load", "--db", url, str(notes), preexec_fn=limit)
    assert (done.returncode, done.stderr) == (
        2,
        "qotgate: The database cannot be written: disk I/O error; "
        f"see that its disk is there, sound, and has space. The load was at {notes}.\n",
    )
    assert digest(url) == before
    assert qotgate("load", "--db", url, str(notes)).returncode == 0
    assert digest(url) != before


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_disk(fault: str, tmp_path: Path, notes: Path) -> None:
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    if subprocess.run([*namespace, "true"], check=False).returncode:
        missing("no mount namespaces here")
    (tmp_path / "disk").mkdir()
    command = [
        *namespace,
        sys.executable,
        "-m",
        "tests.support.small_disk",
        fault,
        str(tmp_path / "disk"),
        str(notes),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_file_that_may_not_be_written(database: Path, notes: Path) -> None:
    # Root may write in any mode, unless it gives up that right.
    given_up = "-dac_override,-dac_read_search"
    as_others = ["setpriv", "--bounding-set", given_up, "--inh-caps", given_up] if os.geteuid() == 0 else []
    database.chmod(0o400)
    database.parent.chmod(0o500)
    try:
        done = subprocess.run(
            [*as_others, *QOTGATE, "load", "--db", f"sqlite:///{database}", str(notes)],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        database.parent.chmod(0o700)
    assert done.returncode == 2
    assert "its file, folder and disk must be there and writable, also for reading.\n" in done.stderr


@pytest.mark.parametrize(
    "command", [["status"], ["ark", "US.TSLA"], ["holdings", "--json"], ["load", str(SAMPLE)]]
)
def test_output_on_a_full_disk(database: Path, command: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = qotgate(*command, "--db", f"sqlite:///{database}", stdout=full)
    assert (done.returncode, done.stderr) == (
        1,
        "qotgate: Standard output cannot be written: No space left on device.\n",
    )


def asked(questions: Questions) -> list[Callable[[], Any]]:
    """Questions that together read most tables."""
    tsla = Security(Market.US, "TSLA")
    return [
        lambda: explain_ark_stock_dynamic(questions, tsla),
        partial(fund_holdings, questions),
        partial(active_transactions, questions),
        lambda: rating_listing(questions, count=1000),
        lambda: status(questions.store),
    ]


def test_whichever_page_is_damaged_no_answer_is_wrong(database: Path, reference: Reference) -> None:
    """SQLite has no checksums: it cannot promise to notice a damaged number. It notices a page that belongs
    to no tree when it reads it."""
    url = f"sqlite:///{database}"
    store = Store.open(url)
    right = [ask() for ask in asked(Questions(store, reference))]
    store.close()
    whole = database.read_bytes()
    noticed = 0
    for start in range(0, len(whole), PAGE):
        database.write_bytes(whole[:start] + b"\xa5" * PAGE + whole[start + PAGE :])
        try:
            store = Store.open(url)
        except StoreError as error:
            assert MEND in str(error)
            noticed += 1
            continue
        try:
            questions = asked(Questions(store, reference))
        except StoreError:
            questions = []
            noticed += 1
        for ask, answer in zip(questions, right, strict=False):
            try:
                assert ask() == answer
            except StoreError as error:
                assert MEND in str(error)
                noticed += 1
        store.close()
    assert noticed > len(whole) / PAGE / 2


def pages_of(database: Path) -> dict[str, int]:
    """The first page of each table and index."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT name, rootpage FROM sqlite_master").fetchall()
    return {name: (number - 1) * PAGE for name, number in rows}


@pytest.mark.parametrize("part", ["trade", "sqlite_autoindex_trade_1", "header", "end"])
def test_a_gateway_survives_damage_and_serves_on_once_it_is_mended(database: Path, part: str) -> None:
    whole = database.read_bytes()
    start = pages_of(database).get(part, 0)
    damaged = whole[:start] + os.urandom(100) + whole[start + 100 :]
    if part == "end":
        damaged = whole[: 2 * PAGE + 1000]
    url = f"sqlite:///{database}"
    # Data in memory is answered from there, whatever happens on the disk.
    options = ("--lang", "en", "--http-port", "0", "--data-cache-bytes", "0")
    with serving_process(url, *options) as gateway, Wire(gateway.port) as wire:
        overwrite(database, damaged)
        answer = wire.dynamic()
        # The parts of the first page that it has read by then are not read again.
        if part != "header" or answer.retType:
            assert (answer.retType, answer.retMsg) == (
                -1,
                "The gateway cannot read its database; its log says why and what helps.",
            )
            page = httpx.get(f"{gateway.pages}/api/v1/ark/dynamics/US.TSLA")
            assert page.status_code == 503
            assert database.name not in page.text
            assert "cannot read its database" in page.json()["detail"]
            assert page.headers["Retry-After"] == "1"
            with (
                QuoteClient(port=gateway.port) as client,
                pytest.raises(Unavailable, match="cannot read its database"),
            ):
                client.ark_dynamic("US.TSLA")
        done = qotgate("ark", "US.TSLA", "--db", url)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert MEND in done.stderr
        overwrite(database, whole)
        assert wire.dynamic().s2c.netShares == 76041
        assert httpx.get(f"{gateway.pages}/api/v1/ark/dynamics/US.TSLA").json()["net_shares"] == 76041
        assert gateway.stop() == 0


def overwrite(database: Path, content: bytes) -> None:
    """Overwrite in place, like a failing disk."""
    with database.open("r+b") as file:
        file.write(content)
        file.truncate(len(content))


def test_garbage_beside_the_database_is_not_taken_for_it(database: Path) -> None:
    before = digest(f"sqlite:///{database}")
    database.with_name("copy.db-wal").write_bytes(os.urandom(10 * PAGE))
    database.with_name("copy.db-shm").write_bytes(os.urandom(8 * PAGE))
    with serving(f"sqlite:///{database}") as gateway, Wire(gateway.port) as wire:
        assert wire.dynamic().s2c.netShares == 76041
    assert digest(f"sqlite:///{database}") == before


def test_a_transaction_whose_end_never_reached_the_disk_has_not_happened(
    database: Path, tmp_path: Path
) -> None:
    before = digest(f"sqlite:///{database}")
    crashed = tmp_path / "crashed.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("DELETE FROM trade")
        connection.commit()
        shutil.copy(database, crashed)
        written = database.with_name("copy.db-wal").read_bytes()
        assert connection.execute("SELECT count(*) FROM trade").fetchone() == (0,)
    tmp_path.joinpath("crashed.db-wal").write_bytes(written[:-1])
    with serving(f"sqlite:///{crashed}") as gateway, Wire(gateway.port) as wire:
        assert wire.dynamic().s2c.netShares == 76041
    assert digest(f"sqlite:///{crashed}") == before


@contextmanager
def moving_clock(
    url: str, folder: Path, *options: str
) -> Iterator[tuple[ServingProcess, Callable[[float], None]]]:
    """A gateway, and a function that shifts its wall clock by seconds; the monotonic clock continues."""
    offset = folder / "offset"
    offset.write_text("+0\n")

    def move(seconds: float) -> None:
        new = folder / "offset.new"
        new.write_text(f"{seconds:+f}\n")
        new.replace(offset)

    variables = {
        "LD_PRELOAD": faketime_library(),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        starting = serving_process(url, *options)
        gateway = starting.__enter__()
    with closing(cast(Any, starting.gen)):
        yield gateway, move


def test_the_clock_is_set_while_it_serves(database: Path, tmp_path: Path) -> None:
    """Hours back and forth, as when an administrator sets it, and to years beyond all calendars."""
    url = f"sqlite:///{database}"
    options = ("--rate-limit", "3/3600s", "--keep-alive-interval", "2", "--lang", "en")
    with moving_clock(url, tmp_path, *options) as (gateway, move), Wire(gateway.port) as wire:
        now = time.time()
        first = wire.ask(ProtoId.Qot_GetRatingChange, market=11, changeType=1, count=1)
        page = first.s2c.nextPage
        assert page
        assert wire.dynamic().retType == wire.dynamic("ROKU").retType == 0
        assert wire.dynamic("ZM").retType == 0
        told = wire.dynamic().retMsg
        assert "3 requests" in told
        for seconds in (6 * HOURS, -6 * HOURS, 60 * YEARS, -50 * YEARS, 0):
            move(seconds)
            # With two threads in it at once, the library may once give the true time.
            until(lambda: abs(wire.ask(ProtoId.GetGlobalState, userID=0).s2c.time - (now + seconds)) < 300)  # noqa: B023
            # The allowance is used up for an hour, whatever the wall clock shows.
            assert wire.dynamic().retType == -1
            following = wire.ask(ProtoId.Qot_GetRatingChange, market=11, changeType=1, count=1, page=page)
            assert following.retType == 0
            assert wire.ask(ProtoId.KeepAlive, time=5).s2c.time == 5
            # The sweep runs, and finds no silent client.
            time.sleep(0.6)
        notice = tmp_path / "notice.csv"
        notice.write_text(NOTICE)
        move(-6 * HOURS)
        assert qotgate("load", "--db", url, str(notice), stdout=subprocess.DEVNULL).returncode == 0
        # The load may have taken longer than the limit for a silent connection.
        with Wire(gateway.port) as later:
            again = later.ask(ProtoId.Qot_GetRatingChange, market=11, changeType=1, count=1, page=page)
        assert again.s2c == following.s2c
        assert gateway.stop() == 0


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_tables_are_made_only_where_each_text_can_be_kept(postgresql: PostgreSQL, encoding: str) -> None:
    url = postgresql.empty(encoding=encoding)
    with pytest.raises(StoreError, match=f"has the encoding {encoding}; make one with: createdb") as refused:
        Store.open(url)
    assert postgresql.execute("SELECT to_regclass('file')", url.rpartition("/")[2]) == [(None,)]
    assert f"The database {url}" in str(refused.value)


def test_what_a_server_says_comes_with_what_helps(postgresql: PostgreSQL) -> None:
    with pytest.raises(
        StoreError, match=r"no schema has been selected to create in; make the schema .*search_path"
    ):
        Store.open(f"{postgresql.empty()}?options=-csearch_path%3Dnowhere")
    port = free_port()
    with pytest.raises(StoreError, match=r"Connection refused; see that the server runs and takes [a-z]+\.$"):
        Store.open(f"postgresql://qotgate:cret@127.0.0.1:{port}/x?sslpassword=cret").close()


def test_a_database_is_named_as_it_was_given(postgresql: PostgreSQL) -> None:
    url = postgresql.new()
    store = Store.open(f"{url}?sslmode=prefer&sslpassword=cret")
    try:
        assert store.name == f"{url}?sslmode=prefer"
    finally:
        store.close()
