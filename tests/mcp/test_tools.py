"""The MCP tools, called by the SDK's own client over HTTP and standard input and output, and compared with
the HTTP API."""

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from qotgate.cli.main import COMMANDS
from tests.support.serving import Serving, serving

TOKEN = "a token of the tests"
MODES = ["legacy", "auto"]


@pytest.fixture(scope="module")
def gateway(sample_url: str) -> Any:
    with serving(sample_url, "--http-port", "0", "--rate-limit", "off") as found:
        yield found


@asynccontextmanager
async def agent(gateway: Serving, mode: str = "auto", **options: Any) -> AsyncIterator[Client]:
    transport = streamable_http_client(f"{gateway.pages}/mcp", **options)
    async with Client(transport, mode=mode) as client:
        yield client


def ask(gateway: Serving, *calls: tuple[str, dict[str, Any]], mode: str = "auto") -> list[Any]:
    """The answers to calls of tools."""

    async def run() -> list[Any]:
        async with agent(gateway, mode) as client:
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return anyio.run(run)


def structured(answer: Any) -> dict[str, Any]:
    assert not answer.is_error, answer.content
    found: dict[str, Any] = answer.structured_content
    return found


@pytest.mark.parametrize("mode", MODES)
def test_an_agent_finds_the_tools_and_their_schemas(gateway: Serving, mode: str) -> None:
    async def run() -> tuple[Any, Any]:
        async with agent(gateway, mode) as client:
            return await client.list_tools(), await client.list_resources()

    tools, resources = anyio.run(run)
    assert {tool.name for tool in tools.tools} >= {
        "search",
        "coverage",
        "ark_dynamic",
        "ark_trades",
        "ark_positions",
        "ark_holdings",
        "ark_active_trades",
        "rating_changes",
        "ark_trades_of_all",
        "streaks",
        "analyst_consensus",
    }
    for tool in tools.tools:
        assert tool.description
        assert tool.output_schema
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint
        assert "pattern" not in json.dumps(tool.input_schema)
    assert {str(resource.uri) for resource in resources.resources} == {"qotgate://help", "qotgate://coverage"}


@pytest.mark.parametrize("mode", MODES)
def test_answers_are_those_of_the_api(gateway: Serving, mode: str) -> None:
    day = "2026-06-17"
    pairs = [
        (("ark_dynamic", {"security": "us.tsla", "as_of": day}), f"ark/dynamics/US.TSLA?as_of={day}"),
        (("ark_dynamic", {"security": "US.TSLA", "lang": "zh"}), "ark/dynamics/US.TSLA?lang=zh"),
        (
            ("ark_holdings", {"count": 3, "fund": "ARKK", "holding_type": "INCREASE"}),
            "ark/holdings?count=3&fund=ARKK&holding_type=INCREASE&sort_field=MARKET_VALUE",
        ),
        (
            ("ark_active_trades", {"cycle_type": "FIVE_DAY", "count": 2}),
            "ark/active-transactions?cycle_type=FIVE_DAY&count=2",
        ),
        (("rating_changes", {"security": "US.MU", "count": 2}), "ratings/changes?security=US.MU&count=2"),
        (("search", {"query": "tesla"}), "securities?query=tesla"),
        (("coverage", {}), "coverage"),
    ]
    answers = ask(gateway, *(call for call, _ in pairs), mode=mode)
    for answer, (_, path) in zip(answers, pairs, strict=True):
        lang = "" if "lang=" in path else ("&" if "?" in path else "?") + "lang=en"
        told = httpx.get(f"{gateway.pages}/api/v1/{path}{lang}")
        assert told.status_code == 200, told.text
        assert structured(answer) == told.json()
        # Hosts without structured answers read the text.
        assert json.loads(answer.content[0].text) == told.json()


def test_days_of_trades_and_positions_are_paged_to_the_end(gateway: Serving) -> None:
    for tool, path in (("ark_trades", "transactions"), ("ark_positions", "positions")):
        told = httpx.get(f"{gateway.pages}/api/v1/ark/{path}/US.TSLA?lang=en").json()["rows"]
        seen: list[dict[str, Any]] = []
        before = None
        for _ in range(100):
            arguments = {"security": "US.TSLA", "days": 2} | ({"before": before} if before else {})
            (answer,) = ask(gateway, (tool, arguments))
            page = structured(answer)
            assert 0 < len({row["day"] for row in page["rows"]}) <= 2
            seen += page["rows"] if tool == "ark_trades" else page["rows"][::-1]
            before = page["more_before"]
            if before is None:
                break
        assert before is None
        order = sorted if tool == "ark_positions" else list
        key = {"key": lambda row: (row["day"], row["fund"])} if tool == "ark_positions" else {}
        assert order(seen, **key) == order(told, **key)


def test_tools_over_all_stocks_give_the_rows_of_the_research_tables(gateway: Serving) -> None:
    calls = {
        "trades": ("ark_trades_of_all", {"start": "2026-06-01", "funds": ["ARKK"]}),
        "streaks": ("streaks", {"days": 2}),
    }
    for table, (tool, arguments) in calls.items():
        query = "start=2026-06-01&funds=ARKK" if table == "trades" else "days=2"
        told = httpx.get(f"{gateway.pages}/api/v1/research/{table}?{query}&lang=en")
        assert told.status_code == 200, told.text
        rows: list[dict[str, Any]] = []
        for _ in range(200):
            (answer,) = ask(gateway, (tool, {**arguments, "skip": len(rows), "count": 50}))
            page = structured(answer)
            rows += page["rows"]
            if not page["more"]:
                break
        assert rows
        assert rows == told.json()["rows"]


