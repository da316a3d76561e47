"""The HTTP API: answers, formats and refusals."""

import json
import subprocess
from collections.abc import Callable
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from qotgate.protocol.messages import ProtoId
from qotgate.service.loading import LoadReport
from qotgate.store import Store
from tests.support.paths import SAMPLE
from tests.support.serving import QOTGATE, Serving, serving, serving_process
from tests.support.wire import Wire

TRANSACTIONS = "/api/v1/ark/transactions/US.TSLA"
CHANGES = "/api/v1/ratings/changes"


def line_of(place: dict[str, Any]) -> str:
    return Path(place["path"]).read_text(encoding="utf-8").splitlines()[place["line"] - 1]


def test_a_dynamic(web: httpx.Client) -> None:
    assert web.get("/api/v1/ark/dynamics/US.TSLA").json() == {
        "security": "US.TSLA",
        "name": "Tesla",
        "as_of": "2026-06-22",
        "known_to": "2026-06-22",
        "dynamic_type": "CONSECUTIVE_SAME_DIRECTION",
        "transaction_count": 2,
        "net_shares": 76041,
        "last_transaction_time": "2026-06-22",
        "untold": [
            {"fund": fund, "first_day": "2026-04-21", "last_day": "2026-06-12", "why": "hole"}
            for fund in ("ARKK", "ARKW")
        ],
    }
    earlier = web.get("/api/v1/ark/dynamics/US.TSLA", params={"as_of": "2026-06-17", "lang": "zh"}).json()
    assert (earlier["net_shares"], earlier["name"]) == (-20000, "特斯拉")
    later = web.get("/api/v1/ark/dynamics/US.TSLA", params={"as_of": "2099-01-01"}).json()
    assert (later["net_shares"], later["as_of"], later["known_to"]) == (76041, "2099-01-01", "2026-06-22")
    unknown = web.get("/api/v1/ark/dynamics/HK.00700").json()
    assert (unknown["dynamic_type"], unknown["last_transaction_time"]) == ("NO_DYNAMIC", None)
    assert unknown["note"] == "HK.00700 is not known here."
    for path in ("dynamics", "transactions", "positions"):
        near = web.get(f"/api/v1/ark/{path}/us.tslaa", params={"lang": "zh"}).json()
        assert near["note"] == "本网关没有 US.TSLAA 的数据（您要的是 US.TSLA (特斯拉) 吗？）。"
        assert "note" not in web.get(f"/api/v1/ark/{path}/us.tsla").json()


@pytest.mark.parametrize(("lang", "separator"), [("en", ", "), ("zh", "、")])
def test_suggestions_are_separated_as_the_language_does(web: httpx.Client, lang: str, separator: str) -> None:
    answer = web.get(CHANGES, params={"institution": "B Securities", "lang": lang})
    assert f"{separator}WBB Securities{separator}" in answer.json()["detail"]


def test_each_trade_names_its_files_and_lines(web: httpx.Client) -> None:
    rows = web.get(TRANSACTIONS).json()["rows"]
    counted = [row for row in rows if row["counted"]]
    assert sum(row["adjusted_shares"] for row in counted) == 76041
    assert [row["day"] for row in rows] == sorted((row["day"] for row in rows), reverse=True)
    (noticed,) = (row for row in rows if (row["day"], row["fund"]) == ("2026-06-22", "ARKK"))
    notice = str(SAMPLE / "ark" / "SYNTHETIC_TRADES_2026-06-22.csv")
    assert (noticed["shares"], noticed["ground"], noticed["confidence"]) == (28000, "NOTICE", 1)
    assert [(place["path"], place["line"]) for place in noticed["places"]] == [(notice, 4)]
    for row in rows:
        for place in row["places"]:
            assert "TESLA" in line_of(place)


