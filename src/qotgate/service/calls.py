"""The calls that answer the interface's list questions."""

from collections.abc import Callable
from typing import Any

from qotgate.model import Page
from qotgate.protocol.interface import ACTIVE_TRANSACTIONS, FUND_HOLDINGS, RATING_CHANGES, ListQuestion
from qotgate.service.ark.lists import active_transactions, fund_holdings
from qotgate.service.ratings.changes import rating_changes

LIST_CALLS: dict[ListQuestion[Any], Callable[..., Page[Any]]] = {
    FUND_HOLDINGS: fund_holdings,
    ACTIVE_TRANSACTIONS: active_transactions,
    RATING_CHANGES: rating_changes,
}
"""Each takes the questions, the words of the choices in order, ``count``, ``page`` and ``as_of``."""
