"""``QuoteClient``: typed questions, answered in the calling thread."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, cast, overload

from qotgate.client import questions
from qotgate.client.link import Link
from qotgate.client.research import ResearchCalls
from qotgate.client.rows import PagedRows, Rows, StreamedRows
from qotgate.client.tables import ALL_CHANGES, MANY, Codes, Day, Texts, as_asked, is_panel
from qotgate.client.typed import list_pages, page_rows, typed_options
from qotgate.model import (
    ActiveTransaction,
    AnalystConsensus,
    ArkActiveTransactionHoldingType,
    ArkActiveTransactionSortField,
    ArkCycleType,
    ArkFundHoldingSortField,
    ArkHoldingType,
    FundHolding,
    GlobalState,
    InstitutionRating,
    Language,
    Market,
    Part,
    RankSortDir,
    RatingChange,
    RatingChangeType,
    Refused,
    Security,
    SecurityState,
    StockDynamic,
    TradingDay,
    UserInfo,
)
from qotgate.model.research import DynamicOfDay, RatingNote
from qotgate.protocol.interface import (
    ACTIVE_TRANSACTIONS,
    FUND_HOLDINGS,
    RATING_CHANGES,
    ListQuestion,
)
from qotgate.protocol.rating_answers import MAX_INSTITUTIONS
from qotgate.protocol.research import DYNAMICS, RATINGS

T = TypeVar("T")


class QuoteClient(ResearchCalls):
    """A client of the gateway at ``host``:``port``, also of OpenD itself.

    It connects at the first question, and again when the connection was lost; any number of threads may use
    it at once. ``timeout`` is the time limit of a call in seconds, connecting included. With ``rsa_key``, the
    file of the gateway's key, the connection is encrypted; ``body_format`` is ``protobuf`` or ``json``.
    ``lang`` is the language of names and sentences, ``zh`` or ``en``; by default that of the variable
    QOTGATE_LANG, else the gateway's own.

    Calls raise :class:`~qotgate.InvalidRequest` (its sentence says what the parameter takes),
    :class:`~qotgate.RateLimited` (``seconds`` to wait), :class:`~qotgate.Unavailable` (ask again later),
    :class:`~qotgate.ConnectionLost`, :class:`~qotgate.Timeout`, all subclasses of
    :class:`~qotgate.QotGateError`. The client stays usable after each of them. ``as_of`` asks for the answer
    as it was known at the end of that day; if the server supports only today's answer, the call raises
    InvalidRequest. If that day is not known yet, the answer is for the last known day, and its ``known_to``
    says so.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 11111,
        *,
        timeout: float = 12.0,
        rsa_key: str | Path | None = None,
        body_format: Literal["protobuf", "json"] = "protobuf",
        lang: Language | None = None,
    ) -> None:
        self._link = Link(typed_options(host, port, timeout, rsa_key, body_format, lang))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def connect(self) -> None:
        """Connect now, once, instead of at the first question. Raises ConnectionLost, and QotGateError if the
        key cannot be read."""
        self._link.connect()

    def close(self) -> None:
        """Close; later calls raise ConnectionLost."""
        self._link.close()

    def global_state(self) -> GlobalState:
        """The states of the markets, and the gateway's clock."""
        return self._link.ask(questions.global_state())

    def ark_dynamic(self, security: Security | str, *, as_of: date | None = None) -> StockDynamic:
        """The ARK funds' trading of a stock, such as ``US.TSLA``."""
        return self._link.ask(questions.ark_dynamic(security, as_of))

    @overload
    def ark_dynamics(  # type: ignore[overload-overlap]  # a word is a collection of texts, too
        self, codes: Iterable[Security | str], *, as_of: date | None = None
    ) -> Rows[StockDynamic]: ...
    @overload
    def ark_dynamics(
        self,
        codes: Codes,
        *,
        as_of: Iterable[Day] | Day | None = None,
        start: Day | None = None,
        end: Day | None = None,
        funds: Texts | None = None,
        lang: Language | None = None,
    ) -> Rows[DynamicOfDay]: ...
    def ark_dynamics(
        self,
        codes: Codes,
        *,
        as_of: Iterable[Day] | Day | None = None,
        start: Day | None = None,
        end: Day | None = None,
        funds: Texts | None = None,
        lang: Language | None = None,
    ) -> Rows[Any]:
        """The dynamics of many stocks.

        As of one day, the rows are :class:`~qotgate.StockDynamic` in the order of ``codes``; OpenD can answer
        this for today. The call waits when the allowance is used up, instead of raising RateLimited.

        As of many days, ``as_of=[...]`` or each trading day from ``start`` to ``end``, the rows are
        :class:`~qotgate.model.research.DynamicOfDay`, one for each day and stock, in one question. Then
        ``codes`` may also be ``"held"`` (the stocks that the funds hold on each day) or ``"all"`` (the stocks
        named in their files up to that day).
        """
        if is_panel(codes, as_of) or start or end or funds or lang:
            table = self._table(DYNAMICS, lang, codes=codes, as_of=as_of, start=start, end=end, funds=funds)
            return table.rows()
        asked = [questions.ark_dynamic(code, cast(date | None, as_of)) for code in cast(Iterable[str], codes)]
        if len(asked) > MANY:
            wanted = [question.about for question in asked]
            with suppress(Refused):
                rows = self._table(DYNAMICS, None, codes=wanted, as_of=as_of).rows()
                return Rows(StockDynamic, as_asked(rows, wanted, named=as_of is not None))
        return Rows(StockDynamic, self._link.ask_all(asked))

    @overload
    def rating_changes(
        self,
        market: Market | str,
        change_type: RatingChangeType | str = RatingChangeType.UPGRADE,
        *,
        as_of: date | None = None,
        page_size: int = 20,
    ) -> PagedRows[RatingChange]: ...
    @overload
    def rating_changes(
        self,
        market: None = None,
        change_type: RatingChangeType | str = ALL_CHANGES,
        *,
        start: Day | None = None,
        end: Day | None = None,
        codes: Codes | None = None,
        institutions: Texts | None = None,
        lang: Language | None = None,
    ) -> StreamedRows[RatingNote, Part[RatingNote]]: ...
    def rating_changes(
        self,
        market: Market | str | None = None,
        change_type: RatingChangeType | str | None = None,
        *,
        start: Day | None = None,
        end: Day | None = None,
        codes: Codes | None = None,
        institutions: Texts | None = None,
        lang: Language | None = None,
        as_of: date | None = None,
        page_size: int = 20,
    ) -> Any:
        """Analysts' rating changes.

        With ``market`` (US or CA) alone, this is the published question, which OpenD answers too: one kind of
        change (UPGRADE by default), newest first, in pages of ``page_size`` (1 to 20) rows.

        Without it, or with days, codes or institutions: all kinds by default, oldest first, with the notes'
        own words, as :class:`~qotgate.model.research.RatingNote`.
        """
        narrowed = any(one is not None for one in (start, end, codes, institutions, lang))
        if market is None or narrowed or change_type == ALL_CHANGES:
            return self._table(
                RATINGS,
                lang,
                start=start,
                end=end,
                codes=codes,
                institutions=institutions,
                market=market,
                change_type=change_type,
            )
        return self._pages(
            RATING_CHANGES,
            page_size,
            as_of,
            market=market,
            change_type=RatingChangeType.UPGRADE if change_type is None else change_type,
        )

    def fund_holdings(
        self,
        holding_type: ArkHoldingType | str = ArkHoldingType.POSITION,
        cycle: ArkCycleType | str = ArkCycleType.ONE_DAY,
        *,
        sort_field: ArkFundHoldingSortField | str = ArkFundHoldingSortField.SHARES,
        sort_dir: RankSortDir | str = RankSortDir.DESCENDING,
        as_of: date | None = None,
        fund: str | None = None,
        page_size: int = 200,
    ) -> PagedRows[FundHolding]:
        """The ARK funds' combined holdings, or their changes over ``cycle``: all pages, of ``page_size`` (1
        to 200) rows. ``fund`` selects one fund, such as ARKK."""
        return self._pages(
            FUND_HOLDINGS,
            page_size,
            as_of,
            fund,
            holding_type=holding_type,
            cycle=cycle,
            sort_field=sort_field,
            sort_dir=sort_dir,
        )

    def active_transactions(
        self,
        holding_type: ArkActiveTransactionHoldingType | str = ArkActiveTransactionHoldingType.INCREASE,
        cycle: ArkCycleType | str = ArkCycleType.ONE_DAY,
        *,
        sort_field: ArkActiveTransactionSortField | str = ArkActiveTransactionSortField.CHANGE_AMOUNT,
        sort_dir: RankSortDir | str = RankSortDir.DESCENDING,
        as_of: date | None = None,
        fund: str | None = None,
        page_size: int = 200,
    ) -> PagedRows[ActiveTransaction]:
        """The ARK funds' active purchases and sales over ``cycle``: all pages, of ``page_size`` (1 to 200)
        rows. ``fund`` selects one fund."""
        return self._pages(
            ACTIVE_TRANSACTIONS,
            page_size,
            as_of,
            fund,
            holding_type=holding_type,
            cycle=cycle,
            sort_field=sort_field,
            sort_dir=sort_dir,
        )

    def analyst_consensus(self, security: Security | str, *, as_of: date | None = None) -> AnalystConsensus:
        """The consensus of institutions on a stock, from the last note of each in three months."""
        return self._link.ask(questions.analyst_consensus(security, as_of))

    def rating_summary(
        self,
        security: Security | str,
        institution: str | None = None,
        *,
        as_of: date | None = None,
        page_size: int = 20,
    ) -> StreamedRows[InstitutionRating, Part[InstitutionRating]]:
        """The ratings of a stock by institution, sorted by each one's newest rating, newest first; each one's
        ratings are newest first too. ``page_size`` (1 to 20) is the number of institutions fetched at a time.
        ``institution`` selects one by any of its names; OpenD needs its ``uid``."""
        count = page_rows(page_size, MAX_INSTITUTIONS)
        return StreamedRows(
            InstitutionRating,
            lambda cursor: self._link.ask(
                questions.rating_summary(security, institution, count, cursor, as_of)
            ),
            self._link.wait,
        )

    def trading_days(
        self, market: Market | str, start: Day | None = None, end: Day | None = None
    ) -> Rows[TradingDay]:
        """The trading days of a market from ``start`` to ``end``: the year up to today by default, a year if
        only one of the two is given."""
        return Rows(TradingDay, self._link.ask(questions.trading_days(market, start, end)))

    def market_states(self, codes: Iterable[Security | str] | str) -> Rows[SecurityState]:
        """The current states of the markets of 1 to 400 securities."""
        asked = codes.split(",") if isinstance(codes, str) else codes
        return Rows(SecurityState, self._link.ask(questions.market_states(asked)))

    def user_info(self) -> UserInfo:
        """The user's rights. The gateway has no account and no quotes, and its answer says so."""
        return self._link.ask(questions.user_info())

    def _pages(
        self,
        question: ListQuestion[T],
        page_size: int,
        as_of: date | None,
        fund: str | None = None,
        **words: StrEnum | str,
    ) -> PagedRows[T]:
        page = list_pages(question, page_size, as_of, fund, **words)
        return PagedRows(question.row, lambda cursor: self._link.ask(page(cursor)), self._link.wait)