def test_the_consensus_is_that_of_the_service(gateway: Serving) -> None:
    (answer,) = ask(gateway, ("analyst_consensus", {"security": "US.MU"}))
    found = structured(answer)
    assert found["total"] == found["buy"] + found["hold"] + found["sell"] > 0
    assert found["lowest"] <= found["average"] <= found["highest"]


def test_a_code_that_is_not_known_is_answered_with_what_is_near(gateway: Serving) -> None:
    tools = ("ark_dynamic", "ark_trades", "ark_positions", "analyst_consensus", "rating_changes")
    for tool in tools:
        (wrong, right) = ask(gateway, (tool, {"security": "US.TSLAA"}), (tool, {"security": "US.TSLA"}))
        assert structured(wrong)["note"] == "US.TSLAA is not known here (did you mean US.TSLA (Tesla)?)."
        assert "note" not in structured(right)
    (trades,) = ask(gateway, ("ark_trades_of_all", {"start": "2026-06-01", "codes": ["US.TSLAA"]}))
    assert "US.TSLA (Tesla)" in structured(trades)["note"]


def test_errors_say_what_to_do(gateway: Serving) -> None:
    calls: list[tuple[tuple[str, dict[str, Any]], str]] = [
        (("ark_dynamic", {"security": "TSLA"}), "US.TSLA"),
        (("ark_dynamic", {"security": "US.TSLA", "as_of": "1999-01-01"}), "as_of"),
        (
            ("ark_dynamic", {"security": "US.TSLA", "as_of": "17.6.2026"}),
            "as_of takes a day as YYYY-MM-DD, not '17.6.2026'.",
        ),
        (("ark_dynamic", {"security": "US.TSLA", "asof": "2026-06-17"}), "'asof' (did you mean as_of?)"),
        (("ark_dynamic", {"security": ["US.TSLA"]}), "security takes a text, not"),
        (("ark_dynamic", {}), "security is missing."),
        (("streaks", {"side": "buy"}), "side takes ALL, BUY or SELL, not 'buy'."),
        (("streaks", {"count": 1000}), "count takes 200 or less, not '1000'."),
        (("rating_changes", {"security": "US.MU", "market": "CA"}), "CA"),
        (("ark_holdings", {"page": "not a cursor"}), "page"),
        (("ark_holdings", {"holding_type": "ALL"}), "POSITION"),
        (("ark_trades_of_all", {"start": "2026-06-20", "end": "2026-06-01"}), "2026-06-20"),
        (("ark_trades_of_all", {"start": "2026-06-20", "funds": ["ARKZ"]}), "ARKK"),
    ]
    answers = ask(gateway, *(call for call, _ in calls))
    for answer, (call, said) in zip(answers, calls, strict=True):
        assert answer.is_error, call
        assert said in answer.content[0].text, call


def test_calls_count_towards_an_allowance_of_their_own(sample_url: str) -> None:
    with serving(sample_url, "--http-port", "0", "--rate-limit", "2/600s") as gateway:
        answers = ask(gateway, *[("coverage", {})] * 3, ("ark_dynamic", {"security": "US.TSLA"}))
    assert [answer.is_error for answer in answers] == [False, False, True, False]
    assert "2" in answers[2].content[0].text


def test_a_token_is_asked_for(sample_url: str) -> None:
    import httpx2

    with serving(sample_url, "--http-port", "0", "--http-token", TOKEN) as gateway:
        refused = httpx.post(f"{gateway.pages}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
        assert refused.status_code == 401

        async def run() -> Any:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            async with (
                httpx2.AsyncClient(headers=headers) as http,
                agent(gateway, http_client=http) as client,
            ):
                return await client.call_tool("coverage", {})

        assert structured(anyio.run(run))["files"] > 0


def test_what_is_no_message_costs_nothing(gateway: Serving) -> None:
    url = f"{gateway.pages}/mcp"
    assert httpx.get(url).status_code == 405
    assert httpx.post(url, content=b"x" * (1 << 17)).status_code == 413
    for body in (b"", b"{", b"[]", b"{}", b'{"jsonrpc": "2.0"}', b"\xff" * 100):
        assert 400 <= httpx.post(url, content=body).status_code < 500
    elsewhere = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    assert httpx.post(url, json={}, headers=elsewhere).status_code == 403
    assert httpx.post(url, json={}, headers={"Host": "elsewhere.example"}).status_code == 421
    assert not structured(ask(gateway, ("search", {"query": "nothing of the kind"}))[0])["rows"]


def test_an_agent_host_starts_the_command(sample_url: str) -> None:
    assert "mcp" in COMMANDS
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "qotgate.cli.main", "mcp", "--db", sample_url],
        env=dict(os.environ),
    )

    async def run() -> tuple[Any, Any]:
        async with Client(stdio_client(command)) as client:
            text = await client.read_resource("qotgate://help")
            return text, await client.call_tool("ark_dynamic", {"security": "US.TSLA"})

    text, answer = anyio.run(run)
    assert "What the answers mean" in text.contents[0].text
    assert structured(answer)["net_shares"] == 76041
