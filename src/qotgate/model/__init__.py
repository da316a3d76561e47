"""The words that every room shares."""

from qotgate.model.addresses import is_loopback
from qotgate.model.ark import (
    ACTIVE_FUNDS,
    ActiveTransaction,
    ArkActiveTransactionHoldingType,
    ArkActiveTransactionSortField,
    ArkCycleType,
    ArkDynamic,
    ArkFundHoldingSortField,
    ArkHoldingType,
    DynamicType,
    FundHolding,
    Holding,
    Notice,
    RankSortDir,
    StockDynamic,
    TradeEvidence,
)
from qotgate.model.errors import (
    InvalidRequest,
    NothingLoaded,
    ProtocolError,
    QotGateError,
    RateLimited,
    Refused,
    StoreError,
    Unavailable,
    Unreadable,
)
from qotgate.model.files import FileKind, ParsedFile, Reject
from qotgate.model.page import Page
from qotgate.model.ratings import Grade, Note, RatingChange, RatingChangeType, RatingLevel
from qotgate.model.security import GlobalState, Market, MarketState, ProgramStatus, Security
from qotgate.model.sentences import Language

__all__ = [
    "ACTIVE_FUNDS",
    "ActiveTransaction",
    "ArkActiveTransactionHoldingType",
    "ArkActiveTransactionSortField",
    "ArkCycleType",
    "ArkDynamic",
    "ArkFundHoldingSortField",
    "ArkHoldingType",
    "DynamicType",
    "FileKind",
    "FundHolding",
    "GlobalState",
    "Grade",
    "Holding",
    "InvalidRequest",
    "Language",
    "Market",
    "MarketState",
    "Note",
    "NothingLoaded",
    "Notice",
    "Page",
    "ParsedFile",
    "ProgramStatus",
    "ProtocolError",
    "QotGateError",
    "RankSortDir",
    "RateLimited",
    "RatingChange",
    "RatingChangeType",
    "RatingLevel",
    "Refused",
    "Reject",
    "Security",
    "StockDynamic",
    "StoreError",
    "TradeEvidence",
    "Unavailable",
    "Unreadable",
    "is_loopback",
]
