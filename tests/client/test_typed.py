"""The typed clients, blocking and asyncio: words, errors, pages, tables, connections."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from qotgate import (
    ArkDynamicType,
    AsyncQuoteClient,
    ConnectionLost,
    InvalidRequest,
    Market,
    MarketState,
    QotGateError,
    QuoteClient,
    RateLimited,
    RatingChange,
    RatingChangeType,
    RatingLevel,
    Rows,
    Security,
    StockDynamic,
    Timeout,
    UntoldDays,
)
from qotgate.protocol.cipher import RsaKey
from tests.support.serving import Serving, serving
from tests.support.wire import free_port

TSLA = StockDynamic(
    ArkDynamicType.CONSECUTIVE_SAME_DIRECTION,
    2,
    76041,
    date(2026, 6, 22),
    Security(Market.US, "TSLA"),
    untold=tuple(
        UntoldDays(fund, date(2026, 4, 21), date(2026, 6, 12), why="hole") for fund in ("ARKK", "ARKW")
    ),
)


@pytest.fixture
def client(sample_gateway: Serving) -> Iterator[QuoteClient]:
    with QuoteClient(port=sample_gateway.port) as client:
        yield client


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts connections, reads, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_dynamic(client: QuoteClient) -> None:
    assert client.ark_dynamic("US.TSLA") == TSLA == client.ark_dynamic(Security(Market.US, "TSLA"))
    none = client.ark_dynamic("US.COIN")
    assert (none.dynamic_type, none.last_transaction_day) == (ArkDynamicType.NO_DYNAMIC, None)
    for day in (date(2026, 6, 17), datetime(2026, 6, 17, 12, tzinfo=UTC), pd.Timestamp("2026-06-17")):
        earlier = client.ark_dynamic("US.TSLA", as_of=day)
        assert (earlier.net_shares, earlier.known_to) == (-20000, date(2026, 6, 17))


def test_a_day_that_is_not_known_yet(client: QuoteClient) -> None:
    tomorrow = date(2099, 1, 1)
    later = client.ark_dynamic("US.TSLA", as_of=tomorrow)
    assert later == replace(TSLA, known_to=date(2026, 6, 22))
    assert client.ark_dynamic("US.TSLA").known_to is None
    for ask in (client.fund_holdings, client.active_transactions, partial(client.rating_changes, "US")):
        rows = ask(as_of=tomorrow, page_size=2)
        assert list(rows) == list(ask())
        assert rows.known_to == date(2026, 6, 23 if rows._kind is RatingChange else 22)
        assert ask().known_to is None
    with pytest.raises(InvalidRequest, match="2026-04-17"):
        client.ark_dynamic("US.TSLA", as_of=date(2026, 4, 16))


def test_many_dynamics_come_in_the_order_of_their_codes(client: QuoteClient) -> None:
    codes = ["US.TSLA", "US.COIN", "US.ROKU"] * 300
    rows = client.ark_dynamics(codes)
    assert [str(row.security) for row in rows] == codes
    assert rows[0] == TSLA
    assert rows[:3] == client.ark_dynamics(codes[:3])
    assert len(client.ark_dynamics([])) == 0


def test_rating_changes_are_all_pages(client: QuoteClient) -> None:
    changes = client.rating_changes("US", page_size=2)
    assert changes.all_count == 5
    rows = list(changes)
    assert len(rows) == 5
    assert rows == list(client.rating_changes(Market.US, RatingChangeType.UPGRADE))
    assert {row.change_type for row in rows} == {RatingChangeType.UPGRADE}
    assert [row.day for row in rows] == sorted((row.day for row in rows), reverse=True)
    assert rows[0].rating is RatingLevel.BUY
    started = next(client.rating_changes("US", "NEW_RATING"))
    assert (started.last_rating, started.last_target_price, started.last_day) == (None, None, None)
    assert client.rating_changes("CA", "DOWNGRADE").all_count == 0


def test_global_state(client: QuoteClient) -> None:
    state = client.global_state()
    assert state.markets[Market.US] in set(MarketState) - {MarketState.UNKNOWN}
    assert abs(datetime.now(UTC) - state.time) < timedelta(minutes=1)
    assert state.program_status == "READY"


def test_rows_turn_into_tables(client: QuoteClient) -> None:
    rows = client.rating_changes("US", "NEW_RATING").rows()
    names = ["security", "name", "rating", "last_rating", "target_price", "last_target_price", "change_type"]
    names += ["institution", "day", "last_day"]
    pandas, polars, arrow = rows.to_pandas(), rows.to_polars(), rows.to_arrow()
    assert list(pandas.columns) == polars.columns == arrow.column_names == names
    assert len(rows) == len(pandas) == len(polars) == arrow.num_rows > 0
    assert pandas.day.dt.date.tolist() == polars["day"].to_list() == arrow["day"].to_pylist()
    assert polars["last_target_price"].null_count() == pandas.last_target_price.isna().sum() > 0
    assert polars["target_price"].dtype == pl.Float64
    assert polars["security"].to_list() == [str(row.security) for row in rows]
    assert arrow.schema.field("last_day").type == pa.date32()
    dynamics = client.ark_dynamics(["US.TSLA", "US.COIN"]).to_polars()
    assert dynamics.columns[0] == "security"
    assert dynamics["net_shares"].to_list() == [76041, 0]


def test_tables_of_no_rows_have_their_types() -> None:
    empty = Rows(RatingChange, [])
    assert empty.to_polars().schema["day"] == pl.Date
    assert empty.to_pandas().dtypes["target_price"] == "float64"
    assert empty.to_pandas().dtypes["day"] == "datetime64[s]"
    assert empty.to_pandas()["security"].str.startswith("US.").empty
    assert empty.to_arrow().schema.field("security").type == pa.string()
    assert pd.concat([empty.to_pandas(), empty.to_pandas()]).empty


def test_wrong_arguments_are_invalid_requests(client: QuoteClient) -> None:
    with pytest.raises(InvalidRequest, match=r"security takes a code as MARKET\.CODE"):
        client.ark_dynamic("TSLA")
    with pytest.raises(InvalidRequest, match=r"US\.X"):
        client.ark_dynamics(["US.TSLA", "US.X "])
    with pytest.raises(InvalidRequest, match="change_type takes one of UPGRADE, DOWNGRADE, NEW_RATING"):
        client.rating_changes("US", "UP")
    with pytest.raises(InvalidRequest, match="HK"):
        next(client.rating_changes("HK"))
    for wrong in (None, 5, b"US.TSLA", Security("XX", "TSLA")):  # wrong on purpose
        with pytest.raises(InvalidRequest, match="security takes a code"):
            client.ark_dynamics([wrong])  # wrong on purpose
    for rows in (0, 21, "5", 2.0, 2**40):
        with pytest.raises(InvalidRequest, match="page_size takes a whole number from 1 to 20"):
            client.rating_changes("US", page_size=rows)  # wrong on purpose
    for day in ("", "soon", 5):
        with pytest.raises(InvalidRequest, match="as_of takes a date"):
            client.ark_dynamic("US.TSLA", as_of=day)  # wrong on purpose
    for timeout in (0, -1, float("inf"), float("nan")):
        with pytest.raises(InvalidRequest, match="timeout takes seconds above 0"):
            QuoteClient(timeout=timeout)
    with pytest.raises(InvalidRequest, match="body_format takes protobuf or json"):
        QuoteClient(body_format="xml")  # wrong on purpose
    assert client.ark_dynamic("US.TSLA") == TSLA


def test_words_are_taken_in_any_case(client: QuoteClient) -> None:
    upper, lower = client.rating_changes("US", "UPGRADE"), client.rating_changes("us", "upgrade")
    assert list(lower) == list(upper)
    held = client.fund_holdings("increase", "five_day", sort_field="Weight", sort_dir="ascending")
    assert list(held) == list(
        client.fund_holdings("INCREASE", "FIVE_DAY", sort_field="WEIGHT", sort_dir="ASCENDING")
    )
    for lang, name in (("EN", "Tesla"), ("zh-CN", "特斯拉")):
        trades = client.ark_trades(codes="us.tsla", lang=lang)  # as a tag
        assert {row.name for row in trades if row.security} == {name}


def test_over_the_allowance_a_call_says_how_long_and_many_calls_wait(sample_url: str) -> None:
    with (
        serving(sample_url, "--rate-limit", "3/1s", "--lang", "en") as gateway,
        QuoteClient(port=gateway.port) as client,
    ):
        with pytest.raises(RateLimited, match="at most 3 requests in 1 seconds") as refused:
            for _ in range(4):
                client.ark_dynamic("US.TSLA")
        assert 0 < refused.value.seconds <= 1
        assert list(client.ark_dynamics(["US.TSLA"] * 7)) == [TSLA] * 7
        for _ in range(3):
            client.rating_changes("US").all_count  # noqa: B018
        assert len(client.rating_changes("US", page_size=1).rows()) == 5

        async def walk() -> None:
            async with AsyncQuoteClient(port=gateway.port) as client:
                assert len(await client.rating_changes("US", page_size=1).rows()) == 5
                assert list(await client.ark_dynamics(["US.TSLA"] * 4)) == [TSLA] * 4

        asyncio.run(walk())


def test_a_timeout_leaves_the_connection_usable(sample_gateway: Serving) -> None:
    with QuoteClient(port=sample_gateway.port, timeout=5) as client:
        client.connect()
        connection = client._link._connection
        assert connection is not None
        with pytest.raises(Timeout, match="did not answer in time"):
            connection.ask([_dynamic_request()], [], 0.0, 0.0)
        assert client.ark_dynamic("US.TSLA") == TSLA
        assert client._link._connection is connection


def _dynamic_request() -> Any:
    from qotgate.client.questions import ark_dynamic

    question = ark_dynamic("US.TSLA", None)
    return question.proto_id, question.request


def test_nobody_there_and_nobody_who_answers_are_connection_lost() -> None:
    with pytest.raises(ConnectionLost, match="No gateway answers at"):
        QuoteClient(port=free_port(), timeout=0.3).ark_dynamic("US.TSLA")
    with silent_port() as port:
        started = time.monotonic()
        with pytest.raises(ConnectionLost, match="answers InitConnect"):
            QuoteClient(port=port, timeout=0.3).ark_dynamic("US.TSLA")
        with pytest.raises((ConnectionLost, Timeout), match=r"InitConnect|in time"):
            asyncio.run(AsyncQuoteClient(port=port, timeout=0.3).ark_dynamic("US.TSLA"))
        assert time.monotonic() - started < 10


def blocking(port: int) -> None:
    QuoteClient(port=port, timeout=0.5).ark_dynamic("US.TSLA")


def in_asyncio(port: int) -> None:
    asyncio.run(AsyncQuoteClient(port=port, timeout=0.5).ark_dynamic("US.TSLA"))


@pytest.mark.parametrize("ask", [blocking, in_asyncio])
def test_the_reason_is_that_of_the_attempt_before_the_end_of_the_time(ask: Callable[[int], None]) -> None:
    """The end of the time cuts the last attempt short, which then says only that nothing answered."""

    def answer_once() -> None:
        with server.accept()[0] as connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        thread = threading.Thread(target=answer_once)
        thread.start()
        with pytest.raises(ConnectionLost, match="a packet starts with b'HT'"):
            ask(server.getsockname()[1])
        thread.join()


@pytest.mark.parametrize("body_format", ["protobuf", "json"])
@pytest.mark.parametrize("bits", [1024, 2048])
def test_encrypted(
    sample_url: str, tmp_path: Path, bits: int, body_format: Literal["protobuf", "json"]
) -> None:
    key, other = tmp_path / "key.pem", tmp_path / "other.pem"
    key.write_bytes(RsaKey.generate(bits).pem())
    other.write_bytes(RsaKey.generate(bits).pem())
    with serving(sample_url, "--rsa-key", str(key), "--rate-limit", "off", "--lang", "en") as gateway:
        with QuoteClient(port=gateway.port, rsa_key=key, body_format=body_format) as client:
            assert list(client.ark_dynamics(["US.TSLA"] * 20)) == [TSLA] * 20
        with (
            QuoteClient(port=gateway.port, rsa_key=other, timeout=2) as client,
            pytest.raises(ConnectionLost, match="use the RSA key that the gateway was started with"),
        ):
            client.ark_dynamic("US.TSLA")
        with (
            QuoteClient(port=gateway.port, timeout=0.2) as client,
            pytest.raises(ConnectionLost, match="takes only an InitConnect that is encrypted"),
        ):
            client.ark_dynamic("US.TSLA")

        async def ask() -> StockDynamic:
            async with AsyncQuoteClient(port=gateway.port, rsa_key=key) as client:
                return await client.ark_dynamic("US.TSLA")

        assert asyncio.run(ask()) == TSLA
    with pytest.raises(QotGateError, match="cannot be read"):
        QuoteClient(rsa_key=tmp_path / "none.pem").ark_dynamic("US.TSLA")


def test_a_closed_client_says_so(client: QuoteClient) -> None:
    client.close()
    client.close()
    with pytest.raises(ConnectionLost, match="was closed"):
        client.ark_dynamic("US.TSLA")


def test_asyncio_answers_the_same(client: QuoteClient, sample_gateway: Serving) -> None:
    codes = ["US.TSLA", "US.COIN", "US.ROKU"] * 100

    async def ask() -> None:
        async with AsyncQuoteClient(port=sample_gateway.port) as other:
            assert await other.ark_dynamic("US.TSLA") == TSLA
            assert await other.ark_dynamics(codes) == client.ark_dynamics(codes)
            changes = other.rating_changes("US", page_size=2)
            assert await changes.all_count() == 5
            assert [row async for row in changes] == list(client.rating_changes("US"))
            assert (await other.rating_changes("US").to_polars()).equals(
                client.rating_changes("US").to_polars()
            )
            assert len(await other.rating_changes("US").to_pandas()) == 5
            assert (await other.rating_changes("US").to_arrow()).num_rows == 5
            assert (await other.global_state()).server_version == client.global_state().server_version
            with pytest.raises(InvalidRequest):
                await other.ark_dynamic("TSLA")
        with pytest.raises(ConnectionLost):
            await other.ark_dynamic("US.TSLA")

    asyncio.run(ask())


def test_cancelling_leaves_the_connection_usable(sample_gateway: Serving) -> None:
    async def ask() -> None:
        async with AsyncQuoteClient(port=sample_gateway.port) as client:
            await client.connect()
            connection = client._link._connection
            tasks = [asyncio.create_task(client.ark_dynamic("US.ROKU")) for _ in range(100)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(one, asyncio.CancelledError) for one in done[::2])
            assert {one.net_shares for one in done[1::2]} == {29500}  # the rest was cancelled
            assert await client.ark_dynamic("US.TSLA") == TSLA
            assert client._link._connection is connection
            assert connection is not None
            assert not connection._waiting

    asyncio.run(ask())


def test_clients_share_nothing(sample_gateway: Serving) -> None:
    clients = [QuoteClient(port=sample_gateway.port) for _ in range(10)]
    before = threading.active_count()
    assert {client.ark_dynamic("US.TSLA") for client in clients} == {TSLA}
    clients[0].close()
    assert clients[1].ark_dynamic("US.TSLA") == TSLA
    for client in clients:
        client.close()
    assert threading.active_count() == before


def test_an_idle_client_stays_connected(sample_url: str) -> None:
    """Keep-alives are sent without calls: the gateway drops a client that is silent for three intervals."""
    with serving(sample_url, "--keep-alive-interval", "1", "--rate-limit", "off") as gateway:

        async def stay() -> None:
            async with AsyncQuoteClient(port=gateway.port) as client:
                await client.connect()
                connection = client._link._connection
                await asyncio.sleep(5)
                assert await client.ark_dynamic("US.TSLA") == TSLA
                assert client._link._connection is connection

        asyncio.run(stay())


@pytest.mark.slow
def test_a_users_script_passes_mypy_strict(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        """
import asyncio
from datetime import date

