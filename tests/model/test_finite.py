"""No answer contains an infinity, even from the database of an earlier version."""

import json
from datetime import date
from math import inf, nan

import pytest
from pydantic import BaseModel

from qotgate.model import (
    ActiveTransaction,
    FundHolding,
    Page,
    RatingChange,
    RatingChangeType,
    RatingLevel,
    Security,
)
from qotgate.protocol.answers import write_list
from qotgate.protocol.body import encode
from qotgate.protocol.frame import JSON
from qotgate.protocol.interface import ACTIVE_TRANSACTIONS, FUND_HOLDINGS, RATING_CHANGES
from qotgate.web import formats, render

TSLA = Security.parse("US.TSLA")
DAY = date(2026, 6, 1)


class Row(BaseModel):
    price: float | None


class Table(BaseModel):
    rows: list[Row]


@pytest.mark.parametrize("value", [inf, -inf, nan])
def test_no_answer_of_the_wire_tells_it(value: float) -> None:
    change = RatingChange(
        TSLA, "", RatingLevel.BUY, None, value, value, RatingChangeType.UPGRADE, "UBS", DAY, None
    )
    for question, row in (
        (FUND_HOLDINGS, FundHolding(TSLA, "", 1, 1, value, value, value)),
        (ACTIVE_TRANSACTIONS, ActiveTransaction(TSLA, "", value, 1)),
        (RATING_CHANGES, change),
    ):
        (item,) = json.loads(encode(write_list(question, Page((row,), None, 1)), JSON))["s2c"]["dataList"]
        numbers = {"marketValue", "weight", "weightChange", "changeAmount", "targetPrice", "lastTargetPrice"}
        assert not numbers & set(item)
        assert item["security"]["code"] == "TSLA"


@pytest.mark.parametrize("value", [inf, -inf, nan])
def test_no_answer_over_http_tells_it(value: float) -> None:
    body = Table(rows=[Row(price=value), Row(price=1.5)])
    assert json.loads(formats.encode(body, "json").body) == {"rows": [{"price": None}, {"price": 1.5}]}
    assert bytes(formats.encode(body, "csv").body) == b"price\n\n1.5\n"
    for shown in (render.number, render.price, render.signed, render.cell):
        assert shown(value) == render.NONE
