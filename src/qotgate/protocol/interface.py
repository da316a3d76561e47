"""The list questions, each described once.

A description provides the messages (:mod:`qotgate.protocol.answers`), the gateway's dispatch, the clients'
requests and tables, the rows of the HTTP API and the commands' options and tables. A new field of a row takes
a column here, a field in the .proto file and in the model's dataclass, and the code that computes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from qotgate.model import (
    ActiveTransaction,
    ArkActiveTransactionHoldingType,
    ArkActiveTransactionSortField,
    ArkCycleType,
    ArkFundHoldingSortField,
    ArkHoldingType,
    FundHolding,
    InvalidRequest,
    RankSortDir,
    RatingChange,
    RatingChangeType,
    RatingLevel,
)
from qotgate.protocol.names import (
    CHANGE_TYPES,
    CYCLES,
    HOLDING_SORTS,
    HOLDING_TYPES,
    LEVELS,
    MARKETS,
    SORT_DIRS,
    TRANSACTION_SORTS,
    TRANSACTION_TYPES,
    ProtoId,
)

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Choice:
    """A parameter that takes one word of an enum.

    ``name`` is its name in Python and over HTTP, ``field`` its name in the C2S. ``numbers`` are the words'
    numbers on the wire. ``default`` is the word used when the request names none; without a default the
    request has to name one. ``sentence`` lists the accepted words, ``description`` is for the API's document.
    """

    name: str
    field: str
    numbers: Mapping[Any, int]
    default: Any
    sentence: str
    description: str = ""

    @property
    def words(self) -> type[StrEnum]:
        """The enum."""
        return type(next(iter(self.numbers)))

    @property
    def named_default(self) -> Any:
        """The default by its own name: one list has a number for "none is named" too."""
        if self.default is None or self.default.name != "UNKNOWN":
            return self.default
        return next(word for word in self.numbers if word is not self.default)

    @property
    def metavar(self) -> str:
        """The words as shown for a command's option."""
        return "|".join(word.name.lower() for word in self.numbers if word.name != "UNKNOWN")

    def word(self, number: int) -> Any:
        """The word of a number. Raises InvalidRequest for an unknown number."""
        for word, known in self.numbers.items():
            if known == number:
                return word
        raise InvalidRequest(self.sentence, value=number)


@dataclass(frozen=True, slots=True)
class Column:
    """A field of a row.

    ``name`` is its name in the model's dataclass, which gives its type, ``field`` its name in the message,
    and ``published`` its name in the published clients' tables (``name`` if empty). ``numbers`` are the
    numbers of its words; any other number is ``unknown``, or an error if that is None. ``omits_empty``: an
    empty text is absent. ``unit`` describes it in the API's document; ``heading`` and ``form`` show it in a
    command's table.
    """

    name: str
    field: str
    published: str = ""
    numbers: Mapping[Any, int] | None = None
    unknown: Any = None
    omits_empty: bool = False
    unit: str = ""
    heading: str = ""
    form: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ListQuestion(Generic[Row]):
    """A question whose answer is a list in pages of 1 to ``most`` rows, ``count`` by default.

    ``name`` is its name in the clients; :mod:`qotgate.service.calls` names the call that answers it. ``path``
    is its place in the HTTP API, empty if it has its own endpoint, and ``description`` is for the API's
    document. ``left_out``: the answer lists the funds that its sums leave out.
    """

    name: str
    proto_id: ProtoId
    row: type[Row]
    choices: tuple[Choice, ...]
    columns: tuple[Column, ...]
    count: int
    most: int
    path: str = ""
    description: str = ""
    left_out: bool = False


_SECURITY = Column("security", "security", heading="security")
_LISTED = Column("security", "security", unit="Null if the holding maps to no code.", heading="security")
_CYCLE = Choice(
    "cycle_type",
    "cycleType",
    CYCLES,
    ArkCycleType.ONE_DAY,
    "ark_cycle",
    "The number of trading days over which a change is measured.",
)
_SORT_DIR = Choice("sort_dir", "sortDir", SORT_DIRS, RankSortDir.DESCENDING, "sort_dir")

