"""The tools. Each asks the services one question and answers in the row types of the HTTP API."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, Protocol

from pydantic import Field

from qotgate.model import (
    ArkActiveTransactionHoldingType,
    ArkActiveTransactionSortField,
    ArkCycleType,
    ArkFundHoldingSortField,
    ArkHoldingType,
    InvalidRequest,
    Language,
    Market,
    RankSortDir,
    RatingChangeType,
    Security,
)
from qotgate.protocol.interface import ACTIVE_TRANSACTIONS, FUND_HOLDINGS, RATING_CHANGES
from qotgate.service.ark.history import ark_history, ark_positions
from qotgate.service.ark.lists import active_transactions, fund_holdings
from qotgate.service.coverage import provenance
from qotgate.service.questions import Questions, of_fund
from qotgate.service.ratings.changes import rating_listing
from qotgate.service.search import Search
from qotgate.web.days import Day
from qotgate.web.shapes import (
    Coverage,
    Dynamic,
    HoleRow,
    PositionRow,
    Positions,
    RatingChanges,
    Securities,
    SecurityRow,
    TransactionRow,
    Transactions,
    list_shape,
    noted,
    page_of,
)

FOUND_MOST = 50
DAYS_DEFAULT = 5
DAYS_MOST = 60
ROWS_DEFAULT = 10

Holdings = list_shape(FUND_HOLDINGS)
ActiveTransactions = list_shape(ACTIVE_TRANSACTIONS)
_COUNT = f"Rows, 1 to {FUND_HOLDINGS.most}."

Code = Annotated[str, Field(description="MARKET.CODE in any case, such as US.TSLA; search finds it by name.")]
AsOf = Annotated[
    Day | None,
    Field(
        description="YYYY-MM-DD: the answer as known at the end of that day; the last known day unless given."
    ),
]
Lang = Annotated[Literal["en", "zh"], Field(description="The language of names.")]
Days = Annotated[int, Field(ge=1, le=DAYS_MOST, description="The number of days, the latest ones.")]
Before = Annotated[
    Day | None, Field(description="Only days before this one: the more_before of an earlier answer.")
]
Page = Annotated[str | None, Field(description="The next_page of an earlier answer to the same question.")]
Fund = Annotated[str | None, Field(description="One fund, such as ARKK; all summed funds unless given.")]
Rows = Annotated[int, Field(ge=1, le=FUND_HOLDINGS.most, description=_COUNT)]
MORE_BEFORE = Field(description="The before of the next call; null if there are no earlier days.")


class Services(Protocol):
    """What the tools need: the questions in each language, and the search."""

    @property
    def questions(self) -> Mapping[Language, Questions]: ...

    @property
    def search(self) -> Search: ...

    def count(self, interface: str) -> None:
        """Count a call towards the allowance. Raises RateLimited."""


class LatestTransactions(Transactions):
    """The ARK funds' trades in a security on its latest days with trades, the latest first."""

    more_before: date | None = MORE_BEFORE


class LatestPositions(Positions):
    """The ARK funds' positions in a security at the end of the latest days, oldest first."""

    more_before: date | None = MORE_BEFORE


