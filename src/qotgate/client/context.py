"""``OpenQuoteContext``: the questions with the interface of the published clients.

Calls return ``(RET_OK, data)`` or ``(RET_ERROR, sentence)``, as scripts written against the published clients
expect. They do not raise for refusals or network errors.
"""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import date
from operator import attrgetter
from typing import Any, Literal, Self

from qotgate.client.errors import ConnectionLost
from qotgate.client.link import Link
from qotgate.client.opend_calls import OpenDCalls
from qotgate.client.questions import LOGIN_USER, Question, ask
from qotgate.client.sys_config import SysConfig
from qotgate.model import InvalidRequest, Language, QotGateError, Security
from qotgate.protocol.interface import (
    ACTIVE_TRANSACTIONS,
    FUND_HOLDINGS,
    LIST_QUESTIONS,
    RATING_CHANGES,
    Choice,
    ListQuestion,
)
from qotgate.protocol.messages import ProtoId
from qotgate.protocol.names import DYNAMIC_TYPES, MARKET_STATES, MARKETS, PROGRAM_STATUSES, STATE_FIELDS

RET_OK: Literal[0] = 0
RET_ERROR: Literal[-1] = -1
NO_VALUE = "N/A"
RETRY_SECONDS = 6.0
PREFIX = "ERROR. "

Words = dict[int, str]
Columns = dict[str, tuple[str, Words | None]]
"""A table's columns: the wire field of each, and the words for its numbers."""


def _columns(question: ListQuestion[Any]) -> Columns:
    """The columns of a list without the security, which comes first in its table."""
    return {
        column.published or column.name: (
            column.field,
            None if column.numbers is None else _words(column.numbers),
        )
        for column in question.columns
        if column.name != "security"
    }


def _words(numbers: Mapping[Any, int]) -> Words:
    return {number: word.value for word, number in numbers.items()}


MARKET_WORDS = _words(MARKETS)
STATE_WORDS = _words(MARKET_STATES)
PROGRAM_WORDS = _words(PROGRAM_STATUSES)
DYNAMIC: Columns = {
    "dynamic_type": ("dynamicType", _words(DYNAMIC_TYPES)),
    "transaction_count": ("transactionCount", None),
    "net_shares": ("netShares", None),
    "last_transaction_time": ("lastTransactionTime", None),
}
LISTS = {question: _columns(question) for question in LIST_QUESTIONS}
log = logging.getLogger("qotgate")


