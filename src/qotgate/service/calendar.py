"""Trading days and the state of each market, from the exchanges' published calendars."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from qotgate.model import InvalidRequest, Market, MarketState, TradingDay, span_of_days
from qotgate.service.exchanges import Sessions, sessions

US_EXCHANGE = "XNYS"
EXCHANGES = {Market.US: US_EXCHANGE, Market.HK: "XHKG", Market.SH: "XSHG", Market.SZ: "XSHG"}
CALENDARS = EXCHANGES | {
    Market.SG: "XSES",
    Market.JP: "XTKS",
    Market.MY: "XKLS",
    Market.CA: "XTSE",
    Market.AU: "XASX",
}
"""Including markets that have trading days but no state here."""
ARK_START = date(2014, 1, 1)
"""Before the first ARK fund, which opened on 2014-09-30."""
LAST_CLOSED_DAY = date(2041, 12, 31)
"""Holiday rules are not known for ever; a later day in a file is a mistake."""
LAST_BOOK_AFTER_TRADING = date(2021, 3, 11)
LAST_WEEK = (12, 25)
"""A calendar whose last session is in this week knows the whole year."""
LONGEST_BREAK = timedelta(days=14)
"""No longer closure of the exchanges has occurred since ARK began."""
NEW_YORK = ZoneInfo("America/New_York")
PRE_MARKET_OPENS = time(4)
AFTER_HOURS_MINUTES = 4 * 60


def _sessions(exchange: str, year: int) -> Sessions:
    """The sessions of an exchange to the end of the year after ``year``, or as far as they are published."""
    # The clock may be earlier than all of it, and a calendar has to end after it starts.
    return sessions(
        exchange, tuple(sorted(set(CALENDARS.values()))), ARK_START, max(year, ARK_START.year) + 1
    )


@cache
def _closed_days() -> frozenset[date]:
    """The weekdays from ARK_START to LAST_CLOSED_DAY on which the US exchanges are closed.

    They come from a table, because importing and computing the calendar would take a second in every load.
    """
    lines = (files("qotgate") / "tables" / "us_closed_days.csv").read_text("utf-8").splitlines()
    return frozenset(date.fromisoformat(line) for line in lines if line[:1].isdigit())


def ark_sessions(start: date, end: date) -> list[date]:
    """The trading days of the US exchanges from ``start`` until before ``end``.

    Beyond the known calendar, every weekday counts.
    """
    closed = _closed_days()
    days = (start + timedelta(days=number) for number in range((end - start).days))
    return [day for day in days if day.weekday() < 5 and day not in closed]


@lru_cache(maxsize=4096)
def book_through(day: date) -> date:
    """The last trading day that a holdings file dated ``day`` shows.

    Files dated up to 2021-03-11 are the book after that day's trading, later ones the book before it. Their
    prices prove it: TSLA's price is the close of the file's own day up to 3/11, and the close of the day
    before from 3/15 on. So 3/12, which has no file, is the only trading day between the two.
    """
    end = day + timedelta(days=1) if day <= LAST_BOOK_AFTER_TRADING else day
    return ark_sessions(end - LONGEST_BREAK, end)[-1]


@lru_cache(maxsize=4096)
def ark_sessions_after(shown: date, through: date) -> tuple[date, ...]:
    """The trading days after ``shown`` up to ``through``: those between two books that show these days."""
    return tuple(ark_sessions(shown + timedelta(days=1), through + timedelta(days=1)))


def trading_days(
    market: Market,
    start: date | None,
    end: date | None,
    today: date,
    parameters: tuple[str, str] = ("start", "end"),
) -> list[TradingDay]:
    """The trading days of ``market``, one of ``CALENDARS``, from ``start`` to ``end``: a year if one of the
    two is None, the year up to ``today`` if both are.

    The days cover 2014, when ARK began, to the end of the year after ``today``, or as far as the exchange has
    published its holidays. Raises InvalidRequest for other days, which names them by ``parameters``.
    """
    if market not in CALENDARS:
        raise InvalidRequest("word", parameter="market", words=", ".join(CALENDARS), value=str(market))
    known = _sessions(CALENDARS[market], today.year)
    last = known.last
    if (last.month, last.day) >= LAST_WEEK:
        last = last.replace(month=12, day=31)
    begins, ends = span_of_days(start, end, today)
    for parameter, day in zip(parameters, (begins, ends), strict=True):
        if not ARK_START <= day <= last:
            raise InvalidRequest(
                "trade_day", parameter=parameter, market=market, first=ARK_START, last=last, value=day
            )
    if begins > ends:
        raise InvalidRequest("trade_days_order", parameter=parameters[0], value=begins, end=ends)
    days = known.between(begins, ends)
    return [TradingDay(day, morning_only=day.toordinal() in known.early) for day in days]


def market_state(market: Market, now: datetime) -> MarketState:
    """The state of ``market`` at ``now`` (timezone-aware).

    NONE without a calendar: for other markets, and beyond the published holidays of an exchange. US
    pre-market runs from 04:00 and after-hours for four hours from the close (New York).
    """
    exchange = EXCHANGES.get(market)
    if exchange is None:
        return MarketState.NONE
    utc = now.astimezone(UTC)
    known = _sessions(exchange, utc.year)
    day = utc.astimezone(ZoneInfo(known.zone)).date()
    if not known.knows(day):
        return MarketState.NONE
    session = known.of(day)
    if session is None:
        return MarketState.CLOSED
    minute = utc.timestamp() // 60
    if minute < session.opens:
        pre_market = market is Market.US and utc.astimezone(NEW_YORK).time() >= PRE_MARKET_OPENS
        return MarketState.PRE_MARKET_BEGIN if pre_market else MarketState.CLOSED
    if minute >= session.closes:
        after_hours = market is Market.US and minute < session.closes + AFTER_HOURS_MINUTES
        return MarketState.AFTER_HOURS_BEGIN if after_hours else MarketState.CLOSED
    if session.break_starts is None or session.break_ends is None or minute < session.break_starts:
        return MarketState.MORNING
    return MarketState.REST if minute < session.break_ends else MarketState.AFTERNOON