def test_positions_stand_at_the_end_of_the_day_before_their_file(web: httpx.Client) -> None:
    answer = web.get("/api/v1/ark/positions/US.TSLA").json()
    last = [row for row in answer["rows"] if row["day"] == answer["as_of"] == "2026-06-22"]
    assert {row["fund"]: row["shares"] for row in last} == {"ARKK": 2450000, "ARKW": 818041}
    assert all(row["path"].endswith("_2026-06-23.csv") for row in last)
    earlier = web.get("/api/v1/ark/positions/US.TSLA", params={"as_of": "2026-06-17"}).json()["rows"]
    assert earlier == [row for row in answer["rows"] if row["day"] <= "2026-06-17"]


def test_a_position_that_ended_is_told_once(web: httpx.Client) -> None:
    for code in ("US.ZM", "US.COIN", "US.ROKU", "US.TSLA"):
        rows = web.get(f"/api/v1/ark/positions/{code}").json()["rows"]
        for fund in {row["fund"] for row in rows}:
            shares = [row["shares"] for row in rows if row["fund"] == fund]
            assert not any(one == two == 0 for one, two in pairwise(shares))


def test_all_pages_of_rating_changes(web: httpx.Client) -> None:
    rows, page, pages = [], None, 0
    while pages == 0 or page:
        answer = web.get(
            CHANGES, params={"market": "US", "count": 3, **({"page": page} if page else {})}
        ).json()
        rows += answer["rows"]
        page, pages = answer["next_page"], pages + 1
    assert len(rows) == answer["all_count"]
    assert pages == -(-len(rows) // 3) > 2
    assert rows == web.get(CHANGES, params={"market": "US", "count": "all"}).json()["rows"]
    for row in rows:
        line = line_of(row)
        assert row["security"].split(".", 1)[1] in line
        assert row["day"] in line


@pytest.mark.parametrize(
    ("parameters", "holds"),
    [
        ({"change_type": "UPGRADE"}, lambda row: row["change_type"] == "UPGRADE"),
        ({"market": "CA"}, lambda row: row["security"].startswith("CA.")),
        ({"security": "US.MU"}, lambda row: row["security"] == "US.MU"),
        ({"institution": "美银证券"}, lambda row: row["institution"] == "BofA Securities"),
        ({"institution": "bofa securities"}, lambda row: row["institution"] == "BofA Securities"),
        ({"day": "2026-06-22"}, lambda row: row["day"] == "2026-06-22"),
        ({"as_of": "2026-06-22"}, lambda row: row["day"] <= "2026-06-22"),
    ],
)
def test_filters(web: httpx.Client, parameters: dict[str, str], holds: object) -> None:
    assert callable(holds)
    everything = web.get(CHANGES, params={"count": "all"}).json()["rows"]
    answer = web.get(CHANGES, params={"count": "all", **parameters}).json()
    wanted = [row for row in everything if holds(row)]
    assert 0 < len(wanted) < len(everything)
    assert answer["rows"] == wanted
    assert answer["all_count"] == len(wanted)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("tsla", "US.TSLA"),
        ("US.TSLA", "US.TSLA"),
        ("特斯", "US.TSLA"),
        ("esla", "US.TSLA"),
        ("shop", "CA.SHOP"),
    ],
)
def test_search(web: httpx.Client, query: str, found: str) -> None:
    rows = web.get("/api/v1/securities", params={"query": query}).json()["rows"]
    assert rows[0]["security"] == found
    assert not web.get("/api/v1/securities", params={"query": "%"}).json()["rows"]


@pytest.mark.parametrize("path", [TRANSACTIONS, f"{CHANGES}?count=all", "/api/v1/ark/dynamics/US.TSLA"])
def test_csv_and_parquet_say_what_json_says(web: httpx.Client, path: str) -> None:
    body = web.get(path).json()
    rows = body.get("rows", [body])
    name, _, query = path.partition("?")
    csv = web.get(f"{name}.csv?{query}")
    assert csv.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert csv.content == web.get(path, headers={"Accept": "text/csv"}).content
    parquet = web.get(path, headers={"Accept": "application/vnd.apache.parquet, */*;q=0.1"})
    assert parquet.content == web.get(f"{name}.parquet?{query}").content
    columns = [column for column in rows[0] if column not in ("places", "untold")]
    for table in (pl.read_csv(csv.content, infer_schema=False), pl.read_parquet(BytesIO(parquet.content))):
        told = [[row[column] for column in columns] for row in table.rows(named=True)]
        expected = [[row[column] for column in columns] for row in rows]
        assert [[_plain(cell) for cell in row] for row in told] == [
            [_plain(cell) for cell in row] for row in expected
        ]


