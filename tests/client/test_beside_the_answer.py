"""The parts that an answer leaves out, reported with it: on the wire, in both formats, and by the typed
clients."""

import re
from collections.abc import Callable, Iterator
from datetime import date
from io import BytesIO
from typing import Literal

import polars as pl
import pytest
from httpx import Response
from sqlalchemy import update

from qotgate import AsyncQuoteClient, QuoteClient, UntoldDays
from qotgate.protocol.messages import ProtoId
from qotgate.service.loading import LoadReport
from qotgate.store import Store, tables
from qotgate.store.tables import UNTOLD
from tests.support.ark_files import BOOK, holdings
from tests.support.in_process import in_process, run_alone, web_in_process
from tests.support.wire import Wire

LEFT_OUT = (("ARKW", date(2026, 6, 1)),)
DAYS = (
    UntoldDays("ARKK", date(2026, 6, 3), date(2026, 6, 22), "hole"),
    UntoldDays("ARKK", date(2026, 6, 23), date(2026, 6, 23), "untold"),
)


@pytest.fixture
def url(new_url: Callable[[], str]) -> str:
    return new_url()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store.open(url)
    yield store
    store.close()


@pytest.fixture
def port(url: str, store: Store, load_text: Callable[..., LoadReport]) -> Iterator[int]:
    """A gateway on files of ARKK around a day with unknown trades, and of ARKW that end three weeks
    before."""
    days = (1, 2, 3, 23, 24)
    load_text(
        **{f"k{day}": holdings(f"6/{day}/2026", BOOK | {"TSLA": 1000 + day}) for day in days},
        **{f"w{day}": holdings(f"6/{day}/2026", BOOK, "ARKW") for day in (1, 2)},
    )
    with store.writing() as connection:
        table = tables.ark_day
        connection.execute(update(table).where(table.c.day == date(2026, 6, 23)).values(source=UNTOLD))
    with in_process(url) as gateway:
        yield gateway.port


def test_the_wire(port: int) -> None:
    with Wire(port) as wire:
        for proto_id in (ProtoId.Qot_GetArkFundHolding, ProtoId.Qot_GetArkActiveTransaction):
            s2c = wire.ask(proto_id).s2c
            assert [(one.fund, one.until) for one in s2c.leftOut] == [("ARKW", "2026-06-01")]
            assert not wire.ask(proto_id, asOf="2026-06-02").s2c.leftOut
        assert [(one.fund, one.firstDay, one.lastDay, one.why) for one in wire.dynamic().s2c.untold] == [
            ("ARKK", "2026-06-03", "2026-06-22", "hole"),
            ("ARKK", "2026-06-23", "2026-06-23", "untold"),
        ]


@pytest.mark.parametrize("body_format", ["protobuf", "json"])
def test_the_clients(port: int, body_format: Literal["protobuf", "json"]) -> None:
    with QuoteClient(port=port, body_format=body_format) as client:
        assert client.fund_holdings().left_out == LEFT_OUT
        assert client.active_transactions().left_out == LEFT_OUT
        assert client.fund_holdings(as_of=date(2026, 6, 2)).left_out == ()
        assert client.ark_dynamic("US.TSLA").untold == DAYS
        assert client.ark_dynamic("US.TSLA", as_of=date(2026, 6, 2)).untold == ()
        many = client.ark_dynamics(["US.TSLA", "US.ROKU"])
        assert [one.untold for one in many] == [DAYS, DAYS]
        assert "untold" not in many.to_polars().columns

    async def ask() -> None:
        async with AsyncQuoteClient(port=port, body_format=body_format) as client:
            assert await client.fund_holdings().left_out() == LEFT_OUT
            assert await client.active_transactions().left_out() == LEFT_OUT
            assert (await client.ark_dynamic("US.TSLA")).untold == DAYS

    run_alone(ask())


def test_http(port: int, url: str) -> None:
    async def ask(suffix: str) -> Response:
        async with web_in_process(url) as (web, _):
            return await web.get(f"/api/v1/ark/dynamics/US.TSLA{suffix}")

    assert run_alone(ask("")).json()["untold"] == [
        {"fund": "ARKK", "first_day": "2026-06-03", "last_day": "2026-06-22", "why": "hole"},
        {"fund": "ARKK", "first_day": "2026-06-23", "last_day": "2026-06-23", "why": "untold"},
    ]
    said = "ARKK 2026-06-03 2026-06-22 hole; ARKK 2026-06-23 2026-06-23 untold"
    assert run_alone(ask(".csv")).text.splitlines()[1].endswith(said)
    (row,) = pl.read_parquet(BytesIO(run_alone(ask(".parquet")).content)).to_dicts()
    assert [days["why"] for days in row["untold"]] == ["hole", "untold"]


def test_the_page_of_a_stock(port: int, url: str) -> None:
    async def page() -> str:
        async with web_in_process(url) as (web, _):
            return (await web.get("/securities/US.TSLA")).text

    shown = " ".join(re.sub("<[^>]+>", "", run_alone(page())).split())
    assert "Trades of ARKK (2026-06-23) are unknown: fund flow and trades cannot be separated." in shown
    assert "Trades of ARKK (2026-06-03 – 2026-06-22) are unknown: too many missing files." in shown
