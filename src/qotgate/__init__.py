"""qotgate: an open gateway that speaks the OpenD protocol, and a client for it.

``from qotgate import *`` gives what scripts written against the published clients use.
"""

from qotgate.client import RET_ERROR, RET_OK, OpenQuoteContext
from qotgate.model import DynamicType as ArkDynamicType
from qotgate.model import Market, RatingChangeType, RatingLevel

__version__ = "0.1.0"
__all__ = [
    "RET_ERROR",
    "RET_OK",
    "ArkDynamicType",
    "Market",
    "OpenQuoteContext",
    "RatingChangeType",
    "RatingLevel",
]
