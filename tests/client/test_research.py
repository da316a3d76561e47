"""The typed clients' research tables: one call each, the allowance, and common shapes."""

import asyncio
import logging
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from qotgate import (
    AsyncQuoteClient,
    ConnectionLost,
    InvalidRequest,
    OpenQuoteContext,
    QuoteClient,
    RatingChange,
    StockDynamic,
)
from qotgate.client.errors import NoGateway
from qotgate.model.research import DynamicOfDay, RatingNote, Trade
from qotgate.service.research import scope
from qotgate.testing import run_gateway
from tests.support.serving import Serving, serving
from tests.support.wire import free_port

NOTES = [
    ("2026-01-05", "Buy", 100.0),
    ("2026-02-05", "Hold", 90.0),
    ("2026-03-05", "Hold", 95.0),
    ("2026-03-09", "Hold", 95.0),
    ("2026-04-06", "Overweight", None),
]


@pytest.fixture
def client(sample_gateway: Serving) -> Iterator[QuoteClient]:
    with QuoteClient(port=sample_gateway.port) as client:
        yield client


@pytest.fixture(scope="module")
def limited(sample_url: str) -> Iterator[Serving]:
    """A gateway with default options."""
    with serving(sample_url) as gateway:
        yield gateway


def test_a_panel_is_one_question(client: QuoteClient) -> None:
    days = [date(2026, 4, 17), "2026-06-17", pd.Timestamp("2026-06-22")]
    rows = client.ark_dynamics(["US.TSLA", "US.ROKU"], as_of=days)
    assert [(str(row.as_of), row.security) for row in rows] == [
        (day, code) for day in ("2026-04-17", "2026-06-17", "2026-06-22") for code in ("US.TSLA", "US.ROKU")
    ]
    assert isinstance(rows[0], DynamicOfDay)
    assert rows[-2].net_shares == 76041
    table = rows.to_polars()
    assert table.columns[:4] == ["as_of", "security", "name", "dynamic_type"]
    assert "untold" in table.columns
    assert str(rows.to_pandas()["as_of"].dtype) == "datetime64[s]"
    assert rows.to_arrow().schema.field("as_of").type == pa.date32()
    assert len(client.ark_dynamics("US.TSLA", as_of="2026-06-22")) == 1
    held = client.ark_dynamics("held", start="2026-06-15")
    assert len({row.as_of for row in held}) == 5
    assert list(client.ark_dynamics("held", as_of=[])) == []


