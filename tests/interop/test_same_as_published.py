"""Our drop-in compared with the published clients, call by call, on one gateway: shapes, types, values,
errors."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.serving import Serving

CALLS = r"""
import json, sys, warnings
warnings.simplefilter("ignore")
PORT = int(sys.argv[1])

context = OpenQuoteContext(host="127.0.0.1", port=PORT)
outcomes = {}

def show(value):
    if type(value).__name__ == "DataFrame":
        return ["DataFrame", list(value.columns), [str(kind) for kind in value.dtypes],
                value.index.tolist(), value.values.tolist()]
    if isinstance(value, dict):
        return {key: [type(one).__name__, one] for key, one in value.items()}
    return [type(value).__name__, value]

def call(name, *arguments, **named):
    given = tuple(getattr(context, name)(*arguments, **named))
    words = [str(one) for one in (*arguments, *named.values())]
    outcomes[f"{len(outcomes)} {name} {words}"] = [show(one) for one in given]
    return given

for security in ("US.TSLA", "US.ROKU", "US.COIN", "US.NOPE", "HK.00700", "US..DJI", "us.tsla", "TSLA", "US.",
                 "", None, 5, "XX.TSLA", "US.TSLA.X"):
    call("get_ark_stock_dynamic", security)
call("get_ark_stock_dynamic", security="US.ZM")

for market in (Market.US, "US", "CA", Market.HK, "N/A", "XX", None, 11):
    call("get_rating_change", market)
for change_type in ("UPGRADE", RatingChangeType.DOWNGRADE, RatingChangeType.NEW_RATING, "N/A", "UP", 1):
    call("get_rating_change", "US", change_type)
for change_type in ("UPGRADE", "DOWNGRADE", "NEW_RATING"):
    call("get_rating_change", "CA", change_type)
for count in (1, 2, 20, 0, 21, -1, "5", "x", 2.7, None, [], 2**40, float("inf")):
    call("get_rating_change", "US", count=count)
for page in ("", "forged", 5):
    call("get_rating_change", "US", page=page)
page = call("get_rating_change", market=Market.US, change_type=RatingChangeType.UPGRADE, count=2)[2]
while page:
    page = context.get_rating_change("US", "UPGRADE", 2, page)
    outcomes["next" + str(len(outcomes))] = [show(one) for one in page]
    page = page[2]

for name, kinds, fields in (
    ("get_ark_fund_holding", ArkHoldingType, ArkFundHoldingSortField),
    ("get_ark_active_transaction", ArkActiveTransactionHoldingType, ArkActiveTransactionSortField),
):
    call(name)
    for kind in ("POSITION", "INCREASE", "DECREASE", "NEW", "SOLD_OUT", "N/A", 0):
        for cycle in ("ONE_DAY", "FIVE_DAY", "TEN_DAY", "THIRTY_DAY", "SIXTY_DAY"):
            call(name, kind, cycle)
    for field in ("SHARES", "WEIGHT_CHANGE", "SHARES_CHANGE", "MARKET_VALUE", "WEIGHT", "N/A",
                  "CHANGE_AMOUNT", "CHANGE_SHARES", "OTHER"):
        for direction in ("DESCENDING", "ASCENDING", "UP"):
            call(name, None, ArkCycleType.SIXTY_DAY, field, direction)
    for count in (1, 200, 0, 201, "3", "x"):
        call(name, count=count)
    call(name, cycle_type="DAY")
    call(name, page="forged")

state = context.get_global_state()
for key in ("timestamp", "local_timestamp"):
    state[1][key] = type(state[1][key])()
outcomes["state"] = [show(one) for one in state]
context.close()
with open(sys.argv[2], "w") as file:
    json.dump(outcomes, file, default=str)
"""


def outcomes(package: str, port: int, home: Path, *, json_bodies: bool) -> dict[str, Any]:
    head = f"from {package} import *\n"
    if json_bodies:
        head += "SysConfig.set_proto_fmt(ProtoFMT.Json)\n"
    # A file, since the published client also logs to its standard output from other threads.
    told = home / f"{package}.json"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", head + CALLS, str(port), str(told)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "HOME": str(home), "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(told.read_text())
    return found


@pytest.mark.parametrize(
    "json_bodies", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["protobuf", "json"]
)
@pytest.mark.parametrize("brand", ["futu", "moomoo"])
def test_every_call_gives_what_the_published_client_gives(
    sample_gateway: Serving, tmp_path: Path, brand: str, json_bodies: bool
) -> None:
    theirs = outcomes(brand, sample_gateway.port, tmp_path, json_bodies=json_bodies)
    ours = outcomes("qotgate", sample_gateway.port, tmp_path, json_bodies=json_bodies)
    assert len(theirs) > 170
    assert {call: given for call, given in ours.items() if given != theirs[call]} == {}
    assert list(ours) == list(theirs)


@pytest.mark.parametrize("order", ["futu, moomoo, qotgate", "qotgate, moomoo, futu"])
def test_all_three_answer_in_one_process(sample_gateway: Serving, tmp_path: Path, order: str) -> None:
    script = f"""
import {order}
import threading
contexts = [package.OpenQuoteContext(host="127.0.0.1", port={sample_gateway.port}) for package in ({order})]
answers = [context.get_ark_stock_dynamic("US.TSLA") for context in contexts]
tables = [context.get_rating_change("US")[1] for context in contexts]
for context in contexts:
    context.close()
assert answers[0] == answers[1] == answers[2], answers
assert tables[0].equals(tables[1]) and tables[1].equals(tables[2])
assert not [thread for thread in threading.enumerate() if thread.name.startswith("qotgate")]
"""
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        check=True,
        timeout=60,
        env={**os.environ, "HOME": str(tmp_path)},
    )
