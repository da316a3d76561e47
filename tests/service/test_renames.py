"""A position continues under a new ticker and a new name, from the first day's answers on."""

from collections.abc import Callable
from datetime import date

import pytest
from sqlalchemy import select

from qotgate.model import ArkHoldingType
from qotgate.service.ark.lists import active_transactions, fund_holdings
from qotgate.service.loading import LoadReport
from qotgate.service.questions import Questions
from qotgate.service.reference import Reference
from qotgate.store import Store
from qotgate.store.tables import split
from tests.support.ark_files import LARGE_BOOK, LINES, created, holdings

LoadText = Callable[..., LoadReport]
UNITS = 3
DAY = date(2026, 6, 16)
OTHER = "EXAMPLE HOLDINGS,YY,EXAMPLE10"


def rows(store: Store, reference: Reference, kind: ArkHoldingType) -> list[tuple[str, int]]:
    found = fund_holdings(Questions(store, reference), kind, as_of=DAY)
    return [(str(row.security), row.shares_change) for row in found.rows]


def load_renamed(load_text: LoadText, spelling: str, bought: int, *, price: float = 23.0) -> tuple[int, int]:
    """Load two books with units created between them, a new spelling of X3, and some of it bought. Returns
    the count before and after."""
    after = created(UNITS)
    after["X3"] += bought
    text = holdings("6/17/2026", after, price=price).replace(LINES["X3"], spelling)
    load_text(a=holdings("6/16/2026", LARGE_BOOK, price=price), b=text)
    return LARGE_BOOK["X3"], int(after["X3"])


@pytest.mark.parametrize(
    ("cusip", "bought", "price"),
    [
        ("TESTCO103", 40_000, 23.0),  # a third of the position, under the same identifier
        ("TESTCO103", 30_000, 10.0),
        ("EXAMPLE10", 3_000, 23.0),  # 2% of it, under another, as LGVW and BFLY on 2021-02-16
        ("EXAMPLE10", 700, 10.0),  # 0.5% of it, as AONE and MKFG on 2021-07-15
        ("EXAMPLE10", 0, 10.0),
    ],
)
def test_nothing_is_new_or_sold_out(
    store: Store, load_text: LoadText, reference: Reference, cusip: str, bought: int, price: float
) -> None:
    old, new = load_renamed(load_text, f"EXAMPLE HOLDINGS,YY,{cusip}", bought, price=price)
    assert rows(store, reference, ArkHoldingType.SOLD_OUT) == []
    assert rows(store, reference, ArkHoldingType.NEW) == []
    held = dict(rows(store, reference, ArkHoldingType.POSITION))
    assert held["US.YY"] == new - old
    assert "US.XD" not in held
    trades = active_transactions(Questions(store, reference), as_of=DAY).rows
    assert [(str(row.security), row.change_shares) for row in trades] == (
        [("US.YY", bought)] if bought else []
    )


@pytest.mark.parametrize(("bought", "price"), [(40_000, 23.0), (3_000, 10.0)])
def test_another_company_is_new(
    store: Store, load_text: LoadText, reference: Reference, bought: int, price: float
) -> None:
    """Its count is far from the old one's, or its price is that of every SPAC."""
    old, new = load_renamed(load_text, OTHER, bought, price=price)
    assert rows(store, reference, ArkHoldingType.SOLD_OUT) == [("US.XD", -old)]
    assert rows(store, reference, ArkHoldingType.NEW) == [("US.YY", new)]


@pytest.mark.parametrize("at_once", [True, False])
def test_an_exchange_in_a_merger_is_no_trade_where_its_name_had_changed_before(
    store: Store, load_text: LoadText, reference: Reference, at_once: bool
) -> None:
    """As CM Life Sciences II, SomaLogic and Standard BioTools, 1.11 shares for one. Loaded at once, all three
    names become one security in one step, and the exchange was seen under the second."""
    old = LARGE_BOOK["X3"]
    new = round(old * 1.11)
    texts = {
        "a": holdings("6/15/2026", LARGE_BOOK).replace(LINES["X3"], "FIRST INC,YX,FIRST1010"),
        "b": holdings("6/16/2026", LARGE_BOOK).replace(LINES["X3"], "SECOND INC,YY,SECOND101"),
        "c": holdings("6/17/2026", LARGE_BOOK | {"X3": new})
        .replace(LINES["X3"], "THIRD INC,YZ,THIRD1010")
        .replace(f"{new},{new * 10.0}", f"{new},{old * 10.0}"),
    }
    for some in [texts] if at_once else [{name: text} for name, text in texts.items()]:
        load_text(**some)
    questions = Questions(store, reference)
    assert active_transactions(questions, as_of=DAY).rows == ()
    assert rows(store, reference, ArkHoldingType.NEW) == []
    held = {str(row.security): row.shares for row in fund_holdings(questions, as_of=DAY, count=20).rows}
    assert held["US.YZ"] == new
    with store.reading() as connection:
        assert [tuple(row) for row in connection.execute(select(split.c.numerator, split.c.denominator))] == [
            (111, 100)
        ]
