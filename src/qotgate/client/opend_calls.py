"""More calls of the published clients: analyst consensus, ratings by institution, trading days, market states
and user info, as dicts and tables with their keys."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from qotgate.client.questions import Question, ask
from qotgate.model import InvalidRequest, Security, span_of_days
from qotgate.protocol.market_answers import RIGHT_WORDS
from qotgate.protocol.messages import ProtoId
from qotgate.protocol.names import MARKET_STATES, MARKETS, RESEARCH_RATINGS, TRADE_DATE_MARKETS

NO_VALUE = "N/A"
OWN_FIELDS = 50_000
"""Field numbers from which on a message's fields are qotgate's own."""
TRADE_DATE_TYPES = ("WHOLE", "MORNING", "AFTERNOON")
RATING_WORDS = {number: level.value for level, number in RESEARCH_RATINGS.items()}
STATE_WORDS = {number: state.value for state, number in MARKET_STATES.items()}
MARKET_WORDS = {number: market.value for market, number in MARKETS.items()}
MARKET_NUMBERS = {
    "CN" if market == "SH" else market.value: number for number, market in TRADE_DATE_MARKETS.items()
}
BY_INSTITUTION = {"INSTITUTION": 1, "ANALYST": 2}
UPDATE_WORDS = ("NONE", "ADVICE", "FORCE")
USER_KEYS = {
    "nick_name": "nickName",
    "avatar_url": "avatarUrl",
    "user_attr": "userAttribution",
    "api_level": "apiLevel",
    **{
        f"{name}_qot_right": f"{field}QotRight"
        for name, field in (
            *(("hk", "hk"), ("hk_option", "hkOption"), ("hk_future", "hkFuture"), ("us", "us")),
            *(("us_option", "usOption"), ("us_future", "usFuture"), ("cn", "cn"), ("cc", "cc")),
            *(("sg_future", "sgFuture"), ("jp_future", "jpFuture"), ("sg_stock", "sgStock")),
            *(("my_stock", "myStock"), ("jp_stock", "jpStock"), ("ec", "ec")),
        )
    },
    **{
        f"us_future_qot_right_{exchange.lower()}": f"us{exchange}FutureQotRight"
        for exchange in ("CME", "CBOT", "NYMEX", "COMEX", "CBOE")
    },
    "is_need_agree_disclaimer": "isNeedAgreeDisclaimer",
    "user_id": "userID",
    "update_type": "updateType",
    "web_key": "webKey",
    "sub_quota": "subQuota",
    "history_kl_quota": "historyKLQuota",
}
"""The published client's keys, by field of the answer."""