def _plain(cell: object) -> str:
    """One spelling for values that CSV, Parquet and JSON write differently."""
    try:
        return str(float(str(cell)))
    except ValueError:
        return "" if cell is None else str(cell).lower()


def test_an_empty_table_has_its_columns(web: httpx.Client) -> None:
    csv = web.get("/api/v1/ark/positions/US.NONE.csv").text
    assert csv.startswith("day,fund,shares,")
    assert len(csv.splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        (
            "/api/v1/ark/dynamics/TSLA?lang=en",
            422,
            "code takes a code as MARKET.CODE, such as US.TSLA, HK.00700 or CA.SHOP, not 'TSLA'.",
        ),
        ("/api/v1/ark/holdings?fund=ARK-K&lang=en", 422, "fund takes one fund, such as ARKK, not 'ARK-K'."),
        (
            "/api/v1/ark/holdings?cycle_type=TWO&lang=en",
            422,
            "cycle_type takes ONE_DAY, FIVE_DAY, TEN_DAY, ",
        ),
        ("/api/v1/ark/holdings?count=many&lang=en", 422, "count takes a whole number, not 'many'."),
        ("/api/v1/ark/holdings?count=0&lang=en", 422, "count takes 1 or more, not '0'."),
        ("/api/v1/ark/holdings?count=0&lang=zh", 422, "count 须不小于 1，不能是 '0'。"),
        (
            f"{CHANGES}?as_off=2026-06-17&lang=en",
            422,
            "There is no parameter 'as_off' (did you mean as_of?).",
        ),
        (f"{CHANGES}?zzz=1&lang=zh", 422, "没有参数 'zzz'；可用的参数为 "),
        ("/api/v1/coverage?zzz=1&lang=en", 422, "There is no parameter 'zzz'; this takes lang."),
        (
            "/api/v1/research/trades?code=US.TSLA&lang=en",
            422,
            "There is no parameter 'code' (did you mean codes?).",
        ),
        ("/api/v1/ark/dynamics/US.TSLA?as_of=2026-04-16", 422, "as_of takes a day from 2026-04-17 on"),
        ("/api/v1/ark/dynamics/US.TSLA?as_of=yesterday", 422, "as_of "),
        (f"{CHANGES}?market=HK", 422, "market "),
        (f"{CHANGES}?count=21", 422, "count "),
        (f"{CHANGES}?page=forged", 422, "page takes the nextPage"),
        (f"{CHANGES}?security=US.MU&market=CA", 422, "market and security exclude"),
        ("/api/v1/securities", 422, "query "),
        ("/api/v1/nothing", 404, "Not Found"),
    ],
)
def test_a_no_is_a_problem_that_names_the_parameter(
    web: httpx.Client, path: str, status: int, says: str
) -> None:
    answer = web.get(path)
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status)
    assert problem["detail"].startswith(says)
    assert problem["type"] == "about:blank"


def test_search_finds_funds_and_institutions_too(web: httpx.Client) -> None:
    def found(query: str) -> tuple[list[str], list[str]]:
        answer = web.get("/api/v1/securities", params={"query": query, "lang": "en"}).json()
        return answer["funds"], answer["institutions"]

    assert found("arkk") == (["ARKK"], [])
    assert found("bofa") == found("美银") == ([], ["BofA Securities"])


