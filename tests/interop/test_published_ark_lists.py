"""Fund holdings and active transactions on the real files, through the published clients, compared with a
recomputation: every holding type and cycle, every sort, all pages, as of several days.

The published clients cannot ask as of an earlier day, so the files up to that day are loaded. Their answers
equal the recomputation from all files, which also shows that later files change nothing.
"""

import json
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from qotgate.service.loading import find_files, load
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.support.paths import TABLES
from tests.support.published import run_script as run_python
from tests.support.recompute_lists import CYCLES, FUNDS, Lists
from tests.support.serving import serving
from tests.support.toolchains import HERE, bundle, node, websocket_port, written
from tests.support.toolchains import run as run_node

pytestmark = pytest.mark.slow

HOLDING_TYPES = ["POSITION", "INCREASE", "DECREASE", "NEW", "SOLD_OUT"]
TRANSACTION_TYPES = ["INCREASE", "DECREASE", "NEW", "SOLD_OUT"]
HOLDING_SORTS = {
    "SHARES": "shares",
    "WEIGHT_CHANGE": "weight_change",
    "SHARES_CHANGE": "shares_change",
    "MARKET_VALUE": "value",
    "WEIGHT": "weight",
}
TRANSACTION_SORTS = {
    "UNKNOWN": "change_amount",
    "CHANGE_AMOUNT": "change_amount",
    "CHANGE_SHARES": "change_shares",
}
Question = tuple[str, str, str, str, str]
FALLING = "DESCENDING"
DIRECTIONS = [FALLING, "ASCENDING"]
QUESTIONS: list[Question] = [
    *(("holding", kind, cycle, "SHARES", FALLING) for kind in HOLDING_TYPES for cycle in CYCLES),
    *(("holding", "DECREASE", "TEN_DAY", sort, way) for sort in HOLDING_SORTS for way in DIRECTIONS),
    *(("transaction", kind, cycle, "UNKNOWN", FALLING) for kind in TRANSACTION_TYPES for cycle in CYCLES),
    *(("transaction", "NEW", "SIXTY_DAY", sort, way) for sort in TRANSACTION_SORTS for way in DIRECTIONS),
]
# A day of a split, a day between two, and the last one, by the day of the last file loaded.
DAYS = {date(2021, 6, 17): "2021-06-18", date(2021, 8, 4): "2021-08-05", date(2021, 9, 9): "2021-09-10"}
PYTHON = """
import json, sys
from {package} import *
context = OpenQuoteContext(host='127.0.0.1', port=int(sys.argv[1]))
answers = []
for call, kind, cycle, sort, way in json.load(open(sys.argv[2])):
    if call == 'holding':
        ask, types, sorts = context.get_ark_fund_holding, ArkHoldingType, ArkFundHoldingSortField
    else:
        ask, types = context.get_ark_active_transaction, ArkActiveTransactionHoldingType
        sorts = ArkActiveTransactionSortField
    rows, page = [], None
    while True:
        ret, data, page, all_count = ask(
            getattr(types, kind), getattr(ArkCycleType, cycle), getattr(sorts, sort, None),
            getattr(RankSortDir, way), page=page)
        assert ret == RET_OK, data
        rows += data.to_dict('records')
        if not page:
            break
    answers.append({{'rows': rows, 'all_count': all_count}})
context.close()
json.dump(answers, open(sys.argv[3], 'w'))
"""


@pytest.fixture(scope="module")
def lists(real_url: str, shared_data: Path) -> Lists:
    return Lists(shared_data, TABLES, real_url)