def test_many_stocks_go_beyond_the_allowance_of_the_one_question(
    limited: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    with QuoteClient(port=limited.port) as client:
        codes = [f"US.N{number}" for number in range(300)] + ["US.TSLA", "us.roku", "US.TSLA"]
        rows = client.ark_dynamics(codes)
        assert [str(row.security) for row in rows] == [code.upper() for code in codes]
        assert all(isinstance(row, StockDynamic) for row in rows)
        assert rows[300] == rows[302] == client.ark_dynamic("US.TSLA")
        for _ in range(70):
            assert len(client.latest_days().rows()) > 3
    assert "--rate-limit" not in caplog.text
    assert rows[300].untold


def test_a_limit_that_is_configured_holds_and_is_told_once(
    sample_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(sample_url, "--rate-limit", "2/0.3s") as gateway, QuoteClient(port=gateway.port) as client:
        for _ in range(5):
            assert len(client.latest_days().rows()) > 3
        assert len(client.ark_dynamics(["US.TSLA"] * 5)) == 5

        async def ask() -> None:
            async with AsyncQuoteClient(port=gateway.port) as other:
                for _ in range(5):
                    assert len(await other.latest_days().rows()) > 3

        asyncio.run(ask())
    told = [record.getMessage() for record in caplog.records if record.name == "qotgate.client"]
    assert len(told) == 2  # once for each client
    assert f"127.0.0.1:{gateway.port} is used up" in told[0]
    assert "--rate-limit" in told[0]


def test_nothing_that_listens_is_told_at_once() -> None:
    port = free_port()
    for ask in (
        lambda: QuoteClient(port=port, timeout=600).latest_days().rows(),
        lambda: asyncio.run(AsyncQuoteClient(port=port, timeout=600).ark_dynamic("US.TSLA")),
    ):
        with pytest.raises(NoGateway, match="Start one with `qotgate serve`") as told:
            ask()
        assert isinstance(told.value, ConnectionLost)
        assert f"127.0.0.1:{port}" in str(told.value)


def test_a_gateway_that_was_there_is_waited_for(sample_url: str) -> None:
    port = free_port()
    with QuoteClient(port=port, timeout=0.5) as client:
        with serving(sample_url, "--port", str(port)):
            client.latest_days().rows()
        with pytest.raises(ConnectionLost):
            client.latest_days().rows()
        with serving(sample_url, "--port", str(port)):
            client.latest_days().rows()


def test_tables_come_a_part_at_a_time(client: QuoteClient, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = client.ark_trades(lang="en").rows()
    assert isinstance(whole[0], Trade)
    monkeypatch.setattr(scope, "MAX_ROWS", 1)
    parts = list(client.ark_trades(lang="en").batches())
    assert len(parts) > 2
    assert [row for part in parts for row in part] == list(whole)
    assert list(client.ark_trades(lang="en")) == list(whole)
    rows = client.ark_trades(lang="en")
    assert next(rows) == whole[0]
    assert [row for part in rows.batches() for row in part] == list(whole[1:])
    assert list(rows) == []
    assert client.ark_trades(end="2026-06-17").known_to == date(2026, 6, 22)
    assert client.coverage().known_to is None
    assert {row.name for row in whole} != {row.name for row in client.ark_trades(lang="zh")}


def test_of_nothing_there_is_nothing(client: QuoteClient) -> None:
    assert list(client.ark_trades(codes=[])) == []
    assert list(client.ark_positions([]).to_pandas().columns)[:3] == ["day", "fund", "security"]
    assert len(client.ark_positions("US.NEVER").rows()) == len(
        [row for row in client.ark_positions() if row.untold]
    )
    assert list(client.rating_changes(institutions=[])) == []


def test_sentences_come_from_the_gateway(client: QuoteClient) -> None:
    for ask, sentence in (
        (client.ark_trades("2026-6-1"), "start"),
        (client.ark_trades(funds="ARKZ"), "ARKK, ARKW"),
        (client.streaks(days=1), "days"),
        (client.streaks("up"), "side"),  # wrong on purpose
    ):
        with pytest.raises(InvalidRequest, match=sentence):
            ask.rows()


def test_one_fund(client: QuoteClient) -> None:
    all_funds, one = client.fund_holdings().rows(), client.fund_holdings(fund="ARKW").rows()
    assert 0 < len(one) <= len(all_funds)
    held = {row.security: row.shares for row in all_funds}
    assert any(row.shares < held[row.security] for row in one)
    book = client.ark_holdings("2026-06-22", funds="ARKW").rows()
    assert {row.security: row.shares for row in book if row.security} == {
        str(row.security): row.shares for row in one if row.security
    }
    assert list(client.active_transactions(fund="arkw")) != list(client.active_transactions())
    with pytest.raises(InvalidRequest, match="ARKZ"):
        client.fund_holdings(fund="ARKZ").rows()


def test_rating_changes_of_any_kind(client: QuoteClient) -> None:
    upgrades = client.rating_changes("US").rows()
    assert {type(row) for row in upgrades} == {RatingChange}
    changes = client.rating_changes(start="2000-01-01").rows()
    assert {type(row) for row in changes} == {RatingNote}
    assert {row.change_type for row in changes} == {"UPGRADE", "DOWNGRADE", "NEW_RATING"}
    assert len([row for row in changes if row.change_type == "UPGRADE"]) >= len(upgrades)
    assert len(client.rating_changes("US", "ALL").rows()) == len(
        [row for row in changes if row.security.startswith("US.")]
    )
    assert all(row.word for row in changes)


def test_upgrades_and_downgrades_as_yfinance_has_them() -> None:
    with run_gateway() as gateway, QuoteClient(gateway.host, gateway.port) as client:
        gateway.load(
            notes=[
                {"ticker": "KO", "firm": "UBS", "rating": word, "date": day, "price_target": target or ""}
                for day, word, target in NOTES
            ]
        )
        table = client.upgrades_downgrades("KO")
        assert table.index.name == "GradeDate"
        assert list(table.columns) == [
            *("Firm", "ToGrade", "FromGrade", "Action"),
            *("priceTargetAction", "currentPriceTarget", "priorPriceTarget"),
        ]
        assert [str(day.date()) for day in table.index] == [day for day, *_ in NOTES][::-1]
        assert list(table["ToGrade"]) == [word for _, word, _ in NOTES][::-1]
        assert list(table["Action"]) == ["up", "reit", "main", "down", "init"]
        assert list(table["FromGrade"]) == ["Hold", "Hold", "Hold", "Buy", ""]
        assert list(table["priceTargetAction"]) == ["", "Maintains", "Raises", "Lowers", "Announces"]
        assert table["priorPriceTarget"].iloc[2] == 90.0
        assert table["currentPriceTarget"].isna().tolist() == [True, False, False, False, False]
        assert client.upgrades_downgrades("US.KO", start="2026-03-01").shape == (3, 7)
        assert client.upgrades_downgrades("PEP").empty

        async def ask() -> Any:
            async with AsyncQuoteClient(gateway.host, gateway.port) as other:
                return await other.upgrades_downgrades("KO")

        assert asyncio.run(ask()).equals(table)


@pytest.mark.parametrize("body_format", ["protobuf", "json"])
def test_asyncio_answers_the_same(client: QuoteClient, sample_gateway: Serving, body_format: Any) -> None:
    async def ask() -> None:
        async with AsyncQuoteClient(port=sample_gateway.port, body_format=body_format) as other:
            for name in (
                *("ark_trades", "ark_transactions", "ark_positions", "ark_holdings", "rating_notes"),
                *("coverage", "latest_days", "streaks", "rating_changes"),
            ):
                assert await getattr(other, name)().rows() == getattr(client, name)().rows(), name
            days = [date(2026, 6, 22) - timedelta(days=number) for number in range(9)]
            assert await other.ark_dynamics("all", as_of=days) == client.ark_dynamics("all", as_of=days)
            assert await other.ark_trades().known_to() == date(2026, 6, 22)

    asyncio.run(ask())


def test_published_clients_are_told_that_it_is_ours(sample_gateway: Serving) -> None:
    """The published questions are unchanged: the drop-in's tables have no new column."""
    logging.getLogger("FTConsoleLog").disabled = True
    context = OpenQuoteContext("127.0.0.1", sample_gateway.port)
    try:
        assert "as_of" not in context.get_ark_stock_dynamic("US.TSLA")[1]
    finally:
        context.close()
