"""Trading days and the state of each market, from the exchanges' published calendars."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from qotgate.model import InvalidRequest, Market, MarketState, TradingDay, span_of_days

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
AFTER_HOURS_LAST = timedelta(hours=4)


@lru_cache(maxsize=16)
def _calendar(exchange: str, year: int) -> Any:
    """The calendar of an exchange to the end of the year after ``year``, or as far as it is published."""
    # Imported late: it imports pandas, and would double the time that a command takes to start.
    import exchange_calendars

    start = ARK_START.isoformat()
    # The clock may be earlier than all of it, and a calendar has to end after it starts.
    end = f"{max(year, ARK_START.year) + 1}-12-31"
    try:
        return exchange_calendars.get_calendar(exchange, start=start, end=end)
    except ValueError:
        return exchange_calendars.get_calendar(exchange, start=start)


@cache
def _closed_days() -> frozenset[date]:
    """The weekdays from ARK_START to LAST_CLOSED_DAY on which the US exchanges are closed.

    They come from a table, because importing and computing the calendar would take a second in every load.
    """
    lines = (files("qotgate") / "tables" / "us_closed_days.csv").read_text("utf-8").splitlines()
    return frozenset(date.fromisoformat(line) for line in lines if line[:1].isdigit())


@lru_cache(maxsize=16)
def _early_closes(exchange: str, year: int) -> frozenset[date]:
    return frozenset(moment.date() for moment in _calendar(exchange, year).early_closes)


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
    calendar = _calendar(CALENDARS[market], today.year)
    last = calendar.last_session.date()
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
    short = _early_closes(CALENDARS[market], today.year)
    days = (moment.date() for moment in calendar.sessions_in_range(begins.isoformat(), ends.isoformat()))
    return [TradingDay(day, morning_only=day in short) for day in days]


def market_state(market: Market, now: datetime) -> MarketState:
    """The state of ``market`` at ``now`` (timezone-aware).

    NONE without a calendar: for other markets, and beyond the published holidays of an exchange. US
    pre-market runs from 04:00 and after-hours for four hours from the close (New York).
    """
    exchange = EXCHANGES.get(market)
    if exchange is None:
        return MarketState.NONE
    utc = now.astimezone(UTC)
    calendar = _calendar(exchange, utc.year)
    day = utc.astimezone(calendar.tz).date()
    if not calendar.first_session.date() <= day <= calendar.last_session.date():
        return MarketState.NONE
    if not calendar.is_session(day.isoformat()):
        return MarketState.CLOSED
    opens, closes = (moment.to_pydatetime() for moment in calendar.session_open_close(day.isoformat()))
    if utc < opens:
        pre_market = market is Market.US and utc.astimezone(NEW_YORK).time() >= PRE_MARKET_OPENS
        return MarketState.PRE_MARKET_BEGIN if pre_market else MarketState.CLOSED
    if utc >= closes:
        after_hours = market is Market.US and utc < closes + AFTER_HOURS_LAST
        return MarketState.AFTER_HOURS_BEGIN if after_hours else MarketState.CLOSED
    if not calendar.session_has_break(day.isoformat()):
        return MarketState.MORNING
    break_starts, break_ends = (
        moment.to_pydatetime() for moment in calendar.session_break_start_end(day.isoformat())
    )
    if utc < break_starts:
        return MarketState.MORNING
    return MarketState.REST if utc < break_ends else MarketState.AFTERNOON