@pytest.fixture(scope="module", params=DAYS, ids=str)
def stood(
    request: pytest.FixtureRequest,
    shared_data: Path,
    reference: Reference,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[date, str]:
    """A day, and a database as of that day: the notices up to it, and the holdings up to the next file."""
    day = request.param
    url = f"sqlite:///{tmp_path_factory.mktemp('stood') / 'qotgate.db'}"
    holdings, trades = shared_data / "ark" / "holdings", shared_data / "ark" / "trades"
    folders = [folder for folder in sorted(holdings.iterdir()) if folder.name <= DAYS[day]]
    folders += [folder for folder in sorted(trades.iterdir()) if folder.name <= day.isoformat()]
    store = Store.open(url)
    load(store, reference, find_files(folders))
    store.close()
    return day, url


def check(lists: Lists, day: date, answers: list[dict[str, Any]]) -> None:
    """Check ``answers`` to QUESTIONS: pairs of rows, by the Python client's names, and all_count."""
    changes = {cycle: lists.changes(day, cycle) for cycle in CYCLES}
    filled = 0
    for (call, kind, cycle, sort, way), answer in zip(QUESTIONS, answers, strict=True):
        expected = changes["ONE_DAY" if kind == "POSITION" else cycle]
        chosen = pl.col("shares") > 0 if kind == "POSITION" else pl.col("kind") == kind
        if call == "transaction":
            chosen &= pl.col("change_shares") != 0
        wanted = {row["key"]: row for row in expected.filter(chosen).to_dicts()}
        rows = answer["rows"]
        # The money-market fund has neither.
        keys = [row["name"] if row["security"] == "N/A" else row["security"] for row in rows]
        keys = ["" if key == "N/A" else key for key in keys]
        assert len(rows) == answer["all_count"] == len(wanted)
        assert set(keys) == set(wanted)
        exact, near = ("shares", "shares_change"), {"market_value": "value", "weight": "weight"}
        if call == "transaction":
            exact, near = ("change_shares",), {"change_amount": "change_amount"}
        else:
            near |= {"weight_change": "weight_change"}
        for key, row in zip(keys, rows, strict=True):
            for name in exact:
                assert int(row[name]) == wanted[key][name], (call, kind, cycle, key)
            for name, ours in near.items():
                told = None if row[name] == "N/A" else row[name]
                cents = name in ("market_value", "change_amount")
                assert told == pytest.approx(wanted[key][ours], abs=0.006 if cents else 1e-6)
        column = (HOLDING_SORTS if call == "holding" else TRANSACTION_SORTS)[sort]
        values = [wanted[key][column] for key in keys if wanted[key][column] is not None]
        falls = way == FALLING
        assert all(abs(a - b) < 1e-6 or (a > b) == falls for a, b in pairwise(values)), (call, kind, sort)
        filled += bool(rows)
    assert filled > len(QUESTIONS) - 6


@pytest.mark.parametrize("package", ["futu", "moomoo"])
def test_a_published_python_client(
    lists: Lists, stood: tuple[date, str], tmp_path: Path, package: str
) -> None:
    day, url = stood
    (tmp_path / "questions.json").write_text(json.dumps(QUESTIONS))
    with serving(url, "--rate-limit", "off", "--funds", ",".join(FUNDS)) as gateway:
        files = (tmp_path / "questions.json", tmp_path / "answers.json")
        run_python(PYTHON.format(package=package), tmp_path, gateway.port, *files)
    check(lists, day, json.loads((tmp_path / "answers.json").read_text()))


def test_the_published_javascript_client(lists: Lists, stood: tuple[date, str], tmp_path: Path) -> None:
    day, url = stood
    asked = []
    for call, kind, cycle, sort, way in QUESTIONS:
        holding = call == "holding"
        types = HOLDING_TYPES if holding else TRANSACTION_TYPES
        sorts = list(HOLDING_SORTS if holding else TRANSACTION_SORTS)
        c2s = {
            "holdingType": types.index(kind),
            "cycleType": list(CYCLES).index(cycle),
            "sortField": sorts.index(sort),
            "sortDir": DIRECTIONS.index(way),
        }
        asked.append(["GetArkFundHolding" if holding else "GetArkActiveTransaction", c2s])
    files = (tmp_path / "questions.json", tmp_path / "answers.json")
    files[0].write_text(json.dumps(asked))
    source = (HERE / "javascript" / "ark_lists.mjs").read_text(encoding="utf-8")
    script = bundle(written(tmp_path / "ark_lists.mjs", source), "--alias:client=futu-api")
    options = [
        "--websocket-port",
        "0",
        "--websocket-key",
        "key",
        "--rate-limit",
        "off",
        "--funds",
        ",".join(FUNDS),
    ]
    with serving(url, *options) as gateway:
        port = websocket_port(gateway, "ws")
        done = run_node([*node(), script, str(port), "key", *files], tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    check(lists, day, [in_python(answer) for answer in json.loads(files[1].read_text())])


MARKETS = {11: "US", 1: "HK", 41: "JP", 71: "CA", 31: "SG"}
NAMES = {
    "shares": "shares",
    "sharesChange": "shares_change",
    "marketValue": "market_value",
    "weight": "weight",
    "weightChange": "weight_change",
    "changeAmount": "change_amount",
    "changeShares": "change_shares",
}


def in_python(answer: dict[str, Any]) -> dict[str, Any]:
    """A JavaScript answer with the Python client's names."""
    rows = []
    for row in answer["rows"]:
        security = row.get("security")
        code = f"{MARKETS[security['market']]}.{security['code']}" if security else "N/A"
        rest = {ours: row.get(theirs, "N/A") for theirs, ours in NAMES.items()}
        rows.append({"security": code, "name": row.get("name", "N/A"), **rest})
    return {"rows": rows, "all_count": answer["allCount"]}
