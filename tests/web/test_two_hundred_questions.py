"""The same 200 questions over the wire, HTTP, the pages, the command line, the export and both typed clients:
all agree, on real data."""

import asyncio
import json
import random
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from qotgate import AsyncQuoteClient, QuoteClient
from qotgate.model import AnalystConsensus, ArkDynamic, InstitutionRating
from qotgate.protocol.research import TABLES, Kind, columns_of
from qotgate.store import Store, reads
from tests.support.commands import run
from tests.support.pages import facts
from tests.support.serving import Serving

pytestmark = pytest.mark.slow

SEED = 20260623
DYNAMICS, TRADES, RATINGS, OPINIONS = 100, 50, 50, 20
FIRST_DAY, LAST_DAY = date(2021, 3, 10), date(2021, 9, 9)
FIRST_NOTE, LAST_NOTE = date(2014, 1, 1), date(2026, 3, 31)

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def web(real_site: Serving) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=str(real_site.pages), headers={"Accept-Language": "en"}, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def client(real_site: Serving) -> Iterator[QuoteClient]:
    with QuoteClient(port=real_site.port) as client:
        yield client


@pytest.fixture(scope="module")
def export(real_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    done = run("export", folder, "--sqlite", folder / "all.db", "--lang", "en", "--db", real_url)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def codes(real_url: str) -> list[str]:
    store = Store.open(real_url)
    with store.reading() as connection:
        found = sorted(code for code, _ in reads.research.names(connection).values() if code)
    store.close()
    return found


def as_told(rows: Any, names: Iterable[str] = ()) -> Rows:
    """A client's rows in JSON's form; ``names`` are the fields of rows of no research table."""
    return [
        {
            name: str(value) if isinstance(value := getattr(row, name), date) else value
            for name in names or columns_of(type(row))
        }
        for row in rows
    ]


def ask_command(url: str, table: str, *options: str) -> Rows:
    done = run("research", table, *options, "--json", "--lang", "en", "--db", url)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def ask_http(web: httpx.Client, table: str, **query: str) -> Rows:
    answer = web.get(f"/api/v1/research/{table}", params=query | {"lang": "en"})
    assert answer.status_code == 200, answer.text
    rows: Rows = answer.json()["rows"]
    return rows


def ask_parquet(export: Path, table: str, *wanted: pl.Expr) -> Rows:
    frame = pl.scan_parquet(export / table / "*.parquet").filter(*wanted).collect()
    return [
        {name: str(value) if isinstance(value, date) else value for name, value in row.items()}
        for row in frame.iter_rows(named=True)
    ]


def ask_sql(export: Path, table: str, where: str, *values: str) -> Rows:
    connection = sqlite3.connect(export / "all.db")
    connection.row_factory = sqlite3.Row
    found = connection.execute(f"SELECT * FROM {table} WHERE {where} ORDER BY rowid", values).fetchall()
    connection.close()
    return [
        {
            name: bool(row[name]) if kind is Kind.TRUTH else row[name]
            for name, (kind, _) in columns_of(TABLES[table].row).items()
        }
        for row in found
    ]


def test_dynamics(
    codes: list[str], client: QuoteClient, web: httpx.Client, real_site: Serving, real_url: str
) -> None:
    chance = random.Random(SEED)
    days = (LAST_DAY - FIRST_DAY).days
    asked = [
        (chance.choice(codes), FIRST_DAY + timedelta(days=chance.randint(0, days))) for _ in range(DYNAMICS)
    ]
    all_codes, all_days = sorted({code for code, _ in asked}), sorted({day for _, day in asked})
    panel = {
        (row.security, row.as_of): row for row in client.ark_dynamics(all_codes, as_of=all_days, lang="en")
    }

    async def ask() -> dict[tuple[str, date], Any]:
        async with AsyncQuoteClient(port=real_site.port, body_format="json") as other:
            rows = await other.ark_dynamics(all_codes, as_of=all_days, lang="en")
            return {(row.security, row.as_of): row for row in rows}

    assert asyncio.run(ask()) == panel
    written = ask_http(
        web, "dynamics", codes=",".join(all_codes), as_of=",".join(str(day) for day in all_days)
    )
    assert written == as_told(panel.values())
    assert panel.keys() >= set(asked)
    for code, day in asked:
        row = panel[code, day]
        told = row.dynamic_type, row.transaction_count, row.net_shares, row.last_transaction_day
        one: ArkDynamic = client.ark_dynamic(code, as_of=day)
        assert told == (one.dynamic_type, one.transaction_count, one.net_shares, one.last_transaction_day)
        assert one.known_to == row.known_to
        api = web.get(f"/api/v1/ark/dynamics/{code}", params={"as_of": str(day)}).json()
        last = row.last_transaction_day and str(row.last_transaction_day)
        assert (*told[:3], last) == tuple(
            api[name] for name in ("dynamic_type", "transaction_count", "net_shares", "last_transaction_time")
        )
        assert "; ".join(" ".join(part.values()) for part in api["untold"]) == (row.untold or "")
        page = facts(web.get(f"/securities/{code}", params={"as_of": str(day)}).text)
        assert str(row.transaction_count) in page
        assert last is None or last in page
        done = run("ark", code, "--as-of", day, "--json", "--db", real_url)
        assert tuple(json.loads(done.stdout).values())[:4] == (*told[:3], last)
    code, day = asked[0]
    (alone,) = ask_command(real_url, "dynamics", "--codes", code, "--as-of", str(day))
    assert [alone] == as_told([panel[code, day]])


def test_trades(
    codes: list[str], client: QuoteClient, web: httpx.Client, real_url: str, export: Path
) -> None:
    chance = random.Random(SEED)
    found = 0
    for number in range(TRADES):
        code = chance.choice(codes)
        start = FIRST_DAY + timedelta(days=chance.randint(0, 150))
        end = start + timedelta(days=chance.randint(0, 40))
        rows = as_told(client.ark_trades(start, end, code, lang="en"))
        assert rows == ask_http(web, "trades", codes=code, start=str(start), end=str(end))
        if number % 5 == 0:
            options = ("--codes", code, "--start", str(start), "--end", str(end))
            assert rows == ask_command(real_url, "trades", *options)
        told = [row for row in rows if row["untold"] is None]
        wanted = (pl.col("security") == code, pl.col("day").is_between(start, end))
        assert told == ask_parquet(export, "trades", *wanted)
        assert told == ask_sql(
            export, "trades", "security = ? AND day BETWEEN ? AND ?", code, str(start), str(end)
        )
        one = web.get(f"/api/v1/ark/transactions/{code}").json()["rows"]
        names = ("day", "through", "fund", "shares", "adjusted_shares", "ground", "confidence")
        assert sorted(tuple(row[name] for name in names) for row in told) == sorted(
            tuple(row[name] for name in names) for row in one if str(start) <= row["day"] <= str(end)
        )
        found += len(told)
    assert found > 100


def test_rating_changes(client: QuoteClient, web: httpx.Client, real_url: str, export: Path) -> None:
    chance = random.Random(SEED)
    found = 0
    for number in range(RATINGS):
        day = FIRST_NOTE + timedelta(days=chance.randint(0, (LAST_NOTE - FIRST_NOTE).days - 7))
        end = day + timedelta(days=6)
        rows = as_told(client.rating_changes(start=day, end=end, lang="en"))
        assert rows == ask_http(web, "rating-changes", start=str(day), end=str(end))
        if number % 5 == 0:
            assert rows == ask_command(real_url, "rating-changes", "--start", str(day), "--end", str(end))
        assert rows == ask_parquet(export, "rating_changes", pl.col("day").is_between(day, end))
        assert rows == ask_sql(export, "rating_changes", "day BETWEEN ? AND ?", str(day), str(end))
        listed: Rows = []
        for number_of_day in range(7):
            one = day + timedelta(days=number_of_day)
            answer = web.get(
                "/api/v1/ratings/changes", params={"day": str(one), "count": "all", "lang": "en"}
            )
            listed += answer.json()["rows"]
        names = ("day", "security", "institution", "change_type", "rating", "target_price", "word", "line")
        assert sorted(str([row[name] for name in names]) for row in rows) == sorted(
            str([row[name] for name in names]) for row in listed
        )
        published = [row for row in client.rating_changes("US", "UPGRADE", as_of=end) if row.day >= day]
        assert sorted((str(row.security), str(row.day)) for row in published) == sorted(
            (row["security"], row["day"])
            for row in rows
            if row["change_type"] == "UPGRADE" and row["security"].startswith("US.")
        )
        found += len(rows)
    assert found > 100


def test_opinions_on_one_stock(
    client: QuoteClient, web: httpx.Client, real_site: Serving, real_url: str, export: Path
) -> None:
    """Consensus and ratings by institution; in the export they are the notes behind them."""
    chance = random.Random(SEED)
    rated = sorted({row["security"] for row in ask_parquet(export, "notes")})
    asked = [
        (chance.choice(rated), FIRST_NOTE + timedelta(days=chance.randint(0, (LAST_NOTE - FIRST_NOTE).days)))
        for _ in range(OPINIONS)
    ]

    async def ask() -> list[tuple[AnalystConsensus, list[InstitutionRating]]]:
        async with AsyncQuoteClient(port=real_site.port, lang="en") as other:
            return [
                (
                    await other.analyst_consensus(code, as_of=day),
                    list(await other.rating_summary(code, as_of=day).rows()),
                )
                for code, day in asked
            ]

    found = 0
    with QuoteClient(port=real_site.port, body_format="json", lang="en") as json_client:
        for (code, day), (consensus, ratings) in zip(asked, asyncio.run(ask()), strict=True):
            assert json_client.analyst_consensus(code, as_of=day) == consensus
            assert list(json_client.rating_summary(code, as_of=day, page_size=7)) == ratings
            names = ("rating", "buy", "hold", "sell", "highest", "average", "lowest", "newest", "known_to")
            (told,) = as_told([consensus], names)
            query = {"as_of": str(day), "lang": "en"}
            api = web.get(f"/api/v1/ratings/consensus/{code}", params=query).json()
            assert told == {name: api[name] for name in names}
            options = ("--as-of", day, "--json", "--lang", "en", "--db", real_url)
            assert told == {
                name: value
                for name, value in json.loads(run("consensus", code, *options).stdout).items()
                if name in names
            }
            rows = as_told(ratings, ("institution", "uid", "day", "rating", "target_price"))
            listed: Rows = []
            page = ""
            while page is not None:
                part = web.get(f"/api/v1/ratings/summary/{code}", params=query | {"page": page}).json()
                listed += part["rows"]
                page = part["next_page"]
            assert listed == rows
            (first, *_) = [row["uid"] for row in rows] or [None]
            if first:
                done = run("rating-summary", code, "--institution", first, *options)
                assert json.loads(done.stdout)["rows"] == [row for row in rows if row["uid"] == first]
            noted = ask_parquet(export, "notes", pl.col("security") == code, pl.col("day") <= day)
            assert {(row["institution"], row["day"]) for row in noted} == {
                (row["institution"], row["day"]) for row in rows
            }
            found += len(rows)
    assert found > 100
