"""``QuoteClient``: typed questions, answered in the calling thread."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Literal, Self

from qotgate.client import questions
from qotgate.client.link import Link
from qotgate.client.rows import PagedRows, Rows
from qotgate.client.typed import chosen, page_rows, typed_options
from qotgate.model import (
    ActiveTransaction,
    ArkActiveTransactionHoldingType,
    ArkActiveTransactionSortField,
    ArkCycleType,
    ArkFundHoldingSortField,
    ArkHoldingType,
    FundHolding,
    GlobalState,
    Market,
    Page,
    RankSortDir,
    RatingChange,
    RatingChangeType,
    Security,
    StockDynamic,
)


class QuoteClient:
    """A client of the gateway at ``host``:``port``, also of OpenD itself.

    It connects when it is first asked, and anew when the connection was lost;
    any number of threads may use it at once.
    ``timeout`` is the seconds that a call may take, connecting included. With ``rsa_key``, the file of the
    gateway's key, the connection is encrypted; ``body_format`` is ``protobuf`` or ``json``.

    Calls raise :class:`~qotgate.InvalidRequest` (a sentence says what the parameter takes),
    :class:`~qotgate.RateLimited` (``seconds`` to wait), :class:`~qotgate.Unavailable` (ask again later),
    :class:`~qotgate.ConnectionLost`, :class:`~qotgate.Timeout`, all of them :class:`~qotgate.QotGateError`.
    After each of them the client is as usable as before. ``as_of`` asks for the answer as it was known at the
    end of that day; a server that answers for today alone is not believed (InvalidRequest).
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 11111,
        *,
        timeout: float = 12.0,
        rsa_key: str | Path | None = None,
        body_format: Literal["protobuf", "json"] = "protobuf",
    ) -> None:
        self._link = Link(typed_options(host, port, timeout, rsa_key, body_format))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def connect(self) -> None:
        """Connect now, once, instead of at the first question. Raises ConnectionLost, and QotGateError where
        the key cannot be read."""
        self._link.connect()

    def close(self) -> None:
        """Close; later calls raise ConnectionLost."""
        self._link.close()

    def global_state(self) -> GlobalState:
        """The states of the markets, and the gateway's clock."""
        return self._link.ask(questions.global_state())

    def ark_dynamic(self, security: Security | str, *, as_of: date | None = None) -> StockDynamic:
        """How the ARK funds trade a stock, such as ``US.TSLA``."""
        return self._link.ask(questions.ark_dynamic(security, as_of))

    def ark_dynamics(
        self, securities: Iterable[Security | str], *, as_of: date | None = None
    ) -> Rows[StockDynamic]:
        """The dynamics of many stocks, in their order, sent together on one connection. Where the allowance
        runs out, waits for it instead of raising RateLimited."""
        asked = [questions.ark_dynamic(security, as_of) for security in securities]
        return Rows(StockDynamic, self._link.ask_all(asked))

    def rating_changes(
        self,
        market: Market | str,
        change_type: RatingChangeType | str = RatingChangeType.UPGRADE,
        *,
        as_of: date | None = None,
        page_size: int = 20,
    ) -> PagedRows[RatingChange]:
        """How analysts changed their ratings in ``market`` (US or CA), newest first: all pages of it, asked
        for as they are iterated, ``page_size`` (1 to 20) rows at a time."""
        asked = chosen(Market, "market", market), chosen(RatingChangeType, "change_type", change_type)
        rows = page_rows(page_size, 20)

        def page(cursor: str | None) -> Page[RatingChange]:
            return self._link.ask(questions.rating_changes(*asked, rows, cursor, as_of))

        return PagedRows(RatingChange, page, self._link.pause)

    def fund_holdings(
        self,
        holding_type: ArkHoldingType | str = ArkHoldingType.POSITION,
        cycle: ArkCycleType | str = ArkCycleType.ONE_DAY,
        *,
        sort_field: ArkFundHoldingSortField | str = ArkFundHoldingSortField.SHARES,
        sort_dir: RankSortDir | str = RankSortDir.DESCENDING,
        as_of: date | None = None,
        page_size: int = 200,
    ) -> PagedRows[FundHolding]:
        """What the ARK funds hold together, or what changed over ``cycle``: all pages, ``page_size`` (1 to
        200) rows at a time."""
        asked = (
            chosen(ArkHoldingType, "holding_type", holding_type),
            chosen(ArkCycleType, "cycle", cycle),
            chosen(ArkFundHoldingSortField, "sort_field", sort_field),
            chosen(RankSortDir, "sort_dir", sort_dir),
            page_rows(page_size, 200),
        )

        def page(cursor: str | None) -> Page[FundHolding]:
            return self._link.ask(questions.fund_holdings(*asked, cursor, as_of))

        return PagedRows(FundHolding, page, self._link.pause)

    def active_transactions(
        self,
        holding_type: ArkActiveTransactionHoldingType | str = ArkActiveTransactionHoldingType.INCREASE,
        cycle: ArkCycleType | str = ArkCycleType.ONE_DAY,
        *,
        sort_field: ArkActiveTransactionSortField | str = ArkActiveTransactionSortField.CHANGE_AMOUNT,
        sort_dir: RankSortDir | str = RankSortDir.DESCENDING,
        as_of: date | None = None,
        page_size: int = 200,
    ) -> PagedRows[ActiveTransaction]:
        """What the ARK funds actively bought and sold over ``cycle``: all pages, ``page_size`` (1 to 200)
        rows at a time."""
        asked = (
            chosen(ArkActiveTransactionHoldingType, "holding_type", holding_type),
            chosen(ArkCycleType, "cycle", cycle),
            chosen(ArkActiveTransactionSortField, "sort_field", sort_field),
            chosen(RankSortDir, "sort_dir", sort_dir),
            page_rows(page_size, 200),
        )

        def page(cursor: str | None) -> Page[ActiveTransaction]:
            return self._link.ask(questions.active_transactions(*asked, cursor, as_of))

        return PagedRows(ActiveTransaction, page, self._link.pause)
