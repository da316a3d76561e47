"""OpenD's published output of June 2026, compared with answers from ARK's files of those days.

The position list there is the book of the files dated 06-23, the trades are those of 06-23: OpenD takes
trades from ARK's notices, a file earlier. So the lists are computed with the files up to one or the other
day.
"""

import json
from pathlib import Path

import pytest

from qotgate.service.loading import find_files, load
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.support.published import run_script
from tests.support.serving import serving

SCRIPT = """
import json, sys
from futu import *
context = OpenQuoteContext(host='127.0.0.1', port=int(sys.argv[1]))
answers = []
for answer in (context.get_ark_fund_holding(), context.get_ark_active_transaction()):
    assert answer[0] == RET_OK, answer
    answers.append(answer[1].head(2).to_dict('records'))
ret, dynamic = context.get_ark_stock_dynamic('US.TSLA')
assert ret == RET_OK, dynamic
print(dynamic, file=sys.stderr)
answers.append(dynamic if isinstance(dynamic, dict) else dynamic.to_dict('records')[0])
context.close()
json.dump(answers, open(sys.argv[2], 'w'))
"""


def ask(shared_data: Path, reference: Reference, folder: Path, last: str) -> list:
    """The first rows of the lists, and the dynamic of TSLA, with the files up to the folder ``last``."""
    url = f"sqlite:///{folder / 'qotgate.db'}"
    days = sorted((shared_data / "ark-2026" / "holdings").iterdir())
    store = Store.open(url)
    load(store, reference, find_files([day for day in days if day.name <= last]))
    store.close()
    with serving(url) as gateway:
        run_script(SCRIPT, folder, gateway.port, folder / "answers.json")
    return json.loads((folder / "answers.json").read_text())


def test_the_positions(shared_data: Path, reference: Reference, tmp_path: Path) -> None:
    positions, _, _ = ask(shared_data, reference, tmp_path, "2026-06-23")
    money, recursion = positions
    assert (money["security"], money["name"]) == ("N/A", "N/A")
    assert (int(money["shares"]), int(money["shares_change"])) == (62_494_591, 15_631_862)
    assert money["market_value"] == pytest.approx(6.249459e07, rel=1e-6)
    assert (money["weight"], money["weight_change"]) == (0.45, 0.12)
    assert (recursion["security"], int(recursion["shares"])) == ("US.RXRX", 31_671_298)
    assert int(recursion["shares_change"]) == -71_280
    assert recursion["market_value"] == pytest.approx(1.007147e08, rel=1e-6)
    assert (recursion["weight"], recursion["weight_change"]) == (0.73, 0.01)


def test_the_trades(shared_data: Path, reference: Reference, tmp_path: Path) -> None:
    _, trades, tesla = ask(shared_data, reference, tmp_path, "2026-06-24")
    amazon, palantir = trades
    assert (amazon["security"], palantir["security"]) == ("US.AMZN", "US.PLTR")
    assert int(amazon["change_shares"]) == 41_141
    assert amazon["change_amount"] == pytest.approx(9_631_518, rel=1e-6)
    assert (int(palantir["change_shares"]), round(palantir["change_amount"], -1)) == (81_254, 9_482_340)
    assert (tesla["dynamic_type"], tesla["transaction_count"]) == ("CONSECUTIVE_SAME_DIRECTION", 2)
    assert tesla["net_shares"] == 76_041
