"""The database: migrations, one state for a reader, and atomic loads."""

import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date, time
from decimal import Decimal
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import BigInteger, Column, Connection, Float, MetaData, Table, inspect, select

from qotgate.model import ArkActiveTransactionHoldingType, Security, StoreError
from qotgate.service.ark.history import ark_moves, ark_positions
from qotgate.service.ark.lists import active_transactions, fund_holdings
from qotgate.service.coverage.status import status
from qotgate.service.loading import LoadReport
from qotgate.service.questions import Questions
from qotgate.service.reference import Reference
from qotgate.store import Store, database
from qotgate.store.backup import contents
from qotgate.store.bulk import insert_rows
from qotgate.store.database import generation
from qotgate.store.sums import PARTS, exact_sum
from qotgate.store.tables import METADATA
from tests.support.ark_files import BOOK, holdings
from tests.support.paths import SAMPLE
from tests.support.serving import QOTGATE, serving
from tests.support.wire import Wire

NOTES = "ticker,name,firm,rating,price_target,date\nMU,Micron,UBS,Hold,,2026-06-01\n"


def migrate(connection: Connection, to: Callable[[Config, str], None], revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    to(config, revision)


def described(connection: Connection) -> dict[str, Any]:
    """The columns, keys and indexes of all tables."""
    found = inspect(connection)
    kinds = (found.get_foreign_keys, found.get_unique_constraints, found.get_indexes)
    return {
        name: (
            [(one["name"], str(one["type"]), one["nullable"]) for one in found.get_columns(name)],
            found.get_pk_constraint(name),
            # SQLite does not tell the name of a key that ALTER TABLE added.
            *(sorted(repr({**one, "name": None}) for one in kind(name)) for kind in kinds),
        )
        for name in found.get_table_names()
    }


def test_a_new_database_is_as_the_migrations_make_it(store: Store) -> None:
    with store.reading() as connection:
        new = described(connection)
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        assert MigrationContext.configure(connection).get_current_revision() == database.HEAD
    with store.writing() as connection:
        METADATA.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE alembic_version")
        assert described(connection) == {}
        migrate(connection, command.upgrade, "head")
        assert described(connection) == new
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        assert MigrationContext.configure(connection).get_current_revision() == database.HEAD


def test_a_database_of_the_revision_before_keeps_its_rows(store: Store) -> None:
    """Its notes and histories have unique constraints and foreign keys."""
    load(store.url, SAMPLE)
    with store.reading() as connection:
        before = contents(connection, "", lambda *_: None)
    with store.writing() as connection:
        migrate(connection, command.downgrade, "0005")
        keys = inspect(connection).get_unique_constraints("note")
        assert [key["column_names"] for key in keys] == [["key"]]
        assert len(inspect(connection).get_foreign_keys("rating_change")) == 2
    again = Store.open(store.url)
    with again.reading() as connection:
        assert contents(connection, "", lambda *_: None) == before
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    again.close()


def test_opening_again_keeps_the_secret(store: Store) -> None:
    again = Store.open(store.url)
    assert again.secret() == store.secret()
    assert len(store.secret()) >= 32
    again.close()


def test_many_rows_are_read_as_written(store: Store) -> None:
    """PostgreSQL gets them by COPY, whose text format gives some characters a meaning."""
    odd = (
        "",
        "\\",
        "\\N",
        r"\.",
        r"a\tb",
        "a\tb",
        "a\nb",
        "a\r\nb",
        "NULL",
        "é 文 \U0001f600",
        "'\"",
        "\x7f\x01",
    )
    values = [f"{text}{number}" for number in range(9) for text in odd]
    numbers = [0.1, 1e15, -1e-6, 1 / 3, np.float64(2.5), None, 5e-324, 100.0]
    lines = [
        {
            "history_id": number,
            "day": date(2026, 6, 1 + number % 30),
            "time": time(9, number % 60) if number % 3 else None,
            "name": value,
            "firm": value[:-1],
            "word": "Buy",
            "grade": number % 5 or None,
            "target": numbers[number % len(numbers)],
            "prior_word": "",
            "prior_grade": None,
            "prior_target": None,
            "starts": number % 2 == 0,
            "disagrees": False,
            "file_id": 2**31 - 1,
            "line": number,
        }
        for number, value in enumerate(values)
    ]
    states = [
        {"fund": value, "before": date(2026, 1, 1), "after": date(2026, 1, 2), "state": {value: [value, 0.1]}}
        for value in values
    ]
    note, difference = METADATA.tables["note"], METADATA.tables["difference"]
    with store.writing() as connection:
        insert_rows(connection, note, lines)
        insert_rows(connection, difference, states)
    with store.reading() as connection:
        found = connection.execute(select(note).order_by(note.c.line)).mappings()
        assert [{name: row[name] for name in lines[0]} for row in found] == lines
        kept = {row.fund: row.state for row in connection.execute(select(difference))}
        assert kept == {row["fund"]: row["state"] for row in states}


@pytest.mark.parametrize(
    ("column", "value"),
    [("shares", inf), ("shares", 1e300), ("shares", 5e-324), ("market_value", inf), ("weight", 1e16)],
)
@pytest.mark.slow
def test_a_line_that_an_earlier_version_took_costs_itself_alone(
    store: Store, load_text: Callable[..., LoadReport], reference: Reference, column: str, value: float
) -> None:
    """An infinite or a minute count of shares made each list an error."""
    for number, day in enumerate(("6/15/2026", "6/16/2026", "6/17/2026")):
        load_text(**{f"book{number}": holdings(day, BOOK | {"TSLA": 1000 + number})})
    holding, trade = METADATA.tables["holding"], METADATA.tables["trade"]
    with store.writing() as connection:
        migrate(connection, command.downgrade, "0004")
        here = holding.update().where(holding.c.ticker == "TSLA", holding.c.day == date(2026, 6, 17))
        connection.execute(here.values({column: value}))
        connection.execute(trade.update().values(price=value))
    url = store.url
    store.close()
    again = Store.open(url)
    questions = Questions(again, reference)
    codes = {str(row.security) for row in fund_holdings(questions, count=200).rows}
    assert codes == {f"US.{ticker}" for ticker in BOOK if ticker != "TSLA"}
    for row in active_transactions(questions, ArkActiveTransactionHoldingType.SOLD_OUT).rows:
        assert row.change_amount is None or isfinite(row.change_amount)
    assert len(ark_positions(questions, Security.parse("US.TSLA"))[1]) == 3
    ark_moves(questions)
    ((path, line, reason),) = [tuple(row.values()) for row in status(again).rejects]
    assert (path.rpartition("/")[2], line) == ("book2.csv", 2)
    assert reason == f"{column} is {value}, neither 0 nor from 1e-06 to 1e+15"
    again.close()


def test_a_database_of_a_newer_version_is_left_alone(store: Store) -> None:
    with store.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="made by a newer qotgate"):
        Store.open(store.url)


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://x/y", "sqlite:///", "sqlite:///x.db?mode=ro", "sqlite:///:memory:"]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="--db takes sqlite:///FILE"):
        Store.open(url)


