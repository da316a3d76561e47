"""qotgate: an open gateway that speaks the OpenD protocol, and clients for it.

``from qotgate import *`` provides the names that scripts written against the published clients use;
``QuoteClient`` and ``AsyncQuoteClient`` are the typed clients.

Every import of a part of the package runs this module, even the gateway's, which needs no client. So these
names are imported at first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qotgate.model.version import __version__ as __version__

if TYPE_CHECKING:
    from qotgate.client import (
        RET_ERROR,
        RET_OK,
        AsyncPagedRows,
        AsyncQuoteClient,
        ConnectionLost,
        OpenQuoteContext,
        PagedRows,
        ProtoFMT,
        QuoteClient,
        Rows,
        SysConfig,
        Timeout,
    )
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
        InvalidRequest,
        Market,
        MarketState,
        ProgramStatus,
        ProtocolError,
        QotGateError,
        RankSortDir,
        RateLimited,
        RatingChange,
        RatingChangeType,
        RatingLevel,
        Refused,
        Security,
        SecurityState,
        StockDynamic,
        TradingDay,
        Unavailable,
        UntoldDays,
        UserInfo,
    )
    from qotgate.model import DynamicType as ArkDynamicType

__all__ = [
    "RET_ERROR",
    "RET_OK",
    "ActiveTransaction",
    "AnalystConsensus",
    "ArkActiveTransactionHoldingType",
    "ArkActiveTransactionSortField",
    "ArkCycleType",
    "ArkDynamicType",
    "ArkFundHoldingSortField",
    "ArkHoldingType",
    "AsyncPagedRows",
    "AsyncQuoteClient",
    "ConnectionLost",
    "FundHolding",
    "GlobalState",
    "InstitutionRating",
    "InvalidRequest",
    "Market",
    "MarketState",
    "OpenQuoteContext",
    "PagedRows",
    "ProgramStatus",
    "ProtoFMT",
    "ProtocolError",
    "QotGateError",
    "QuoteClient",
    "RankSortDir",
    "RateLimited",
    "RatingChange",
    "RatingChangeType",
    "RatingLevel",
    "Refused",
    "Rows",
    "Security",
    "SecurityState",
    "StockDynamic",
    "SysConfig",
    "Timeout",
    "TradingDay",
    "Unavailable",
    "UntoldDays",
    "UserInfo",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    client, model = import_module("qotgate.client"), import_module("qotgate.model")
    if name == "ArkDynamicType":
        found = model.DynamicType
    else:
        found = getattr(client if name in client.__all__ else model, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
