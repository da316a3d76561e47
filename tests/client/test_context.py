"""The drop-in context: documented shapes, 'N/A', errors, and a gateway that stops and returns."""

import copy
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pandas as pd
import pytest

import qotgate
from qotgate import RET_ERROR, RET_OK, ArkDynamicType, Market, OpenQuoteContext, RatingChangeType, RatingLevel
from qotgate.client.connection import Connection, Outgoing
from qotgate.client.core import ClientOptions
from qotgate.client.errors import ConnectionLost
from tests.support.serving import Serving, client_threads, serving, serving_process
from tests.support.wire import free_port


@pytest.fixture
def context(sample_gateway: Serving) -> Iterator[OpenQuoteContext]:
    with OpenQuoteContext(host="127.0.0.1", port=sample_gateway.port) as context:
        yield context


def test_a_dynamic_is_a_dict(context: OpenQuoteContext) -> None:
    ret, data = context.get_ark_stock_dynamic(security="US.TSLA")
    assert ret == RET_OK == 0
    assert data == {
        "dynamic_type": "CONSECUTIVE_SAME_DIRECTION",
        "transaction_count": 2,
        "net_shares": 76041,
        "last_transaction_time": "2026-06-22",
    }
    assert data["dynamic_type"] == ArkDynamicType.CONSECUTIVE_SAME_DIRECTION
    assert type(data["dynamic_type"]) is str
    assert context.get_ark_stock_dynamic("US.COIN") == (
        RET_OK,
        {
            "dynamic_type": "NO_DYNAMIC",
            "transaction_count": 0,
            "net_shares": 0,
            "last_transaction_time": "N/A",
        },
    )


def test_rating_changes_are_a_table(context: OpenQuoteContext) -> None:
    ret, data, next_page, all_count = context.get_rating_change(market=Market.US, count=2)
    assert (ret, all_count) == (RET_OK, 5)
    assert isinstance(data, pd.DataFrame)
    assert list(data.columns) == [
        "security",
        "name",
        "rating",
        "last_rating",
        "target_price",
        "last_target_price",
        "change_type",
        "institution_name",
        "recommendation_date",
        "last_recommendation_date",
    ]
    assert data.rating.tolist() == [RatingLevel.BUY, "BUY"]
    assert data.target_price.dtype == float
    ret, rest, last_page, _ = context.get_rating_change(Market.US, RatingChangeType.UPGRADE, 20, next_page)
    assert (ret, len(data) + len(rest), last_page) == (RET_OK, 5, None)


def test_as_of_an_earlier_day(context: OpenQuoteContext) -> None:
    day = date(2026, 6, 17)
    for as_of in (day, "2026-06-17"):
        ret, data = context.get_ark_stock_dynamic("US.TSLA", as_of=as_of)
        assert (ret, data["net_shares"], data["last_transaction_time"]) == (RET_OK, -20000, "2026-06-17")
    _, data, _, all_count = context.get_rating_change("US", as_of="2026-06-22")
    assert (len(data), all_count) == (3, 3)
    ret, sentence = context.get_ark_stock_dynamic("US.TSLA", as_of="soon")
    assert (ret, "soon" in sentence) == (RET_ERROR, True)


def test_a_server_that_does_not_know_as_of_is_not_believed(
    context: OpenQuoteContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Connection.ask

    def forget(self: Connection, requests: Iterable[Outgoing], *rest: Any) -> None:
        sent = [(proto_id, copy.deepcopy(request)) for proto_id, request in requests]
        for _, request in sent:
            request.c2s.ClearField("asOf")
        ask(self, sent, *rest)

    monkeypatch.setattr(Connection, "ask", forget)
    ret, sentence = context.get_ark_stock_dynamic("US.TSLA", as_of="2026-06-17")
    assert (ret, "does not know as_of" in sentence) == (RET_ERROR, True)
    assert context.get_ark_stock_dynamic("US.TSLA")[0] == RET_OK


def test_what_is_absent_is_na(context: OpenQuoteContext) -> None:
    _, data, _, _ = context.get_rating_change("US", "NEW_RATING", count=1)
    row = data.iloc[0]
    assert (row.last_rating, row.last_target_price, row.last_recommendation_date) == ("N/A",) * 3


def test_an_empty_table_has_its_columns(context: OpenQuoteContext) -> None:
    ret, data, next_page, all_count = context.get_rating_change("CA", "DOWNGRADE")
    assert (ret, len(data), len(data.columns), next_page, all_count) == (RET_OK, 0, 10, None, 0)
    assert data[data.security.str.startswith("US.")].empty


@pytest.mark.parametrize("security", ["TSLA", "", None, 5, "XX.TSLA"])
def test_a_code_that_is_none_is_an_error(context: OpenQuoteContext, security: str) -> None:
    ret, sentence = context.get_ark_stock_dynamic(security)
    assert ret == RET_ERROR == -1
    assert sentence == f"ERROR. format of code {security} is wrong. (US.AAPL, HK.00700, SZ.000001)"


@pytest.mark.parametrize(
    "arguments",
    [("XX",), (None,), ("US", "UP"), ("US", None, 0), ("US", None, "x"), ("US", None, 2, "forged")],
)
def test_bad_arguments_are_errors(context: OpenQuoteContext, arguments: tuple[object, ...]) -> None:
    ret, sentence, next_page, all_count = context.get_rating_change(*arguments)
    assert (ret, next_page, all_count) == (RET_ERROR, None, None)
    assert isinstance(sentence, str)
    assert sentence
    assert context.get_ark_stock_dynamic("US.TSLA")[0] == RET_OK


def test_threads_share_a_context(context: OpenQuoteContext) -> None:
    codes = ["US.TSLA", "US.ROKU", "US.ZM", "US.COIN"] * 50
    expected = {code: context.get_ark_stock_dynamic(code) for code in set(codes)}
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(context.get_ark_stock_dynamic, codes))
    assert answers == [expected[code] for code in codes]