class OpenDCalls(ABC):
    """The calls of a context, which sends them through ``_ask``. Each returns ``(RET_OK, data)`` or
    ``(RET_ERROR, sentence)``."""

    @abstractmethod
    def _ask(self, question: Callable[[], Question[Any]]) -> tuple[int, Any]: ...

    def get_research_analyst_consensus(
        self, code: str, *, as_of: date | str | None = None
    ) -> tuple[int, Any]:
        """The consensus of institutions on a stock, as a dict of the known values."""

        def question() -> Question[Any]:
            return ask(ProtoId.Qot_GetResearchAnalystConsensus, _unread, as_of, security=_sent(code))

        ret, s2c = self._ask(question)
        return (ret, _told(s2c)) if ret == 0 else (ret, s2c)

    def get_research_rating_summary(
        self,
        code: str,
        rating_dimension_type: str | int | None = None,
        uid: str | None = None,
        num: int | None = None,
        next_key: str | None = None,
        *,
        as_of: date | str | None = None,
    ) -> tuple[int, Any]:
        """The ratings of a stock by institution, or with ``uid`` those of one institution, as a dict of the
        known values. ``num`` is 1 to 20 institutions, 10 by default; ``next_key`` is -1 on the last page."""

        def question() -> Question[Any]:
            kind = rating_dimension_type
            wanted = {
                "ratingDimensionType": BY_INSTITUTION.get(kind, 0) if isinstance(kind, str) else kind,
                "uid": uid,
                "num": num,
                "nextKey": next_key,
            }
            return ask(ProtoId.Qot_GetResearchRatingSummary, _unread, as_of, security=_sent(code), **wanted)

        ret, s2c = self._ask(question)
        return (ret, {"next_key": "-1"} | _told(s2c)) if ret == 0 else (ret, s2c)

    def request_trading_days(
        self,
        market: str | None = None,
        start: str | None = None,
        end: str | None = None,
        code: str | None = None,
    ) -> tuple[int, Any]:
        """The trading days of a market, or of the market of ``code``, as a list of dicts: the year up to
        today by default, a year if only one of ``start`` and ``end`` is given."""

        def question() -> Question[Any]:
            first, last = span_of_days(
                date.fromisoformat(start) if start else None,
                date.fromisoformat(end) if end else None,
                date.today(),  # noqa: DTZ011 - the caller's today
            )
            return ask(
                ProtoId.Qot_RequestTradeDate,
                _unread,
                market=MARKET_NUMBERS.get(str(market), 0),
                beginTime=first.isoformat(),
                endTime=last.isoformat(),
                security=_sent(code) if code else None,
            )

        ret, s2c = self._ask(question)
        if ret != 0:
            return ret, s2c
        return ret, [
            {"time": day.time, "trade_date_type": TRADE_DATE_TYPES[day.tradeDateType]}
            for day in s2c.tradeDateList
        ]

    def get_market_state(self, code_list: Iterable[str] | str) -> tuple[int, Any]:
        """The states of the markets of some stocks, as a table of ``code``, ``stock_name`` and
        ``market_state``."""

        def question() -> Question[Any]:
            codes = code_list.split(",") if isinstance(code_list, str) else code_list
            return ask(ProtoId.Qot_GetMarketState, _unread, securityList=[_sent(code) for code in codes])

        ret, s2c = self._ask(question)
        if ret != 0:
            return ret, s2c
        import pandas as pd  # slow to import, and only tables need it

        rows = [
            (
                f"{MARKET_WORDS.get(one.security.market, NO_VALUE)}.{one.security.code}",
                one.name,
                STATE_WORDS.get(one.marketState, NO_VALUE),
            )
            for one in s2c.marketInfoList
        ]
        return ret, pd.DataFrame(rows, columns=["code", "stock_name", "market_state"])

    def get_user_info(self) -> tuple[int, Any]:
        """The user's rights, as a dict; absent values are 'N/A'."""
        ret, s2c = self._ask(lambda: ask(ProtoId.GetUserInfo, _unread, flag=0))
        if ret != 0:
            return ret, s2c
        found = {
            key: getattr(s2c, field) if s2c.HasField(field) else NO_VALUE for key, field in USER_KEYS.items()
        }
        for key, value in found.items():
            words = RIGHT_WORDS if "qot_right" in key else UPDATE_WORDS if key == "update_type" else None
            if words and isinstance(value, int) and value < len(words):
                found[key] = words[value]
        return ret, found


def _unread(s2c: Any) -> Any:
    return s2c


def _sent(code: str) -> dict[str, Any]:
    """Raises InvalidRequest."""
    security = Security.parse(str(code))
    if security.market not in MARKETS:
        raise InvalidRequest("code", parameter="code", value=str(code))
    return {"market": MARKETS[security.market], "code": security.code}


def _told(message: Any) -> dict[str, Any]:
    """The set fields of a message, with the published client's keys."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.number < OWN_FIELDS:
            key = re.sub(r"(?<!^)(?=[A-Z])", "_", field.name).lower()
            if field.message_type is None:
                found[key] = RATING_WORDS.get(value, NO_VALUE) if key == "rating" else value
            else:
                found[key] = list(map(_told, value)) if field.is_repeated else _told(value)
    return found
