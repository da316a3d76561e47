"""Errors over HTTP: each kind has its status, which the OpenAPI document lists."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError

from qotgate.model import (
    ArkHoldingType,
    InvalidRequest,
    Market,
    NothingLoaded,
    QotGateError,
    RateLimited,
    RatingChangeType,
    Security,
    Unavailable,
)
from qotgate.service.ark.dynamics import ark_stock_dynamic
from qotgate.service.ark.history import ark_history, ark_positions
from qotgate.service.ark.lists import active_transactions, fund_holdings
from qotgate.service.questions import Questions
from qotgate.service.ratings.changes import rating_changes, rating_listing
from qotgate.service.reference import Reference
from qotgate.store import Store
from qotgate.web.problems import PROBLEMS, status_of

NOTICES = "fund,date,direction,ticker,cusip,shares\nARKK,2026-06-17,Buy,TSLA,88160R101,100\n"
TSLA = Security(Market.US, "TSLA")


def kinds(kind: type[Exception] = QotGateError) -> Iterator[type[Exception]]:
    """A kind of error and all its subclasses."""
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


@pytest.mark.parametrize(
    "kind", [*kinds(), RequestValidationError, Exception], ids=lambda kind: kind.__name__
)
def test_the_document_has_the_status_of_each_kind_of_error(kind: type[Exception]) -> None:
    assert status_of(kind.__new__(kind)) in PROBLEMS


def test_the_status_is_that_of_the_kind() -> None:
    assert status_of(InvalidRequest("count", parameter="count", most=20, value=0)) == 422
    assert status_of(RateLimited("told", seconds=1.0, text="x")) == 429
    assert status_of(Unavailable("store")) == 503
    assert status_of(ValueError()) == 500


QUESTIONS: dict[str, Callable[[Questions], Any]] = {
    "dynamic": lambda questions: ark_stock_dynamic(questions, TSLA, None),
    "holdings": lambda questions: fund_holdings(questions, ArkHoldingType.POSITION),
    "transactions": lambda questions: active_transactions(questions),
    "history": lambda questions: ark_history(questions, TSLA, None),
    "positions": lambda questions: ark_positions(questions, TSLA, None),
    "changes": lambda questions: rating_changes(
        questions, Market.US, RatingChangeType.UPGRADE, 10, None, None
    ),
    "listing": lambda questions: rating_listing(questions, count=1),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_nothing_loaded_is_404(store: Store, reference: Reference, name: str) -> None:
    with pytest.raises(NothingLoaded) as refused:
        QUESTIONS[name](Questions(store, reference))
    assert status_of(refused.value) == 404


def test_trades_without_holdings_are_404_for_holdings(
    store: Store, reference: Reference, load_text: Callable[..., Any]
) -> None:
    load_text(notices=NOTICES)
    with pytest.raises(NothingLoaded, match="No ARK holdings") as refused:
        fund_holdings(Questions(store, reference), ArkHoldingType.POSITION)
    assert status_of(refused.value) == 404