def test_a_closed_context_says_so_and_leaves_no_thread(sample_gateway: Serving) -> None:
    before = client_threads()
    context = OpenQuoteContext(port=sample_gateway.port)
    assert client_threads() == before + 1
    context.close()
    context.close()
    assert client_threads() == before
    ret, sentence = context.get_ark_stock_dynamic("US.TSLA")
    assert (ret, sentence) == (RET_ERROR, "ERROR. The client was closed.")


def test_a_gateway_that_comes_back_is_used_again(sample_url: str) -> None:
    port = free_port()
    with serving_process(sample_url, "--port", str(port)) as gateway, OpenQuoteContext(port=port) as context:
        assert context.get_ark_stock_dynamic("US.TSLA")[0] == RET_OK
        assert gateway.stop() == 0
        context.set_sync_query_connect_timeout(0.3)
        ret, sentence = context.get_ark_stock_dynamic("US.TSLA")
        assert ret == RET_ERROR
        assert f"127.0.0.1:{port}" in sentence
        context.set_sync_query_connect_timeout(None)
        with serving_process(sample_url, "--port", str(port)):
            assert context.get_ark_stock_dynamic("US.TSLA")[0] == RET_OK


def test_it_waits_for_a_gateway_that_is_not_there_yet(
    sample_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qotgate.client.context.RETRY_SECONDS", 0.1)
    port = free_port()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(OpenQuoteContext, port=port)
        time.sleep(0.3)
        assert not waiting.done()
        with serving(sample_url, "--port", str(port)), waiting.result(timeout=20) as context:
            assert context.get_ark_stock_dynamic("US.TSLA")[0] == RET_OK


def test_keep_alive(sample_url: str) -> None:
    with (
        serving(sample_url, "--keep-alive-interval", "1") as gateway,
        OpenQuoteContext(port=gateway.port) as context,
    ):
        connection = context._link._connection
        time.sleep(5)
        assert context.get_ark_stock_dynamic("US.TSLA")[0] == RET_OK
        assert context._link._connection is connection


def test_something_else_on_the_port_is_no_gateway() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"220 mail ready\r\n")
                peer.recv(1000)

        speaker = threading.Thread(target=speak)
        speaker.start()
        with pytest.raises(ConnectionLost, match="starts with"):
            Connection(ClientOptions(port=server.getsockname()[1]))
        speaker.join(10)


def test_a_forked_child_has_a_connection_of_its_own(sample_gateway: Serving) -> None:
    script = f"""
import os, qotgate
context = qotgate.OpenQuoteContext(port={sample_gateway.port})
assert context.get_ark_stock_dynamic('US.TSLA')[1]['net_shares'] == 76041
child = os.fork()
code = 'US.ROKU' if child == 0 else 'US.TSLA'
answers = {{context.get_ark_stock_dynamic(code)[1]['net_shares'] for _ in range(200)}}
context.close()
assert answers == ({{29500}} if child == 0 else {{76041}}), answers
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_a_port_that_takes_connections_and_says_nothing_is_no_gateway() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(ConnectionLost, match="answers Init"),
    ):
        Connection(ClientOptions(port=server.getsockname()[1], connect_timeout=0.2))


def test_star_import_gives_the_documented_names() -> None:
    names: dict[str, object] = {}
    exec("from qotgate import *", names)
    documented = {"RET_ERROR", "RET_OK", "Market", "OpenQuoteContext", "RatingChangeType", "SysConfig"}
    assert documented <= set(names)
    assert set(names) - {"__builtins__"} == set(qotgate.__all__)


def test_importing_it_does_not_import_pandas() -> None:
    code = "import sys, qotgate; assert not {'pandas', 'sqlalchemy', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