def test_words_are_taken_in_any_case(web: httpx.Client) -> None:
    holdings = "/api/v1/ark/holdings"
    for lower, upper in (
        (f"{CHANGES}?market=us&change_type=upgrade", f"{CHANGES}?market=US&change_type=UPGRADE"),
        (f"{CHANGES}?count=ALL", f"{CHANGES}?count=all"),
        (f"{holdings}?holding_type=new&lang=EN", f"{holdings}?holding_type=NEW&lang=en"),
    ):
        answer = web.get(lower)
        assert (answer.status_code, answer.json()) == (200, web.get(upper).json())


def test_no_pattern_and_no_type_reaches_a_person(web: httpx.Client) -> None:
    paths = (
        *("/api/v1/ark/dynamics/TSLA", "/api/v1/ark/holdings?fund=1", "/api/v1/ark/holdings?count=x"),
        *(
            f"{CHANGES}?count=x",
            f"{CHANGES}?market=XX",
            f"{CHANGES}?day=2026-02-30",
            "/api/v1/loads?before=x",
        ),
        *("/api/v1/loads/x/left-out", "/api/v1/securities?query=x&count=1e9", f"{CHANGES}?lang=fr"),
    )
    for path in paths:
        answer = web.get(path)
        assert answer.status_code == 422
        assert not set("^[](){}") & set(answer.json()["detail"]), answer.text
        assert "Input should" not in answer.text


def test_a_cursor_is_bound_to_its_filter(web: httpx.Client) -> None:
    page = web.get(CHANGES, params={"market": "US", "count": 1}).json()["next_page"]
    assert web.get(CHANGES, params={"market": "US", "count": 5, "page": page}).status_code == 200
    assert web.get(CHANGES, params={"market": "CA", "page": page}).status_code == 422
    assert web.get(CHANGES, params={"page": page}).status_code == 422


