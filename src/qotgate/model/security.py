"""Markets and securities, written as the field writes them: ``US.TSLA``, ``HK.09923``, ``US.MOG.A``."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from qotgate.model.errors import InvalidRequest

CODE_LENGTH = 64
SHOWN = 80


class Market(StrEnum):
    """The markets that a code can belong to, by the prefix of the code."""

    HK = "HK"
    HK_FUTURE = "HK_FUTURE"
    US = "US"
    SH = "SH"
    SZ = "SZ"
    SG = "SG"
    JP = "JP"
    AU = "AU"
    MY = "MY"
    CA = "CA"
    FX = "FX"
    CC = "CC"


class MarketState(StrEnum):
    """The state of a market's session, by its published name."""

    NONE = "NONE"
    MORNING = "MORNING"
    REST = "REST"
    AFTERNOON = "AFTERNOON"
    CLOSED = "CLOSED"
    PRE_MARKET_BEGIN = "PRE_MARKET_BEGIN"
    AFTER_HOURS_BEGIN = "AFTER_HOURS_BEGIN"


@dataclass(frozen=True, slots=True, order=True)
class Security:
    """A listing: a market and the code within it."""

    market: Market
    code: str

    @classmethod
    def parse(cls, text: str, parameter: str = "security") -> Self:
        """Read ``MARKET.CODE``; the code may itself hold dots (``US.MOG.A``).

        Raises InvalidRequest, naming ``parameter``.
        """
        market, dot, code = text.partition(".")
        fits = 0 < len(code) <= CODE_LENGTH and code.isprintable() and code == code.strip()
        if not dot or not fits or market not in Market.__members__:
            raise InvalidRequest("code", parameter=parameter, value=text[:SHOWN])
        return cls(Market[market], code)

    def __str__(self) -> str:
        return f"{self.market}.{self.code}"
