"""Real ARK files and real analyst notes, through the gateway and the published client, compared with an
independent recomputation."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from qotgate.model import ACTIVE_FUNDS, Security
from qotgate.service.ark.dynamics import explain_ark_stock_dynamic
from qotgate.service.questions import Questions
from qotgate.service.reference import load_reference
from qotgate.store import Store, reads
from tests.support.paths import TABLES
from tests.support.published import run_script
from tests.support.recompute import dynamics, rating_changes
from tests.support.serving import QOTGATE, serving

pytestmark = pytest.mark.slow

ASK_ALL = """
import json, sys
from futu import *
context = OpenQuoteContext(host='127.0.0.1', port=int(sys.argv[1]))
answers = {}
for code in json.load(open(sys.argv[2])):
    ret, answers[code] = context.get_ark_stock_dynamic(code)
    assert ret == RET_OK, (code, answers[code])
context.close()
json.dump(answers, open(sys.argv[3], 'w'))
"""
WALK = """
import json, subprocess, sys
from futu import *
context = OpenQuoteContext(host='127.0.0.1', port=int(sys.argv[1]))
rows, page, pages = [], None, 0
while True:
    ret, data, page, all_count = context.get_rating_change(
        Market.US, getattr(RatingChangeType, sys.argv[2]), count=20, page=page)
    assert ret == RET_OK, data
    rows += data[['recommendation_date', 'security', 'institution_name']].values.tolist()
    pages += 1
    if pages == 5 and sys.argv[4:]:
        subprocess.run(sys.argv[4:], check=True)
    if not page:
        break
context.close()
json.dump({'rows': rows, 'all_count': all_count, 'pages': pages}, open(sys.argv[3], 'w'))
"""


def load(url: str, *paths: Path) -> dict[str, Any]:
    command = [*QOTGATE, "load", "--json", "--db", url, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.fixture
def real_copy(real_url: str, copied: Callable[[str], str]) -> str:
    return copied(real_url)


def test_every_file_is_read_and_a_second_load_changes_nothing(
    tmp_path: Path, shared_data: Path, real_copy: str
) -> None:
    again = load(real_copy, shared_data / "ark", shared_data / "ratings")
    assert again["files"] == {"found": 1530, "read": 0, "unchanged": 1530, "rejected": 0}
    assert again["generation"] == 1
    fresh = load(f"sqlite:///{tmp_path / 'fresh.db'}", shared_data / "ark", shared_data / "ratings")
    assert fresh["files"] == {"found": 1530, "read": 1530, "unchanged": 0, "rejected": 0}
    assert fresh["rejects"] == []
    assert fresh["unknown_grades"] == {}
    assert {kind: counts["read"] for kind, counts in fresh["rows"].items()} == {
        "holdings": 53631,
        "notices": 3399,
        "notes": 26400,
    }


def ask_all(url: str, codes: list[str], folder: Path) -> dict[str, dict[str, Any]]:
    """The published client's answers."""
    (folder / "codes.json").write_text(json.dumps(codes))
    with serving(url, "--rate-limit", "off") as gateway:
        run_script(ASK_ALL, folder, gateway.port, folder / "codes.json", folder / "answers.json")
    answers: dict[str, dict[str, Any]] = json.loads((folder / "answers.json").read_text())
    return answers


def test_a_published_client_gets_what_a_recomputation_gets(shared_data: Path, tmp_path: Path) -> None:
    expected = dynamics(shared_data, TABLES)
    assert len(expected) == 185
    url = f"sqlite:///{tmp_path / 'notices.db'}"
    assert load(url, shared_data / "ark" / "trades")["files"]["read"] == 497
    answers = ask_all(url, sorted(expected), tmp_path)
    wrong = {code: (answers[code], expected[code]) for code in expected if answers[code] != expected[code]}
    assert not wrong
    kinds = Counter(answer["dynamic_type"] for answer in answers.values())
    assert set(kinds) == {"CONSECUTIVE_SAME_DIRECTION", "RECENT_TRANSACTION", "LAST_TRANSACTION"}


def test_with_holdings_a_published_client_gets_the_sums_of_the_trades_behind_it(
    real_url: str, shared_data: Path, tmp_path: Path
) -> None:
    """tests/service/test_ark_check.py compares the inferred trades themselves with the notices."""
    codes = sorted(dynamics(shared_data, TABLES))
    store = Store.open(real_url)
    questions = Questions(store, load_reference())
    answers = ask_all(real_url, codes, tmp_path)
    adjusted = []
    for code in codes:
        _, trades = explain_ark_stock_dynamic(questions, Security.parse(code))
        days = Counter[str]()
        for trade in trades:
            days[trade.day.isoformat()] += trade.shares
            for path, line in trade.places:
                assert Path(path).is_file()
                assert line is None or line > 0
        answer = answers[code]
        assert answer["transaction_count"] == len(days), code
        assert answer["last_transaction_time"] == max(days)
        with store.reading() as connection:
            security = reads.securities.security_id(connection, code)
            assert security is not None
            seen = reads.ark.splits(connection, security, ACTIVE_FUNDS, date(2021, 9, 9))
        first_trade = min(trade.day for trade in trades)
        if any(split.day > first_trade for splits in seen.values() for split in splits):
            adjusted.append(code)
        else:
            assert answer["net_shares"] == days.total(), code
    # ADYEY's split is the one within the window.
    assert adjusted in ([], ["US.ADYEY"])
    store.close()


@pytest.mark.parametrize("kind", ["UPGRADE", "DOWNGRADE", "NEW_RATING"])
def test_all_pages_are_walked_while_rows_arrive(
    real_copy: str, shared_data: Path, tmp_path: Path, kind: str
) -> None:
    expected = rating_changes(shared_data, TABLES)[kind]
    more = tmp_path / "more.csv"
    words = {"UPGRADE": ("Hold", "Buy"), "DOWNGRADE": ("Buy", "Hold"), "NEW_RATING": ("Buy", "Buy")}[kind]
    rows = [
        f"NEW{number},New {number},UBS,{word},,{day}"
        for number, days in enumerate([("2014-01-02", "2015-01-02"), ("2026-03-30", "2026-03-31")] * 20)
        for word, day in zip(words, days, strict=True)
    ]
    more.write_text("\n".join(["ticker,name,firm,rating,price_target,date", *rows, ""]))
    load_more = [*QOTGATE, "load", "--db", real_copy, more]
    with serving(real_copy, "--lang", "en") as gateway:
        run_script(WALK, tmp_path, gateway.port, kind, tmp_path / "during.json", *load_more)
        run_script(WALK, tmp_path, gateway.port, kind, tmp_path / "after.json")
    during = json.loads((tmp_path / "during.json").read_text())
    found = [tuple(row) for row in during["rows"]]
    assert len(found) == during["all_count"] == len(expected)
    assert sorted(found) == sorted(expected)
    assert [row[0] for row in found] == sorted((row[0] for row in found), reverse=True)
    assert during["pages"] == -(-len(expected) // 20) > 50
    after = json.loads((tmp_path / "after.json").read_text())
    assert after["all_count"] == len(expected) + 40
