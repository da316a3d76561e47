"""Trading days and market states, on past days."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import exchange_calendars
import pytest

from qotgate.model import Market, MarketState
from qotgate.service.calendar import (
    ARK_START,
    LAST_CLOSED_DAY,
    US_EXCHANGE,
    ark_sessions,
    market_state,
    trading_days,
)

NEW_YORK, HONG_KONG, SHANGHAI = map(ZoneInfo, ("America/New_York", "Asia/Hong_Kong", "Asia/Shanghai"))


@pytest.mark.parametrize(
    ("market", "zone", "moment", "state"),
    [
        (Market.US, NEW_YORK, "2026-06-18 03:59", MarketState.CLOSED),
        (Market.US, NEW_YORK, "2026-06-18 04:00", MarketState.PRE_MARKET_BEGIN),
        (Market.US, NEW_YORK, "2026-06-18 09:30", MarketState.MORNING),
        (Market.US, NEW_YORK, "2026-06-18 15:59", MarketState.MORNING),
        (Market.US, NEW_YORK, "2026-06-18 16:00", MarketState.AFTER_HOURS_BEGIN),
        (Market.US, NEW_YORK, "2026-06-18 20:00", MarketState.CLOSED),
        (Market.US, NEW_YORK, "2026-06-19 12:00", MarketState.CLOSED),  # Juneteenth
        (Market.US, NEW_YORK, "2026-06-20 12:00", MarketState.CLOSED),  # Saturday
        (Market.US, NEW_YORK, "2025-11-28 12:59", MarketState.MORNING),  # closes at 13:00
        (Market.US, NEW_YORK, "2025-11-28 13:01", MarketState.AFTER_HOURS_BEGIN),
        (Market.HK, HONG_KONG, "2026-06-18 09:00", MarketState.CLOSED),
        (Market.HK, HONG_KONG, "2026-06-18 09:30", MarketState.MORNING),
        (Market.HK, HONG_KONG, "2026-06-18 12:30", MarketState.REST),
        (Market.HK, HONG_KONG, "2026-06-18 13:00", MarketState.AFTERNOON),
        (Market.HK, HONG_KONG, "2026-06-18 16:30", MarketState.CLOSED),
        (Market.SH, SHANGHAI, "2026-06-18 11:29", MarketState.MORNING),
        (Market.SZ, SHANGHAI, "2026-06-18 11:31", MarketState.REST),
        (Market.SZ, SHANGHAI, "2026-06-18 14:59", MarketState.AFTERNOON),
        (Market.SH, SHANGHAI, "2025-10-01 10:00", MarketState.CLOSED),  # National Day
        (Market.JP, HONG_KONG, "2026-06-18 10:00", MarketState.NONE),
        (Market.SH, SHANGHAI, "2100-06-18 10:00", MarketState.NONE),  # no calendar reaches that far
    ],
)
def test_states(market: Market, zone: ZoneInfo, moment: str, state: MarketState) -> None:
    at = datetime.fromisoformat(moment).replace(tzinfo=zone)
    assert market_state(market, at) is market_state(market, at.astimezone(UTC)) is state


def test_sessions() -> None:
    days = ark_sessions(date(2026, 6, 17), date(2026, 6, 23))
    assert days == [date(2026, 6, 17), date(2026, 6, 18), date(2026, 6, 22)]
    assert ark_sessions(date(2026, 6, 19), date(2026, 6, 22)) == []
    beyond = ark_sessions(date(2090, 1, 6), date(2090, 1, 10))
    assert beyond == [date(2090, 1, 6), date(2090, 1, 9)]


def test_the_table_of_closed_days() -> None:
    """The table equals the calendar; scripts/make_closed_days.py makes it again."""
    calendar = exchange_calendars.get_calendar(
        US_EXCHANGE, start=ARK_START.isoformat(), end=LAST_CLOSED_DAY.isoformat()
    )
    sessions = [session.date() for session in calendar.sessions]
    assert ark_sessions(ARK_START + timedelta(days=1), LAST_CLOSED_DAY + timedelta(days=1)) == sessions


def test_the_calendar_of_another_year_reaches_further() -> None:
    assert market_state(Market.US, datetime(2029, 6, 18, 15, tzinfo=UTC)) is MarketState.MORNING


def test_a_calendar_that_opens_after_new_year() -> None:
    """Tokyo's first session of 2014 was on January 6; the days before are closed, not unknown."""
    days = trading_days(Market.JP, date(2014, 1, 2), date(2014, 1, 7), date(2026, 6, 18))
    assert [one.day for one in days] == [date(2014, 1, 6), date(2014, 1, 7)]


def test_days_equal_the_calendars_own() -> None:
    calendar = exchange_calendars.get_calendar("XHKG", start=ARK_START.isoformat(), end="2027-12-31")
    days = trading_days(Market.HK, date(2014, 1, 1), date(2027, 12, 31), date(2026, 6, 18))
    assert [one.day for one in days] == [session.date() for session in calendar.sessions]
    short = [one.day for one in days if one.morning_only]
    assert short == [moment.date() for moment in calendar.early_closes]
    assert date(2025, 12, 24) in short


def test_no_process_that_serves_keeps_pandas() -> None:
    code = (
        "import sys; from datetime import UTC, datetime; from qotgate.model import Market;"
        "from qotgate.service.calendar import market_state;"
        "print(market_state(Market.HK, datetime(2026, 6, 18, 4, 30, tzinfo=UTC)), 'pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["REST", "False"]