import pandas as pd

from qotgate import AsyncQuoteClient, Market, OpenQuoteContext, QuoteClient, RateLimited, RatingChange, RET_OK


def upgrades(client: QuoteClient, day: date) -> list[RatingChange]:
    return [change for change in client.rating_changes(Market.US, as_of=day) if change.target_price]


def table(client: QuoteClient) -> pd.DataFrame:
    return client.ark_dynamics(["US.TSLA"]).to_pandas()


async def shares() -> int:
    async with AsyncQuoteClient() as client:
        async for change in client.rating_changes("US"):
            reveal_type(change)
        return (await client.ark_dynamic("US.TSLA")).net_shares


def main() -> None:
    with QuoteClient(timeout=3) as client:
        try:
            reveal_type(client.ark_dynamic("US.TSLA").last_transaction_day)
        except RateLimited as error:
            print(error.seconds)
    quote_ctx = OpenQuoteContext(host="127.0.0.1", port=11111)
    ret, data = quote_ctx.get_ark_stock_dynamic(security="US.TSLA")
    if ret == RET_OK:
        print(data["net_shares"])
    asyncio.run(shares())
"""
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(script)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    revealed = [line.split("note: ")[1] for line in done.stdout.splitlines() if "Revealed" in line]
    assert revealed == [
        'Revealed type is "qotgate.model.ratings.RatingChange"',
        'Revealed type is "datetime.date | None"',
    ]