def test_a_sum_is_one_number_on_each_engine(store: Store) -> None:
    """To the last digit: an amount that ends on half a cent is rounded by it."""
    prices = [Decimal(n * 7919 % 100_003) / 1000 for n in range(3000)]
    shares = [(-1) ** n * (n * 104_729 % 99_991) for n in range(3000)]
    trades = Table(
        "sum_test", MetaData(), Column("shares", BigInteger), Column("price", Float), prefixes=["TEMPORARY"]
    )
    with store.writing(keep=False) as connection:
        trades.create(connection)
        rows = zip(shares, prices, strict=True)
        connection.execute(
            trades.insert(), [{"shares": count, "price": float(price)} for count, price in rows]
        )
        product = trades.c.shares * trades.c.price
        for least in range(0, 90_000, 1000):
            told = connection.scalar(select(exact_sum(product)).where(trades.c.price >= least / 1000))
            right = sum(n * price for n, price in zip(shares, prices, strict=True) if price >= least / 1000)
            assert told == float(right)
        # Halves of the last significant digit, up and down.
        half = 0.5 / PARTS
        connection.execute(trades.delete())
        connection.execute(trades.insert(), [{"shares": n, "price": half} for n in (1, -1, 3, 5, 5)])
        assert connection.scalar(select(exact_sum(product))) == (1 - 1 + 2 + 3 + 3) / PARTS
        connection.execute(trades.delete())
        assert connection.scalar(select(exact_sum(product))) is None


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("postgresql://desk:se@cret/99@db.example.com:5432/qotgate", "db.example.com:5432/qotgate"),
        ("postgresql://desk:se@cret?99@db.example.com/qotgate", "db.example.com/qotgate"),
        ("postgresql://desk@office:se@cret@db.example.com/qotgate", "db.example.com/qotgate"),
        ("postgresql://desk:cret@db.example.com:many/qotgate", "db.example.com:many/qotgate"),
        ("mysql://desk:cret@db.example.com/qotgate?sslpassword=cret", "desk:***@db.example.com/qotgate"),
        ("postgresql:desk:cret@db.example.com/qotgate", "db.example.com/qotgate"),
        ("postgresql://db.example.com:many/qotgate?password=cret", "db.example.com:many/qotgate"),
    ],
)
def test_no_part_of_a_password_is_told_of_a_url_that_is_none(url: str, seen: str) -> None:
    with pytest.raises(StoreError, match="--db takes sqlite:///FILE") as refused:
        Store.open(url)
    said = str(refused.value)
    assert seen in said
    assert "cret" not in said
    assert ("%40" in said) is ("@" in url)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"something else entirely" * 100)
    with pytest.raises(StoreError, match=r"x\.db cannot be used: file is not a database"):
        Store.open(f"sqlite:///{tmp_path / 'x.db'}")


