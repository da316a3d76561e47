"""``OpenQuoteContext``: the published clients' face of the questions.

Calls return ``(RET_OK, data)`` or ``(RET_ERROR, sentence)`` and do not raise for what the gateway says or
the network does, as scripts written against the published clients expect.
"""

import logging
import os
import time
from datetime import date
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal, Self

from qotgate.client.connection import Connection, ConnectionLost
from qotgate.model import InvalidRequest, Market, RatingChangeType, Security
from qotgate.protocol.messages import ProtoId, RetType
from qotgate.protocol.names import CHANGE_TYPE_OF, CHANGE_TYPES, DYNAMIC_TYPE_OF, LEVEL_OF, MARKET_OF, MARKETS

if TYPE_CHECKING:
    import pandas as pd

RET_OK: Literal[0] = 0
RET_ERROR: Literal[-1] = -1
NO_VALUE = "N/A"
RETRY_SECONDS = 6.0
RATING_COLUMNS = {
    "security": None,
    "name": "name",
    "rating": "rating",
    "last_rating": "lastRating",
    "target_price": "targetPrice",
    "last_target_price": "lastTargetPrice",
    "change_type": "changeType",
    "institution_name": "institutionName",
    "recommendation_date": "recommendationDate",
    "last_recommendation_date": "lastRecommendationDate",
}
RATING_WORDS: dict[str, dict[int, Any]] = {
    "rating": LEVEL_OF,
    "lastRating": LEVEL_OF,
    "changeType": CHANGE_TYPE_OF,
}

log = logging.getLogger("qotgate")


class OpenQuoteContext:
    """A connection to a gateway at ``host``:``port``, made anew when it is lost.

    Like the published clients, it waits for a gateway that is not there yet, trying every six seconds.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 11111) -> None:
        self._host = host
        self._port = port
        self._lock = RLock()
        self._closed = False
        self._process = os.getpid()
        self._connection: Connection | None = None
        while True:
            try:
                self._connect()
            except ConnectionLost as error:
                log.warning("%s Trying again in %g seconds.", error, RETRY_SECONDS)
                time.sleep(RETRY_SECONDS)
            else:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; later calls return RET_ERROR."""
        self._closed = True
        self._leave_parent()
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def get_ark_stock_dynamic(self, security: str, *, as_of: date | str | None = None) -> tuple[int, Any]:
        """How the ARK funds trade a stock, such as ``US.TSLA``.

        ``as_of`` asks for the answer as it was known at the end of that day; a server that does not know
        the question answers with RET_ERROR, never with today's answer.

        Returns ``(RET_OK, dict)`` with ``dynamic_type``, ``transaction_count``, ``net_shares`` and
        ``last_transaction_time`` (yyyy-MM-dd), 'N/A' for what is absent; or ``(RET_ERROR, sentence)``.
        """
        try:
            code = Security.parse(str(security))
        except InvalidRequest as error:
            return RET_ERROR, f"ERROR. {error}"
        fields = {
            "security": {"market": MARKETS[code.market], "code": code.code},
            "asOf": as_of and str(as_of),
        }
        ret, answer = self._ask(ProtoId.Qot_GetArkStockDynamic, fields)
        if ret != RET_OK:
            return ret, answer
        return RET_OK, {
            "dynamic_type": _value(answer, "dynamicType", DYNAMIC_TYPE_OF),
            "transaction_count": _value(answer, "transactionCount"),
            "net_shares": _value(answer, "netShares"),
            "last_transaction_time": _value(answer, "lastTransactionTime"),
        }

    def get_rating_change(
        self,
        market: str,
        change_type: str | None = None,
        count: int | None = None,
        page: str | None = None,
        *,
        as_of: date | str | None = None,
    ) -> "tuple[int, pd.DataFrame | str, str | None, int | None]":
        """How analysts changed their ratings, newest first.

        ``as_of`` is that of :meth:`get_ark_stock_dynamic`; it goes with every page.

        Returns ``(RET_OK, DataFrame, next_page, all_count)``, ``next_page`` None on the last page; or
        ``(RET_ERROR, sentence, None, None)``. 'N/A' stands for what is absent.
        """
        if not isinstance(market, str) or market not in set(Market):
            return RET_ERROR, "ERROR. market takes one of Market, such as Market.US", None, None
        if change_type is not None and str(change_type) not in set(RatingChangeType):
            kinds = ", ".join(RatingChangeType)
            return RET_ERROR, f"ERROR. change_type takes one of {kinds}", None, None
        fields = {
            "market": MARKETS[Market(market)],
            "changeType": None if change_type is None else CHANGE_TYPES[RatingChangeType(change_type)],
            "count": count,
            "page": page,
            "asOf": as_of and str(as_of),
        }
        ret, answer = self._ask(ProtoId.Qot_GetRatingChange, fields)
        if ret != RET_OK:
            return RET_ERROR, answer, None, None
        # Imported here: pandas takes longer to import than the whole client, and only this call needs it.
        import pandas as pd

        rows = [_rating_row(item) for item in answer.dataList]
        table = pd.DataFrame(rows, columns=list(RATING_COLUMNS))
        next_page = answer.nextPage if answer.HasField("nextPage") else None
        return RET_OK, table, next_page, answer.allCount

    def _ask(self, proto_id: ProtoId, fields: dict[str, Any]) -> tuple[int, Any]:
        """(RET_OK, S2C) or (RET_ERROR, sentence)."""
        try:
            response = self._connect().ask(proto_id, fields)
        except TimeoutError:
            return RET_ERROR, f"ERROR. the gateway did not answer {proto_id.name} in time"
        except (ConnectionLost, TypeError, ValueError) as error:
            return RET_ERROR, f"ERROR. {error}"
        if response.retType != RetType.SUCCEED:
            return RET_ERROR, response.retMsg
        if fields["asOf"] and not response.s2c.asOf:
            return RET_ERROR, "ERROR. this server does not know as_of: it answers for today alone"
        return RET_OK, response.s2c

    def _leave_parent(self) -> None:
        """After a fork the connection is still the parent's, and so is whoever holds the lock."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._lock = RLock()
            self._connection = None

    def _connect(self) -> Connection:
        self._leave_parent()
        with self._lock:
            if self._closed:
                raise ConnectionLost("the context was closed")
            if self._connection is None or self._connection.lost:
                self._connection = Connection(self._host, self._port)
            return self._connection


def _value(message: Any, field: str, words: dict[int, Any] | None = None) -> Any:
    if not message.HasField(field):
        return NO_VALUE
    value = getattr(message, field)
    return value if words is None else str(words.get(value, NO_VALUE))


def _rating_row(item: Any) -> dict[str, Any]:
    row = {
        column: _value(item, field, RATING_WORDS.get(field))
        for column, field in RATING_COLUMNS.items()
        if field is not None
    }
    security = NO_VALUE
    if item.HasField("security"):
        security = f"{MARKET_OF.get(item.security.market, NO_VALUE)}.{item.security.code}"
    return {"security": security, **row}
