"""Makes src/qotgate/tables/us_closed_days.csv: the weekdays on which the US exchanges are closed.

Run it if a new version of exchange_calendars has other days; tests/service/test_calendar.py detects that.
"""

from datetime import timedelta
from pathlib import Path

import exchange_calendars

from qotgate.service.calendar import ARK_START, LAST_CLOSED_DAY, US_EXCHANGE

TARGET = Path(__file__).parents[1] / "src" / "qotgate" / "tables" / "us_closed_days.csv"
HEAD = f"""# Weekdays after {ARK_START}, to {LAST_CLOSED_DAY}, on which the US exchanges are closed, as the
# package exchange_calendars has them (calendar {US_EXCHANGE}). Made by scripts/make_closed_days.py.
day
"""


def closed_days() -> list[str]:
    """The days, in the form yyyy-mm-dd."""
    start, end = ARK_START.isoformat(), LAST_CLOSED_DAY.isoformat()
    calendar = exchange_calendars.get_calendar(US_EXCHANGE, start=start, end=end)
    sessions = {session.date() for session in calendar.sessions}
    days = (ARK_START + timedelta(days=number) for number in range(1, (LAST_CLOSED_DAY - ARK_START).days + 1))
    # No rule opens the exchanges at a weekend.
    return [day.isoformat() for day in days if day.weekday() < 5 and day not in sessions]


if __name__ == "__main__":
    TARGET.write_text(HEAD + "".join(f"{day}\n" for day in closed_days()))
