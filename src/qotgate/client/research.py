"""The research tables of :class:`~qotgate.client.QuoteClient`: many stocks, many days, in one call each.

Each call gives rows that are asked for in parts as they are iterated, and turn into tables: ``to_pandas()``,
``to_polars()``, ``to_arrow()``; ``batches()`` gives them a part at a time. What the columns are stands with
the rows' classes in :mod:`qotgate.model.research`. They are qotgate's own: OpenD does not know them.
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

    Codes are MARKET.CODE, one or several, all where they are None. ``funds`` are ARK funds, those of the
    gateway where they are None. ``start`` and ``end`` are days, both within, the first and the last known one
    where they are None. ``as_of`` gives the answer as it was known at the end of that day, in its share
    units. ``lang`` is the language of names, zh or en. Where nothing is wanted, as with an empty list of
    codes, there are no rows. Iterating raises InvalidRequest for what is wrong, also where a load has changed
    the data between two parts: then the call is to be made again.
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
        """What each fund traded, with its ground, confidence, file and line; days that are not told are rows,
        too (``untold``)."""
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
        """What the funds traded together day by day, as the dynamics count it."""
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
        """What each fund held at the end of each day."""
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
        """All notes of analysts in the order of their days, those that change nothing among them; changes
        alone are ``rating_changes``. ``institutions`` are names in either language, or spellings."""
        return self._table(
            NOTES, lang, start=start, end=end, codes=codes, institutions=institutions, market=market
        )

    def upgrades_downgrades(
        self, code: str, start: Day | None = None, end: Day | None = None
    ) -> "pd.DataFrame":
        """The notes on a stock in the shape of yfinance's ``Ticker.upgrades_downgrades``. A code without a
        market, such as AAPL, is of the US. Raises ImportError without pandas."""
        security = code if "." in code else f"US.{code}"
        notes = self.rating_notes(codes=security).rows()
        return upgrades_downgrades(notes, start, end)

    def coverage(self) -> StreamedRows[CoveredDays, Part[CoveredDays]]:
        """What is known from when to when, by fund and market, and the holes in it."""
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
        """What the funds together bought or sold on at least ``days`` trading days in a row up to the last
        one, or in at least as many transactions in a row; ``kind`` tells the two apart."""
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