def test_a_tag_spares_an_answer_until_the_language_or_format_differs(web: httpx.Client) -> None:
    tag = web.get(TRANSACTIONS).headers["ETag"]
    again = web.get(TRANSACTIONS, headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    for path in (f"{TRANSACTIONS}.csv", f"{TRANSACTIONS}?lang=zh"):
        assert web.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_a_load_that_brings_nothing_new_moves_the_tag_too(
    store: Store, load_text: Callable[..., LoadReport]
) -> None:
    note = "ticker,name,firm,rating,price_target,date\nMU,Micron,UBS,Buy,10,2026-06-01\n"
    load_text(notes=note)
    with (
        serving(store.url, "--http-port", "0") as gateway,
        httpx.Client(base_url=str(gateway.pages)) as web,
    ):
        tag = web.get("/data").headers["ETag"]
        assert web.get("/data", headers={"If-None-Match": tag}).status_code == 304
        assert load_text(again=note + "MU,Micron,UBS,Buy,ten,2026-06-02\n").generation == 1
        page = web.get("/data", headers={"If-None-Match": tag})
        assert (page.status_code, "again.csv" in page.text) == (200, True)


def test_what_is_not_to_be_had(web: httpx.Client) -> None:
    assert web.get(TRANSACTIONS, headers={"Accept": "image/png"}).status_code == 406
    posted = web.post(TRANSACTIONS)
    assert (posted.status_code, posted.headers["Allow"]) == (405, "GET")


def test_head_is_get_without_the_body(web: httpx.Client) -> None:
    head = web.head(TRANSACTIONS)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["ETag"] == web.get(TRANSACTIONS).headers["ETag"]


def test_the_allowance_is_told_and_kept(sample_url: str) -> None:
    with (
        serving(sample_url, "--http-port", "0", "--rate-limit", "3/60s", "--lang", "en") as gateway,
        httpx.Client(base_url=str(gateway.pages)) as web,
    ):
        first = web.get(CHANGES, params={"count": 1})
        assert first.headers["RateLimit-Policy"] == '"changes";q=3;w=60'
        assert first.headers["RateLimit"].startswith('"changes";r=2;t=')
        page = {"count": 1, "page": first.json()["next_page"]}
        for _ in range(5):
            assert web.get(CHANGES, params=page).status_code == 200
            assert web.get(CHANGES, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
            assert web.get("/ratings").status_code == 200
        left = [web.get(CHANGES).headers["RateLimit"].split(";")[1] for _ in range(2)]
        assert left == ["r=1", "r=0"]
        refused = web.get(CHANGES)
        assert (refused.status_code, refused.json()["code"]) == (429, "http_rate_limited")
        assert 1 <= int(refused.headers["Retry-After"]) <= 61
        assert refused.headers["RateLimit"].startswith('"changes";r=0;t=')
        assert web.get(TRANSACTIONS).status_code == 200


def test_health_and_metrics(web: httpx.Client) -> None:
    assert web.get("/healthz").json()["status"] == "ok"
    assert web.get("/readyz").json() == {"status": "ready", "generation": 1}
    web.get(TRANSACTIONS)
    metrics = web.get("/metrics").text
    assert 'qotgate_http_requests_total{path="/api/v1/ark/transactions/{code}",status="200"}' in metrics
    assert "qotgate_data_generation 1.0" in metrics
    assert 'qotgate_loaded_records{kind="holdings"} 88.0' in metrics


def test_metrics_of_the_wire(sample_url: str) -> None:
    limit = ("--rate-limit", "4/600s")
    with serving(sample_url, "--http-port", "0", *limit) as gateway, Wire(gateway.port) as wire:
        for _ in range(5):
            wire.dynamic()
        assert wire.ask(ProtoId.Qot_GetRatingChange, market=1).retType == -1
        metrics = httpx.get(f"{gateway.pages}/metrics").text
    told = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
    requests = {
        outcome: told.get(f'qotgate_requests_total{{interface="Qot_GetArkStockDynamic",outcome="{outcome}"}}')
        for outcome in ("answered", "kept", "limited")
    }
    assert requests == {"answered": "1.0", "kept": "3.0", "limited": "1.0"}
    assert told['qotgate_requests_total{interface="Qot_GetRatingChange",outcome="refused"}'] == "1.0"
    assert told['qotgate_requests_total{interface="InitConnect",outcome="answered"}'] == "1.0"
    assert told['qotgate_question_seconds_count{interface="Qot_GetArkStockDynamic"}'] == "1.0"
    assert told["qotgate_connections"] == "1.0"
    assert float(told["qotgate_kept_answer_bytes"]) > 0


@pytest.mark.slow
def test_with_workers_one_of_them_serves_the_pages(sample_url: str) -> None:
    with serving_process(sample_url, "--http-port", "0", "--workers", "2") as gateway:
        assert httpx.get(f"{gateway.pages}/readyz").json()["generation"] == 1
        with Wire(gateway.port) as wire:
            assert wire.dynamic().s2c.netShares == 76041
        assert gateway.stop() == 0


def test_nothing_loaded_is_said_so(tmp_path: Path) -> None:
    with (
        serving(f"sqlite:///{tmp_path}/empty.db", "--http-port", "0", "--lang", "en") as gateway,
        httpx.Client(base_url=str(gateway.pages), headers={"Accept-Language": "en"}) as web,
    ):
        answer = web.get("/api/v1/ark/dynamics/US.TSLA")
        assert (answer.status_code, answer.json()["code"]) == (404, "no_ark_data")
        assert web.get(CHANGES).json()["code"] == "no_notes"
        for path in ("/", "/ratings", "/data", "/securities/US.TSLA", "/search?q=x"):
            page = web.get(path)
            assert page.status_code == 200, path
        assert "qotgate load" in web.get("/").text


def test_a_port_that_was_named_and_is_taken_is_an_error(sample_site: Serving, sample_url: str) -> None:
    taken = str(sample_site.pages).rpartition(":")[2]
    command = [*QOTGATE, "serve", "--port", "0", "--http-port", taken, "--db", sample_url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert f"Cannot serve HTTP on 127.0.0.1:{taken}" in done.stderr
    assert json.loads(httpx.get(f"{sample_site.pages}/healthz").text)["status"] == "ok"