class Tools:
    """The questions, each a method with a typed answer. All raise QotGateError."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def search(
        self,
        query: Annotated[str, Field(max_length=100, description="A code, or part of a name in any script.")],
        count: Annotated[int, Field(ge=1, le=FOUND_MOST)] = ROWS_DEFAULT,
        lang: Lang = "en",
    ) -> Securities:
        """Find the code of a security by its name, among the securities with loaded data."""
        found = self._services.search.search(query, lang, count)
        return Securities(rows=[SecurityRow.of(one) for one in found])

    def coverage(self) -> Coverage:
        """The days that the loaded data covers, and the holes in it. Call it before other tools."""
        questions = self._services.questions["en"]
        found = provenance.coverage(questions.store, questions.funds)
        return Coverage(
            first_ark_day=found.first_ark_day,
            ark_day=found.ark_day,
            note_day=found.note_day,
            files=found.files,
            loaded_at=found.loaded_at,
            left_out=found.left_out,
            rows=[HoleRow.model_validate(hole) for hole in found.holes],
        )

    def ark_dynamic(self, security: Code, as_of: AsOf = None, lang: Lang = "en") -> Dynamic:
        """The ARK funds' recent trading of one stock in sum: direction, number of transactions, net shares,
        and the days whose trades are unknown. ark_trades shows the trades behind it."""
        asked = Security.parse(security, "security")
        history = ark_history(self._services.questions[lang], asked, as_of, days=0)
        found = self._services.search.look_up(asked, lang)
        return noted(Dynamic.of(found, as_of, history.as_of, history.answer), self._note(asked, lang))

    def ark_trades(
        self,
        security: Code,
        days: Days = DAYS_DEFAULT,
        before: Before = None,
        as_of: AsOf = None,
        lang: Lang = "en",
    ) -> LatestTransactions:
        """Each ARK fund's trades in one stock, day by day, with ground, confidence, and the files and lines
        of the evidence."""
        asked = Security.parse(security, "security")
        history = ark_history(self._services.questions[lang], asked, as_of, before, days)
        answer = LatestTransactions(
            security=str(asked),
            name=self._services.search.look_up(asked, lang).name,
            as_of=as_of or history.as_of,
            known_to=history.as_of,
            rows=[TransactionRow.model_validate(row) for row in history.transactions],
            more_before=history.more_before,
        )
        return noted(answer, self._note(asked, lang))

    def ark_positions(
        self,
        security: Code,
        days: Days = DAYS_DEFAULT,
        before: Before = None,
        as_of: AsOf = None,
        lang: Lang = "en",
    ) -> LatestPositions:
        """Each ARK fund's position in one stock at the end of each of the latest days: shares, value, weight,
        file and line."""
        asked = Security.parse(security, "security")
        known_to, positions = ark_positions(self._services.questions[lang], asked, as_of)
        known = sorted({row.day for row in positions if before is None or row.day < before})
        shown = known[-days:]
        answer = LatestPositions(
            security=str(asked),
            name=self._services.search.look_up(asked, lang).name,
            as_of=as_of or known_to,
            known_to=known_to,
            rows=[PositionRow.of(row) for row in positions if row.day in shown],
            more_before=shown[0] if len(shown) < len(known) else None,
        )
        return noted(answer, self._note(asked, lang))

    def ark_holdings(
        self,
        holding_type: Annotated[
            ArkHoldingType,
            Field(description="POSITION lists all holdings; the other types list changes over the cycle."),
        ] = ArkHoldingType.POSITION,
        cycle_type: ArkCycleType = ArkCycleType.ONE_DAY,
        sort_field: ArkFundHoldingSortField = ArkFundHoldingSortField.MARKET_VALUE,
        sort_dir: RankSortDir = RankSortDir.DESCENDING,
        fund: Fund = None,
        count: Rows = ROWS_DEFAULT,
        page: Page = None,
        as_of: AsOf = None,
        lang: Lang = "en",
    ) -> Holdings:  # type: ignore[valid-type]  # the shape is made from the description of the question
        """The ARK funds' combined holdings over all stocks, and their changes over 1 to 60 trading days."""
        questions = of_fund(self._services.questions[lang], fund)
        found = fund_holdings(questions, holding_type, cycle_type, sort_field, sort_dir, count, page, as_of)
        return page_of(Holdings, found)

    def ark_active_trades(
        self,
        holding_type: ArkActiveTransactionHoldingType = ArkActiveTransactionHoldingType.INCREASE,
        cycle_type: ArkCycleType = ArkCycleType.ONE_DAY,
        sort_field: ArkActiveTransactionSortField = ArkActiveTransactionSortField.CHANGE_AMOUNT,
        sort_dir: RankSortDir = RankSortDir.DESCENDING,
        fund: Fund = None,
        count: Rows = ROWS_DEFAULT,
        page: Page = None,
        as_of: AsOf = None,
        lang: Lang = "en",
    ) -> ActiveTransactions:  # type: ignore[valid-type]  # as above
        """The ARK funds' active purchases or sales over all stocks, in a cycle of 1 to 60 trading days."""
        questions = of_fund(self._services.questions[lang], fund)
        found = active_transactions(
            questions, holding_type, cycle_type, sort_field, sort_dir, count, page, as_of
        )
        return page_of(ActiveTransactions, found)

    def rating_changes(
        self,
        security: Annotated[str | None, Field(description="One stock, as MARKET.CODE.")] = None,
        market: Annotated[Literal["US", "CA"] | None, Field(description="Both unless given.")] = None,
        change_type: Annotated[
            Literal["UPGRADE", "DOWNGRADE", "NEW_RATING"] | None, Field(description="All unless given.")
        ] = None,
        institution: Annotated[
            str | None, Field(description="Its name in English or Chinese, such as UBS.")
        ] = None,
        count: Annotated[int, Field(ge=1, le=RATING_CHANGES.most)] = ROWS_DEFAULT,
        page: Page = None,
        as_of: AsOf = None,
        lang: Lang = "en",
    ) -> RatingChanges:
        """Analysts' changes of ratings and targets, newest first: old and new values, institution, file and
        line."""
        listed = Security.parse(security, "security") if security else None
        if listed and market and listed.market != market:
            raise InvalidRequest("market_of_security", market=market, value=security)
        found = rating_listing(
            self._services.questions[lang],
            market=Market(market) if market else None,
            change_type=RatingChangeType(change_type) if change_type else None,
            security=listed,
            institution=institution,
            count=count,
            page=page,
            as_of=as_of,
        )
        note = None if listed is None else self._note(listed, lang, in_ratings=True)
        return noted(RatingChanges.of(found), note)

    def _note(self, security: Security, lang: Language, *, in_ratings: bool = False) -> str | None:
        return self._services.search.note(security, lang, in_ratings=in_ratings)


TOOLS = (
    Tools.search,
    Tools.coverage,
    Tools.ark_dynamic,
    Tools.ark_trades,
    Tools.ark_positions,
    Tools.ark_holdings,
    Tools.ark_active_trades,
    Tools.rating_changes,
)
