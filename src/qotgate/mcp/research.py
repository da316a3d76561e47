"""The tools about trades of all stocks, streaks, and the analyst consensus."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import islice
from typing import Annotated, Any, Literal

from pydantic import Field

from qotgate.mcp.tools import ROWS_DEFAULT, AsOf, Code, Lang, Services
from qotgate.model import Security
from qotgate.model.research import Streak, Trade
from qotgate.protocol.research import LONGEST_STREAK, STREAKS, TRADES, ResearchTable
from qotgate.service.questions import Questions
from qotgate.service.ratings.summary import analyst_consensus
from qotgate.service.research import parts
from qotgate.web.days import Day
from qotgate.web.opinions_api import Consensus
from qotgate.web.shapes import KNOWN_TO, Shape, noted

ROWS_MOST = 200

Count = Annotated[int, Field(ge=1, le=ROWS_MOST)]
Skip = Annotated[int, Field(ge=0, description="The number of rows to skip: those of earlier answers.")]


class Rows(Shape):
    known_to: date | None = KNOWN_TO
    note: str | None = Field(None, description="The unknown codes, with suggestions.")
    more: bool = Field(
        description="Whether more rows follow: ask again with a larger skip, or for fewer days or codes."
    )


class Trades(Rows):
    """Each fund's trades, oldest first. A row with ``untold`` marks days whose trades are unknown."""

    rows: list[Trade]


class Streaks(Rows):
    """Securities that the ARK funds bought or sold repeatedly, up to the last day."""

    rows: list[Streak]


class ResearchTools:
    """The questions, each a method with a typed answer. All raise QotGateError."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def ark_trades_of_all(
        self,
        start: Day,
        end: Annotated[Day | None, Field(description="The last known day unless given.")] = None,
        codes: Annotated[
            list[str] | None, Field(description="Stocks, as MARKET.CODE; all unless given.")
        ] = None,
        funds: Annotated[list[str] | None, Field(description="Such as ARKK; all unless given.")] = None,
        count: Count = ROWS_DEFAULT,
        skip: Skip = 0,
        as_of: AsOf = None,
        lang: Lang = "en",
    ) -> Trades:
        """Each ARK fund's trades over all stocks, or some, from one day to another: shares, USD, ground,
        confidence, file and line."""
        given = {"start": start, "end": end, "codes": codes, "funds": funds, "as_of": as_of}
        return Trades(**_page(self._services.questions[lang], TRADES, given, skip, count))

    def streaks(
        self,
        side: Literal["ALL", "BUY", "SELL"] = "ALL",
        days: Annotated[int, Field(ge=2, le=LONGEST_STREAK, description="The least number in a row.")] = 3,
        count: Count = ROWS_DEFAULT,
        skip: Skip = 0,
        as_of: AsOf = None,
        lang: Lang = "en",
    ) -> Streaks:
        """Securities that the ARK funds bought or sold on at least this many consecutive trading days, or in
        this many consecutive transactions. The field kind tells which."""
        given = {"side": side, "days": days, "as_of": as_of}
        return Streaks(**_page(self._services.questions[lang], STREAKS, given, skip, count))

    def analyst_consensus(self, security: Code, as_of: AsOf = None, lang: Lang = "en") -> Consensus:
        """The analysts' consensus on one stock: the number at each level, and the range of targets."""
        asked = Security.parse(security, "security")
        answer = analyst_consensus(self._services.questions[lang], asked, as_of)
        search = self._services.search
        found = Consensus.of(search.look_up(asked, lang), as_of, answer)
        return noted(found, search.note(asked, lang, in_ratings=True))


def _page(
    questions: Questions, table: ResearchTable[Any], given: dict[str, Any], skip: int, count: int
) -> dict[str, Any]:
    """Up to ``count`` rows of a table after the first ``skip``; reads only as far as needed."""
    known_to: date | None = None
    note: str | None = None

    def rows() -> Iterator[tuple[Any, ...]]:
        nonlocal known_to, note
        for part in parts(questions, table, table.values(_texts(given))):
            known_to, note = part.known_to, note or part.note
            yield from part.rows

    found = list(islice(rows(), skip, skip + count + 1))
    shown = [table.row(*row) for row in found[:count]]
    return {"known_to": known_to, "note": note, "more": len(found) > count, "rows": shown}


def _texts(given: dict[str, Any]) -> dict[str, Sequence[str]]:
    """Parameters as text, as the description of a table reads them."""
    return {
        name: [str(one) for one in (value if isinstance(value, list) else [value])]
        for name, value in given.items()
        if value is not None
    }


RESEARCH_TOOLS = (
    ResearchTools.ark_trades_of_all,
    ResearchTools.streaks,
    ResearchTools.analyst_consensus,
)