FUND_HOLDINGS = ListQuestion(
    "fund_holdings",
    ProtoId.Qot_GetArkFundHolding,
    FundHolding,
    (
        Choice("holding_type", "holdingType", HOLDING_TYPES, ArkHoldingType.POSITION, "ark_holding_type"),
        _CYCLE,
        Choice("sort_field", "sortField", HOLDING_SORTS, ArkFundHoldingSortField.SHARES, "ark_holding_sort"),
        _SORT_DIR,
    ),
    (
        _LISTED,
        Column("name", "name", omits_empty=True, heading="name"),
        Column("shares", "shares", heading="shares", form=","),
        Column("shares_change", "sharesChange", heading="change", form="+,"),
        Column("market_value", "marketValue", unit="USD.", heading="USD", form=",.0f"),
        Column("weight", "weight", unit="Percent of the funds' total.", heading="weight %", form=".2f"),
        Column("weight_change", "weightChange", unit="Percentage points.", heading="change", form="+.2f"),
    ),
    count=20,
    most=200,
    path="ark/holdings",
    description="The ARK funds' combined holdings, and their changes over a cycle.",
    left_out=True,
)
ACTIVE_TRANSACTIONS = ListQuestion(
    "active_transactions",
    ProtoId.Qot_GetArkActiveTransaction,
    ActiveTransaction,
    (
        Choice(
            "holding_type",
            "holdingType",
            TRANSACTION_TYPES,
            ArkActiveTransactionHoldingType.INCREASE,
            "ark_transaction_type",
        ),
        _CYCLE,
        Choice(
            "sort_field",
            "sortField",
            TRANSACTION_SORTS,
            ArkActiveTransactionSortField.UNKNOWN,
            "ark_transaction_sort",
        ),
        _SORT_DIR,
    ),
    (
        _LISTED,
        Column("name", "name", heading="name"),
        Column(
            "change_amount",
            "changeAmount",
            unit="USD, at the prices of the days; null if no price is known.",
            heading="USD",
            form="+,.2f",
        ),
        Column(
            "change_shares",
            "changeShares",
            unit="In share units of the requested day.",
            heading="shares",
            form="+,",
        ),
    ),
    count=50,
    most=200,
    path="ark/active-transactions",
    description="The ARK funds' combined active purchases and sales over a cycle, without fund flows.",
    left_out=True,
)
RATING_CHANGES = ListQuestion(
    "rating_changes",
    ProtoId.Qot_GetRatingChange,
    RatingChange,
    (
        Choice("market", "market", MARKETS, None, "rating_market"),
        Choice("change_type", "changeType", CHANGE_TYPES, RatingChangeType.UPGRADE, "change_type"),
    ),
    (
        _SECURITY,
        Column("name", "name"),
        Column("rating", "rating", numbers=LEVELS, unknown=RatingLevel.UNKNOWN),
        Column("last_rating", "lastRating", numbers=LEVELS, unknown=RatingLevel.UNKNOWN),
        Column("target_price", "targetPrice"),
        Column("last_target_price", "lastTargetPrice"),
        Column("change_type", "changeType", numbers=CHANGE_TYPES),
        Column("institution", "institutionName", published="institution_name"),
        Column("day", "recommendationDate", published="recommendation_date"),
        Column("last_day", "lastRecommendationDate", published="last_recommendation_date"),
    ),
    count=10,
    most=20,
)
LIST_QUESTIONS: tuple[ListQuestion[Any], ...] = (FUND_HOLDINGS, ACTIVE_TRANSACTIONS, RATING_CHANGES)
OWN_QUESTIONS = frozenset(
    {
        *(question.proto_id for question in LIST_QUESTIONS),
        ProtoId.Qot_GetArkStockDynamic,
        ProtoId.Qot_GetResearchAnalystConsensus,
        ProtoId.Qot_GetResearchRatingSummary,
    }
)
"""The questions that the gateway answers from the user's data, also with an OpenD behind it."""
