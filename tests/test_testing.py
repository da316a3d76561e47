"""``qotgate.testing``: gateways for users' tests, on files, on rows and on the sample."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from qotgate import ConnectionLost, InvalidRequest, OpenQuoteContext, QotGateError, QuoteClient, RateLimited
from qotgate.testing import RunningGateway, run_gateway

NOTES = [
    {"ticker": "AAPL", "firm": "UBS", "rating": "Neutral", "price_target": 150, "date": "2026-06-01"},
    {"ticker": "AAPL", "firm": "UBS", "rating": "Buy", "price_target": 200, "date": "2026-06-17"},
]
TRADES = [
    {"fund": "ARKK", "date": "2026-06-17", "direction": "Buy", "ticker": "TSLA", "shares": 100},
    {"fund": "ARKW", "date": "2026-06-17", "direction": "Sell", "ticker": "TSLA", "shares": 30},
]


def test_rows_are_served(qotgate_gateway: Callable[..., RunningGateway]) -> None:
    gateway = qotgate_gateway(notes=NOTES, trades=TRADES)
    with OpenQuoteContext(host=gateway.host, port=gateway.port) as context:
        assert context.get_ark_stock_dynamic("US.TSLA")[1]["net_shares"] == 70
        table = context.get_rating_change("US")[1]
        assert table[["security", "last_target_price", "target_price"]].values.tolist() == [
            ["US.AAPL", 150, 200]
        ]
        later = [{**NOTES[1], "rating": "Sell", "price_target": 90, "date": "2026-06-18"}]
        assert gateway.load(notes=later).added["notes"] == 1
        assert context.get_rating_change("US", "DOWNGRADE")[1].target_price.tolist() == [90]


def test_holdings_are_served(qotgate_gateway: Callable[..., RunningGateway]) -> None:
    def book(day: str, tesla: int) -> list[dict[str, object]]:
        others = [
            {"date": day, "fund": "ARKK", "ticker": code, "shares": 1000} for code in ("ROKU", "ZM", "COIN")
        ]
        return [{"date": day, "fund": "ARKK", "ticker": "TSLA", "shares": tesla}, *others]

    gateway = qotgate_gateway(holdings=book("2026-06-17", 500) + book("2026-06-18", 800))
    with QuoteClient(port=gateway.port) as client:
        assert client.ark_dynamic("US.TSLA").net_shares == 300


def test_files_are_served(qotgate_gateway: Callable[..., RunningGateway], tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("ticker,firm,rating,date\nAAPL,UBS,Buy,2026-06-17\n")
    for path in (tmp_path, str(tmp_path / "notes.csv")):
        gateway = qotgate_gateway(path)
        with QuoteClient(port=gateway.port) as client:
            assert client.rating_changes("US", "NEW_RATING").all_count == 1
    with pytest.raises(QotGateError, match="does not exist"):
        qotgate_gateway(tmp_path / "nothing.csv")


def test_the_sample_is_served_where_nothing_is_given() -> None:
    before = gateways()
    with run_gateway() as gateway, QuoteClient(port=gateway.port) as client:
        assert client.ark_dynamic("US.TSLA").net_shares == 76041
        assert gateways() == before + 1
    assert gateways() == before


def gateways() -> int:
    return sum(thread.name == "qotgate-gateway" for thread in threading.enumerate())


def test_the_allowance_can_be_tested() -> None:
    with run_gateway(rate_limit="1/30s") as gateway, QuoteClient(port=gateway.port) as client:
        client.ark_dynamic("US.TSLA")
        with pytest.raises(RateLimited, match="at most 1 requests in 30 seconds"):
            client.ark_dynamic("US.TSLA")
    with pytest.raises(QotGateError, match="--rate-limit takes"), run_gateway(rate_limit="many"):
        pass


def test_an_outage_can_be_tested() -> None:
    with run_gateway() as gateway, QuoteClient(port=gateway.port, timeout=0.5) as client:
        client.connect()
        gateway.stop()
        with pytest.raises(ConnectionLost):
            client.ark_dynamic("US.TSLA")


def test_what_is_given_empty_is_empty() -> None:
    with (
        run_gateway(notes=[]) as gateway,
        QuoteClient(port=gateway.port) as client,
        pytest.raises(InvalidRequest, match="No analyst note is loaded yet"),
    ):
        next(client.rating_changes("US"))


def test_it_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with run_gateway() as gateway, QuoteClient(port=gateway.port) as client:
        client.connect()
    assert capsys.readouterr().out == ""


def test_rows_may_be_what_a_table_gives() -> None:
    rows = pd.DataFrame([*NOTES, {**NOTES[1], "firm": "Citi", "price_target": None}]).to_dict("records")
    with run_gateway(notes=rows) as gateway, QuoteClient(port=gateway.port) as client:
        assert client.rating_changes("US", "NEW_RATING").all_count == 2
        with pytest.raises(QotGateError, match="notes takes rows that are mappings"):
            gateway.load(notes=pd.DataFrame(NOTES))
        gateway.load(trades=[{**TRADES[0], "ticker": "US.TSLA"}])
        assert client.ark_dynamic("US.TSLA").net_shares == 100


def test_a_wrong_row_is_named() -> None:
    wrong = {"ticker": "AAPL", "firm": "UBS", "rating": "Buy", "date": "yesterday"}
    with pytest.raises(QotGateError, match=r"notes, row 3: .*date"), run_gateway(notes=[*NOTES, wrong]):
        pass


@pytest.mark.slow
def test_it_works_in_a_users_pytest_without_any_set_up(tmp_path: Path) -> None:
    (tmp_path / "test_bot.py").write_text(
        """
from futu import RET_OK, OpenQuoteContext

TRADE = dict(fund="ARKK", date="2026-06-17", direction="Buy", ticker="TSLA", shares=5)

def test_bot(qotgate_gateway):
    gateway = qotgate_gateway(trades=[TRADE])
    quote_ctx = OpenQuoteContext(host=gateway.host, port=gateway.port)
    ret, data = quote_ctx.get_ark_stock_dynamic("US.TSLA")
    quote_ctx.close()
    assert (ret, data["net_shares"]) == (RET_OK, 5)
"""
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=120,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
