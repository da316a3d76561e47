"""The research tables of :class:`~qotgate.client.QuoteClient`: many stocks, many days, in one call each.

Each call returns rows that are fetched part by part during iteration, and convert to tables: ``to_pandas()``,
``to_polars()``, ``to_arrow()``; ``batches()`` gives one part at a time. The row classes in
:mod:`qotgate.model.research` describe the columns. The tables are qotgate's own: OpenD does not have them.
"""

from typing import TYPE_CHECKING, Any, Literal, TypeVar

from qotgate.client.link import Link
from qotgate.client.questions import research_part
from qotgate.client.rows import StreamedRows
from qotgate.client.tables import Codes, Day, Texts, given, upgrades_downgrades
from qotgate.model import Language, Part
from qotgate.model.research import (
    CoveredDays,
    HoldingLine,
    LatestDay,
    PositionOfDay,
    RatingNote,
    Streak,
    Trade,
    Transaction,
)
from qotgate.protocol.research import (
    COVERAGE,
    HOLDINGS,
    LATEST_DAYS,
    NOTES,
    POSITIONS,
    STREAKS,
    TRADES,
    TRANSACTIONS,
    ResearchTable,
)

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


class ResearchCalls:
    """Calls over many stocks and days.

    Codes are MARKET.CODE, one or several; None means all. ``funds`` are ARK funds; None means the gateway's
    default. ``start`` and ``end`` are days, both included; None means the first and the last known day.
    ``as_of`` gives the answer as it was known at the end of that day, in its share units. ``lang`` is the
    language of names, zh or en. An empty list of codes gives no rows. Iterating raises InvalidRequest for a
    wrong parameter. It also raises if a load has changed the data between two parts: then repeat the call.
    """

    _link: Link

    def ark_trades(
        self,
        start: Day | None = None,
        end: Day | None = None,
        codes: Codes | None = None,
        funds: Texts | None = None,
        *,
        as_of: Day | None = None,
        lang: Language | None = None,
    ) -> StreamedRows[Trade, Part[Trade]]:
        """Each fund's trades, with ground, confidence, file and line; days with unknown trades are rows too
        (``untold``)."""
        return self._table(TRADES, lang, start=start, end=end, codes=codes, funds=funds, as_of=as_of)

    def ark_transactions(
        self,
        start: Day | None = None,
        end: Day | None = None,
        codes: Codes | None = None,
        funds: Texts | None = None,
        *,
        as_of: Day | None = None,
        lang: Language | None = None,
    ) -> StreamedRows[Transaction, Part[Transaction]]:
        """The funds' combined trades day by day, as the dynamics count them."""
        return self._table(TRANSACTIONS, lang, start=start, end=end, codes=codes, funds=funds, as_of=as_of)

    def ark_positions(
        self,
        codes: Codes | None = None,
        start: Day | None = None,
        end: Day | None = None,
        funds: Texts | None = None,
        *,
        as_of: Day | None = None,
        lang: Language | None = None,
    ) -> StreamedRows[PositionOfDay, Part[PositionOfDay]]:
        """Each fund's positions at the end of each day."""
        return self._table(POSITIONS, lang, start=start, end=end, codes=codes, funds=funds, as_of=as_of)

    def ark_holdings(
        self,
        start: Day | None = None,
        end: Day | None = None,
        funds: Texts | None = None,
        *,
        lang: Language | None = None,
    ) -> StreamedRows[HoldingLine, Part[HoldingLine]]:
        """The lines of the funds' holdings files, cash included."""
        return self._table(HOLDINGS, lang, start=start, end=end, funds=funds)

    def rating_notes(
        self,
        start: Day | None = None,
        end: Day | None = None,
        codes: Codes | None = None,
        institutions: Texts | None = None,
        *,
        market: Literal["US", "CA"] | None = None,
        lang: Language | None = None,
    ) -> StreamedRows[RatingNote, Part[RatingNote]]:
        """All notes of analysts in the order of their days, including those that change nothing; for changes
        alone, see ``rating_changes``. ``institutions`` are names in either language, or feeds' spellings."""
        return self._table(
            NOTES, lang, start=start, end=end, codes=codes, institutions=institutions, market=market
        )

    def upgrades_downgrades(
        self, code: str, start: Day | None = None, end: Day | None = None
    ) -> "pd.DataFrame":
        """The notes on a stock in the format of yfinance's ``Ticker.upgrades_downgrades``. A code without a
        market, such as AAPL, is a US code. Raises ImportError without pandas."""
        security = code if "." in code else f"US.{code}"
        notes = self.rating_notes(codes=security).rows()
        return upgrades_downgrades(notes, start, end)

    def coverage(self) -> StreamedRows[CoveredDays, Part[CoveredDays]]:
        """The known days by fund and market, and the gaps in them."""
        return self._table(COVERAGE, None)

    def latest_days(self) -> StreamedRows[LatestDay, Part[LatestDay]]:
        """The last known day of each fund's trades and holdings, and of each market's ratings."""
        return self._table(LATEST_DAYS, None)

    def streaks(
        self,
        side: Literal["ALL", "BUY", "SELL"] = "ALL",
        days: int = 3,
        as_of: Day | None = None,
        *,
        funds: Texts | None = None,
        lang: Language | None = None,
    ) -> StreamedRows[Streak, Part[Streak]]:
        """The securities that the funds in sum bought or sold on at least ``days`` consecutive trading days
        up to the last one, or in at least as many consecutive transactions; ``kind`` tells the two apart."""
        return self._table(STREAKS, lang, side=side, days=days, as_of=as_of, funds=funds)

    def _table(
        self, table: ResearchTable[T], lang: Language | None, **parameters: Any
    ) -> StreamedRows[T, Part[T]]:
        texts = given(**parameters)
        return StreamedRows(
            table.row,
            lambda cursor: self._link.ask(research_part(table, texts, lang, cursor)),
            self._link.wait,
        )