def test_a_reader_sees_one_state_while_a_load_commits(
    store: Store, load_text: Callable[..., LoadReport]
) -> None:
    with store.reading() as reader:
        assert generation(reader) == 0
        load_text(notes=NOTES)
        assert generation(reader) == 0
    with store.reading() as reader:
        assert generation(reader) == 1


def test_a_load_waits_for_another_and_then_says_so(
    store: Store, load_text: Callable[..., LoadReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WRITER_WAIT", 0.1)
    other = Store.open(store.url)
    with (
        store.writing(),
        pytest.raises(StoreError, match=r"another load( is at work on it|, or a lock)"),
        other.writing(),
    ):
        pass
    other.close()


def load(url: str, *paths: Path) -> None:
    subprocess.run([*QOTGATE, "load", "--db", url, *map(str, paths)], check=True, capture_output=True)


def test_who_finds_no_connection_free_is_told_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.engine.pool, "_timeout", 0.1)
    with ExitStack() as busy:
        for _ in range(100):
            try:
                busy.enter_context(store.reading())
            except StoreError as error:
                assert "all connections to it are at work" in str(error)
                break
        else:
            pytest.fail("it took a hundred connections")
    assert store.secret()


def test_a_gateway_answers_with_new_data_at_once(new_url: Callable[[], str], tmp_path: Path) -> None:
    url = new_url()
    load(url, SAMPLE)
    notice = tmp_path / "notice.csv"
    notice.write_text(
        "FUND,Date,Direction,Ticker,CUSIP,Name,Shares,% of ETF\n"
        "ARKK,06/23/2026,Sell,TSLA,88160R101,TESLA INC,5000,0.1\n"
    )
    with serving(url) as gateway, Wire(gateway.port) as wire:
        assert wire.dynamic().s2c.netShares == 76041
        load(url, notice)
        answer = wire.dynamic().s2c
        assert (answer.dynamicType, answer.transactionCount, answer.lastTransactionTime) == (
            2,
            4,
            "2026-06-23",
        )


def test_a_database_whose_folder_is_not_there_serves_and_says_what_to_load(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'deep' / 'new.db'}"
    with serving(url, "--lang", "en") as gateway, Wire(gateway.port) as wire:
        answer = wire.dynamic()
        assert answer.retType == -1
        assert "qotgate load PATH" in answer.retMsg