class OpenQuoteContext(OpenDCalls):
    """A connection to a gateway at ``host``:``port``, reconnected when lost.

    Like the published clients, it waits for a missing gateway and retries every six seconds; with
    ``is_async_connect`` it does so at the first call. ``is_encrypt`` overrides
    :meth:`SysConfig.enable_proto_encrypt`; ``security_firm`` and ``ai_type`` are accepted and ignored.

    ``as_of``, an addition to the published clients, asks for the answer as it was known at the end of that
    day (a date, or yyyy-MM-dd). If the server does not support it, the call returns RET_ERROR, never today's
    answer. ``lang`` is the language of names, zh or en; by default that of the variable QOTGATE_LANG, else
    the gateway's own. Raises QotGateError if the RSA key is missing or cannot be read.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 11111,
        is_encrypt: bool | None = None,
        is_async_connect: bool = False,
        security_firm: str = NO_VALUE,  # noqa: ARG002 - the published clients accept it
        ai_type: int = 0,  # noqa: ARG002 - as above
        lang: Language | None = None,
    ) -> None:
        daemon = SysConfig.get_all_thread_daemon()
        self._link = Link(SysConfig.options(host, port, is_encrypt, lang), daemon=daemon)
        self._connect_timeout: float | None = None
        while not is_async_connect:
            try:
                self._link.connect()
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
        self._link.close()

    def start(self) -> None:
        """Does nothing: there are no pushes to receive. Scripts call it."""

    def stop(self) -> None:
        """Does nothing: there are no pushes to receive. Scripts call it."""

    def set_sync_query_connect_timeout(self, timeout: float | None) -> None:
        """How many seconds a call waits for a lost connection; by default as long as for an answer, 12
        seconds."""
        self._connect_timeout = timeout

    def get_global_state(self) -> tuple[int, Any]:
        """The states of the markets and of the gateway, as a dict with the published clients' keys."""
        ret, s2c = self._ask(lambda: ask(ProtoId.GetGlobalState, _unread, userID=LOGIN_USER))
        if ret != RET_OK:
            return ret, s2c
        states = {
            column: STATE_WORDS.get(getattr(s2c, field), NO_VALUE) if s2c.HasField(field) else NO_VALUE
            for field in STATE_FIELDS
            for column in (f"market_{field.removeprefix('market').lower()}",)
        }
        status = s2c.programStatus
        return RET_OK, {
            **states,
            "server_ver": str(s2c.serverVer),
            "trd_logined": s2c.trdLogined,
            "timestamp": str(s2c.time),
            "qot_logined": s2c.qotLogined,
            "local_timestamp": s2c.localTime if s2c.HasField("localTime") else time.time(),
            "program_status_type": PROGRAM_WORDS.get(status.type, NO_VALUE)
            if s2c.HasField("programStatus")
            else NO_VALUE,
            "program_status_desc": status.strExtDesc,
        }

    def get_ark_stock_dynamic(self, security: str, *, as_of: date | str | None = None) -> tuple[int, Any]:
        """How the ARK funds trade a stock, such as ``US.TSLA``.

        Returns ``(RET_OK, dict)`` with ``dynamic_type``, ``transaction_count``, ``net_shares`` and
        ``last_transaction_time`` (yyyy-MM-dd), 'N/A' for absent values; or ``(RET_ERROR, sentence)``.
        """

        def question() -> Question[Any]:
            code = _code(security)
            sent = {"market": MARKETS[code.market], "code": code.code}
            return ask(ProtoId.Qot_GetArkStockDynamic, _unread, as_of, security=sent)

        ret, s2c = self._ask(question)
        if ret != RET_OK:
            return ret, s2c
        found = {field.name: value for field, value in s2c.ListFields()}
        return RET_OK, {
            column: _word(found.get(field, NO_VALUE), words) for column, (field, words) in DYNAMIC.items()
        }

    def get_rating_change(
        self,
        market: str,
        change_type: str | None = None,
        count: int | None = None,
        page: str | None = None,
        *,
        as_of: date | str | None = None,
    ) -> tuple[int, Any, str | None, int | None]:
        """How analysts changed their ratings, newest first; ``count`` is 1 to 20 rows, 10 by default.

        Returns ``(RET_OK, DataFrame, next_page, all_count)``, ``next_page`` None on the last page; or
        ``(RET_ERROR, sentence, None, None)``. Absent values are 'N/A'. Pass ``as_of`` with every page.
        """
        return self._list(RATING_CHANGES, count, page, as_of, market=market, change_type=change_type)

    def get_ark_fund_holding(
        self,
        holding_type: str | None = None,
        cycle_type: str | None = None,
        sort_field: str | None = None,
        sort_dir: str | None = None,
        count: int | None = None,
        page: str | None = None,
        *,
        as_of: date | str | None = None,
    ) -> tuple[int, Any, str | None, int | None]:
        """The ARK funds' combined holdings, or their changes; ``count`` is 1 to 200 rows, 20 by default.

        The parameters take the words of ArkHoldingType, ArkCycleType, ArkFundHoldingSortField and
        RankSortDir. Shares are in units of the requested day, ``market_value`` in USD, weights in percent.
        Returns the same as :meth:`get_rating_change`.
        """
        return self._list(
            FUND_HOLDINGS,
            count,
            page,
            as_of,
            holding_type=holding_type,
            cycle_type=cycle_type,
            sort_field=sort_field,
            sort_dir=sort_dir,
        )

    def get_ark_active_transaction(
        self,
        holding_type: str | None = None,
        cycle_type: str | None = None,
        sort_field: str | None = None,
        sort_dir: str | None = None,
        count: int | None = None,
        page: str | None = None,
        *,
        as_of: date | str | None = None,
    ) -> tuple[int, Any, str | None, int | None]:
        """The ARK funds' active purchases and sales; ``count`` is 1 to 200 rows, 50 by default.

        The parameters take the words of ArkActiveTransactionHoldingType, ArkCycleType,
        ArkActiveTransactionSortField and RankSortDir; ``change_amount`` is in USD. Returns the same as
        :meth:`get_rating_change`.
        """
        return self._list(
            ACTIVE_TRANSACTIONS,
            count,
            page,
            as_of,
            holding_type=holding_type,
            cycle_type=cycle_type,
            sort_field=sort_field,
            sort_dir=sort_dir,
        )

    def _ask(self, question: Callable[[], Question[Any]]) -> tuple[int, Any]:
        """(RET_OK, S2C) or (RET_ERROR, sentence)."""
        try:
            asked = question()
        except (_ArgumentError, TypeError, ValueError, OverflowError) as error:
            return RET_ERROR, str(error)
        except InvalidRequest as error:
            return RET_ERROR, f"{PREFIX}{error}"
        try:
            response = self._link.response(asked, self._connect_timeout)
        except QotGateError as error:
            return RET_ERROR, f"{PREFIX}{error}"
        if response.retType != RET_OK:
            return RET_ERROR, response.retMsg
        try:
            return RET_OK, asked.answer(response)
        except QotGateError as error:
            return RET_ERROR, f"{PREFIX}{error}"

    def _list(
        self,
        listed: ListQuestion[Any],
        count: Any,
        page: object,
        as_of: date | str | None,
        **words: object,
    ) -> tuple[int, Any, str | None, int | None]:
        """A page of a list as a table; ``words`` are the words of the list's choices by name."""

        def question() -> Question[Any]:
            chosen = {
                choice.field: _number(choice, words[choice.name])
                for choice in listed.choices
                # Choices without a default have to be named.
                if choice.default is None or words[choice.name] is not None
            }
            paging = {
                "count": None if count is None else int(count),
                "page": None if page is None else str(page),
            }
            return ask(listed.proto_id, _unread, as_of, **chosen, **paging)

        ret, s2c = self._ask(question)
        if ret != RET_OK:
            return RET_ERROR, s2c, None, None
        # Imported here: pandas takes longer to import than the whole client, and only tables need it.
        from qotgate.client.frames import frame_of

        rows = [*s2c.dataList]
        table: dict[str, list[Any]] = {"security": list(map(_security, rows))}
        for column, (field, names) in LISTS[listed].items():
            values: list[Any] = list(map(attrgetter(field), rows))
            if not all(values):
                # An absent field reads as its default, which is 0 or empty in every list.
                values = [
                    value if value or row.HasField(field) else NO_VALUE
                    for value, row in zip(values, rows, strict=True)
                ]
            table[column] = values if names is None else [names.get(value, NO_VALUE) for value in values]
        try:
            frame = frame_of(table)
        except UnicodeError as error:
            return RET_ERROR, f"{PREFIX}the answer has {error}", None, None
        return RET_OK, frame, s2c.nextPage if s2c.HasField("nextPage") else None, s2c.allCount


class _ArgumentError(Exception):
    """An argument that the published clients refuse, with their message."""


def _unread(s2c: Any) -> Any:
    return s2c


def _code(text: object) -> Security:
    wrong = _ArgumentError(f"{PREFIX}format of code {text} is wrong. (US.AAPL, HK.00700, SZ.000001)")
    try:
        security = Security.parse(str(text))
    except InvalidRequest as error:
        raise wrong from error
    # The published clients accept a market in capitals only.
    if not str(text).startswith(security.market):
        raise wrong
    return security


def _number(choice: Choice, word: object) -> int:
    numbers = choice.numbers
    # If no word has the number 0, the published clients use N/A for it.
    if word == NO_VALUE and 0 not in numbers.values():
        return 0
    if not isinstance(word, str) or word not in numbers:
        raise _ArgumentError(f"{PREFIX}the type of {choice.name} param is wrong")
    return numbers[word]


def _word(value: Any, words: Words | None) -> Any:
    return value if words is None else words.get(value, NO_VALUE)


def _security(row: Any) -> str:
    if not row.HasField("security"):
        return NO_VALUE
    security = row.security
    return f"{MARKET_WORDS.get(security.market, NO_VALUE)}.{security.code}"
