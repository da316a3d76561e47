"""Markets and securities, written as usual: ``US.TSLA``, ``HK.09923``, ``US.MOG.A``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Self

from qotgate.model.errors import InvalidRequest

CODE_LENGTH = 64
SHOWN = 80


class Market(StrEnum):
    """The markets of codes, by the prefix of the code."""

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
    """The state of a market's session, by its published name; this gateway uses some of them."""

    UNKNOWN = "N/A"
    NONE = "NONE"
    AUCTION = "AUCTION"
    WAITING_OPEN = "WAITING_OPEN"
    MORNING = "MORNING"
    REST = "REST"
    AFTERNOON = "AFTERNOON"
    CLOSED = "CLOSED"
    PRE_MARKET_BEGIN = "PRE_MARKET_BEGIN"
    PRE_MARKET_END = "PRE_MARKET_END"
    AFTER_HOURS_BEGIN = "AFTER_HOURS_BEGIN"
    AFTER_HOURS_END = "AFTER_HOURS_END"
    NIGHT_OPEN = "NIGHT_OPEN"
    NIGHT_END = "NIGHT_END"
    FUTURE_DAY_OPEN = "FUTURE_DAY_OPEN"
    FUTURE_DAY_BREAK = "FUTURE_DAY_BREAK"
    FUTURE_DAY_CLOSE = "FUTURE_DAY_CLOSE"
    FUTURE_DAY_WAIT_OPEN = "FUTURE_DAY_WAIT_OPEN"
    HK_CAS = "HK_CAS"
    FUTURE_NIGHT_WAIT = "FUTURE_NIGHT_WAIT"
    FUTURE_AFTERNOON = "FUTURE_AFTERNOON"
    FUTURE_SWITCH_DATE = "FUTURE_SWITCH_DATE"
    FUTURE_OPEN = "FUTURE_OPEN"
    FUTURE_BREAK = "FUTURE_BREAK"
    FUTURE_BREAK_OVER = "FUTURE_BREAK_OVER"
    FUTURE_CLOSE = "FUTURE_CLOSE"
    ASHARE_AFTER_HOURS_WAIT = "ASHARE_AFTER_HOURS_WAIT"
    ASHARE_AFTER_HOURS_BEGIN = "ASHARE_AFTER_HOURS_BEGIN"
    ASHARE_AFTER_HOURS_END = "ASHARE_AFTER_HOURS_END"
    NIGHT = "NIGHT"
    TRADE_AT_LAST = "TRADE_AT_LAST"
    OVERNIGHT = "OVERNIGHT"


@dataclass(frozen=True, slots=True)
class TradingDay:
    """A day on which a market trades; ``morning_only`` if it closes early."""

    day: date
    morning_only: bool


DAYS_UNLESS_NAMED = timedelta(days=365)


def span_of_days(start: date | None, end: date | None, today: date) -> tuple[date, date]:
    """The first and the last day of a question about trading days, as in the published clients: the year from
    ``start``, or the year up to ``end``, which is ``today`` if neither is given."""
    if start is None:
        last = end or today
        return max(last, date.min + DAYS_UNLESS_NAMED) - DAYS_UNLESS_NAMED, last
    return start, end or min(start, date.max - DAYS_UNLESS_NAMED) + DAYS_UNLESS_NAMED


class ProgramStatus(StrEnum):
    """The state of the server program, by its published name; this gateway is always READY."""

    UNKNOWN = "N/A"
    LOADED = "LOADED"
    LOGING = "LOGING"
    NEED_PIC_VERIFY_CODE = "NEED_PIC_VERIFY_CODE"
    NEED_PHONE_VERIFY_CODE = "NEED_PHONE_VERIFY_CODE"
    LOGIN_FAILED = "LOGIN_FAILED"
    FORCE_UPDATE = "FORCE_UPDATE"
    NESSARY_DATA_PREPARING = "NESSARY_DATA_PREPARING"
    NESSARY_DATA_MISSING = "NESSARY_DATA_MISSING"
    UN_AGREE_DISCLAIMER = "UN_AGREE_DISCLAIMER"
    READY = "READY"
    FORCE_LOGOUT = "FORCE_LOGOUT"


@dataclass(frozen=True, slots=True)
class GlobalState:
    """The states of the markets at ``time`` (UTC, whole seconds), and of the server program."""

    markets: Mapping[Market, MarketState] = field(hash=False)
    program_status: ProgramStatus
    server_version: int
    time: datetime


@dataclass(frozen=True, slots=True, order=True)
class Security:
    """A listing: a market and the code within it."""

    market: Market
    code: str

    @classmethod
    def parse(cls, text: str, parameter: str = "security") -> Self:
        """Read ``MARKET.CODE``, in any case; the code may contain dots (``US.MOG.A``).

        Codes become upper case, except futures (``HK_FUTURE.HSImain``), which stay as they are. Raises
        InvalidRequest, which names ``parameter``.
        """
        market, dot, code = text.partition(".")
        market = market.upper()
        if market != Market.HK_FUTURE:
            code = code.upper()
        fits = 0 < len(code) <= CODE_LENGTH and code.isprintable() and code == code.strip()
        if not dot or not fits or market not in Market.__members__:
            raise InvalidRequest("code", parameter=parameter, value=text[:SHOWN])
        return cls(Market[market], code)

    def __str__(self) -> str:
        return f"{self.market}.{self.code}"


@dataclass(frozen=True, slots=True)
class SecurityState:
    """The state of a security's market; ``name`` is empty if unknown."""

    security: Security
    name: str
    state: MarketState


@dataclass(frozen=True, slots=True)
class UserInfo:
    """A user's rights on a server.

    ``quote_rights`` has the published word for each kind of quotes, such as LV1 for ``us_option``; NO means
    none. The quotas are the allowed numbers of subscriptions and of stocks with historical K-lines.
    """

    nick_name: str
    user_id: int
    quote_rights: Mapping[str, str] = field(hash=False)
    subscription_quota: int
    history_quota: int
    disclaimer_pending: bool
