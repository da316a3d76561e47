"""The HTTP API of trading days, market states, and the user.

The answers depend on the clock, not on the data, so they have no entity tag.
"""

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from qotgate.model import Market, MarketState, Security
from qotgate.protocol.market_answers import RIGHT_WORDS
from qotgate.service.calendar import trading_days
from qotgate.service.markets import MAX_SECURITIES, USER, security_states
from qotgate.web.api import ANSWERS
from qotgate.web.asked import TheRequest
from qotgate.web.days import UPPER, Day
from qotgate.web.shapes import Shape

router = APIRouter(prefix="/api/v1", responses=ANSWERS, tags=["Markets"])


class TradingDayRow(Shape):
    """A day on which a market trades."""

    day: date
    morning_only: bool = Field(description="Whether it closes early.")


class TradingDays(Shape):
    """The trading days of a market, oldest first."""

    market: str
    rows: list[TradingDayRow]


class SecurityStateRow(Shape):
    """The state of the market of a security."""

    security: str
    name: str
    state: MarketState = Field(description="NONE if the market has no known calendar.")


class SecurityStates(Shape):
    """The states of the markets of some securities, in their order."""

    rows: list[SecurityStateRow]


class QuoteRight(Shape):
    """The right to one kind of quotes."""

    quotes: str = Field(examples=["us_option"])
    right: str = Field(description=f"One of {', '.join(RIGHT_WORDS)}.")


class User(Shape):
    """The user, for clients that ask for one: the gateway has no account and no quotes."""

    nick_name: str
    user_id: int
    subscription_quota: int
    history_quota: int
    disclaimer_pending: bool
    rows: list[QuoteRight]


@router.get("/markets/{market}/trading-days", response_model=TradingDays)
def days(
    asked: TheRequest,
    market: Annotated[Market, UPPER, Path(description="In any case.", examples=["US"])],
    start: Annotated[Day | None, Query(description="A year before the end unless given.")] = None,
    end: Annotated[Day | None, Query(description="A year after the start, or today, unless given.")] = None,
) -> Response:
    """The trading days of a market, from 2014 to the end of next year."""

    def make() -> Shape:
        found = trading_days(market, start, end, datetime.now(UTC).date())
        return TradingDays(market=str(market), rows=[TradingDayRow.model_validate(day) for day in found])

    return asked.answer_now("trading-days", make)


@router.get("/markets/states", response_model=SecurityStates)
def states(
    asked: TheRequest,
    codes: Annotated[
        list[str], Query(description=f"MARKET.CODE, 1 to {MAX_SECURITIES} of them.", examples=[["US.TSLA"]])
    ],
) -> Response:
    """The current states of the markets of some securities."""
    securities = [Security.parse(code.strip(), "codes") for text in codes for code in text.split(",")]

    def make() -> Shape:
        found = security_states(asked.questions, securities, datetime.now(UTC))
        rows = [SecurityStateRow(security=str(one.security), name=one.name, state=one.state) for one in found]
        return SecurityStates(rows=rows)

    return asked.answer_now("market-states", make)


@router.get("/user", response_model=User)
def user(asked: TheRequest) -> Response:
    """The user's rights."""
    rights = [QuoteRight(quotes=quotes, right=right) for quotes, right in USER.quote_rights.items()]
    return asked.answer_now(
        "user",
        lambda: User(
            nick_name=USER.nick_name,
            user_id=USER.user_id,
            subscription_quota=USER.subscription_quota,
            history_quota=USER.history_quota,
            disclaimer_pending=USER.disclaimer_pending,
            rows=rights,
        ),
    )
