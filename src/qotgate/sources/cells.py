"""Parses cells to values, alike for every format.

Each function raises ValueError with the end of a sentence that begins with the name of the column.
"""

import math
import re
from contextlib import suppress
from datetime import UTC, date, datetime, time

from qotgate.model import DayOrder
from qotgate.sources.lines import Cell

_CLOCK_AFTER = r"(?:[T ]\s*(?P<clock>\S.*))?"
_YEAR_FIRST = re.compile(rf"([0-9]{{4}})([-/])([0-9]{{1,2}})\2([0-9]{{1,2}}){_CLOCK_AFTER}")
_YEAR_LAST = re.compile(rf"([0-9]{{1,2}})([-/.])([0-9]{{1,2}})\2([0-9]{{4}}){_CLOCK_AFTER}")
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_SHORT_YEAR = r"([0-9]{4}|[0-9]{2})"
_MONTH_FIRST = re.compile(rf"{_MONTH}[- ]([0-9]{{1,2}})(?:-|,? ){_SHORT_YEAR}{_CLOCK_AFTER}", re.IGNORECASE)
_DAY_FIRST = re.compile(rf"([0-9]{{1,2}})[- ]{_MONTH}[- ]{_SHORT_YEAR}{_CLOCK_AFTER}", re.IGNORECASE)
_SHORT_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_SHORT_MONTHS, 1)}
_CENTURY = 69
"""Two-digit years from this one on belong to the last century, as in POSIX."""
_CLOCK = re.compile(
    r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,][0-9]+)?)? ?([AaPp][Mm])?"
    r" ?(?:Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_EPOCH = re.compile(r"([1-9](?:[0-9]{8,9}|[0-9]{11,12}|[0-9]{14,15}|[0-9]{17,18}))(?:\.0*)?")
"""Seconds, milliseconds, microseconds or nanoseconds since 1970: from 1973 on the number of digits
distinguishes them from each other, and from day numbers of spreadsheets."""

_CONTROLS = {*range(0x20), *range(0x7F, 0xA0)} - set(map(ord, "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85"))
_DIRECTIONS = {0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_INVISIBLE = dict.fromkeys(_CONTROLS | _DIRECTIONS | {0x200B, 0x2060, 0xFEFF})
"""Invisible characters, and characters that control a terminal or the order of text: control characters
except blanks, direction marks, zero-width spaces, byte-order marks."""
_LAST_YEAR = 2100
MAX_TEXT = 500
"""Longest name, grade or other text in characters; longer ones are cut."""
_ENOUGH = 2 * MAX_TEXT
"""Characters of a paragraph that nearly always have a text of ``MAX_TEXT``."""
MIN_NUMBER, MAX_NUMBER = 1e-6, 1e15
"""Bounds of the absolute value of a number other than 0: sums, quotients and products within them stay
finite."""
_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
)


def text(cell: Cell) -> str:
    """The text of a cell: no-break spaces become blanks, runs of blanks become one, the ends are stripped,
    and text beyond ``MAX_TEXT`` is cut. A whole number becomes its digits; TRUE is a ticker that Excel read
    as a boolean."""
    if isinstance(cell, str):
        words = _words(cell[:_ENOUGH])
        if len(words) < MAX_TEXT and len(cell) > _ENOUGH:
            words = _words(cell)
        return words[:MAX_TEXT].rstrip()
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell)


def _words(cell: str) -> str:
    # Invisible characters are not printable, and few cells have any; translate is slow.
    visible = cell if cell.isprintable() else cell.translate(_INVISIBLE)
    return " ".join(visible.split())


def required_text(cell: Cell) -> str:
    """The text of a cell that may not be blank."""
    words = text(cell)
    if not words:
        raise ValueError("is blank")
    return words


def shown(cell: Cell) -> str:
    """A cell as a message quotes it, cut if long."""
    words = text(cell)
    return repr(words if len(words) <= 60 else words[:60] + "…")


def number(cell: Cell, unit: str = "") -> float | None:
    """A number: 0, or 1e-6 to 1e15 in absolute value; None for a blank. A text may have ``unit`` (``$`` or
    ``%``), thousands separators at the right positions, and parentheses or a minus for a negative."""
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        value = float(cell)
    elif (
        isinstance(cell, str)
        and len(cell) <= MAX_TEXT
        and _NUMBER.fullmatch(bare := cell.replace(unit, "") if unit else cell)
    ):
        # The usual form; the code below would give the same result.
        value = float(bare.replace(",", ""))
    else:
        words = text(cell)
        if not words:
            return None
        bare = words.replace(" ", "").replace(unit, "") if unit else words.replace(" ", "")
        negative = bare.startswith("(") and bare.endswith(")")
        if negative:
            bare = bare[1:-1]
        if isinstance(cell, bool) or not _NUMBER.fullmatch(bare):
            raise ValueError(f"is {shown(cell)}, not a number")
        value = float(bare.replace(",", ""))
        value = -value if negative else value
    if not math.isfinite(value):
        raise ValueError(f"is {shown(cell)}, not a finite number")
    if value and not MIN_NUMBER <= abs(value) <= MAX_NUMBER:
        raise ValueError(f"is {shown(cell)}, neither 0 nor from {MIN_NUMBER:g} to {MAX_NUMBER:g}")
    # Turns -0.0 into 0.0, since SQLite does not store -0.0.
    return value + 0.0


def moment(cell: Cell, first_year: int, order: DayOrder = DayOrder.MDY) -> tuple[date, time | None]:
    """A day from ``first_year`` to 2100, and the time of day if the cell has one, to the second and as
    written: a UTC offset is dropped, not applied. Texts are Y-M-D or Y/M/D, numbers in ``order`` with the
    year last, D.M.Y, or have the month as an English word; a time follows a blank or a T. A number is the
    time since 1970 in UTC, as in JSON."""
    found, clock = _moment(cell, order)
    if not first_year <= found.year <= _LAST_YEAR:
        raise ValueError(f"is {shown(cell)}, not in {first_year} to {_LAST_YEAR}")
    return found, clock


def day_and_month(cell: Cell) -> tuple[int, int] | None:
    """The two numbers before a year, if only their size can show which is the month."""
    match = _YEAR_LAST.fullmatch(text(cell)) if isinstance(cell, str) else None
    return (int(match[1]), int(match[3])) if match and match[2] != "." else None


def _moment(cell: Cell, order: DayOrder) -> tuple[date, time | None]:
    if isinstance(cell, datetime):
        return cell.date(), time_of_day(cell)
    if isinstance(cell, date):
        return cell, None
    words = text(cell)
    if not words:
        raise ValueError("is blank")
    written = _written(words, order) if isinstance(cell, str) else None
    epoch = None if written else _EPOCH.fullmatch(words)
    if epoch:
        thousands = (len(epoch[1]) - 9) // 3
        instant = datetime.fromtimestamp(int(epoch[1]) // 1000**thousands, UTC)
        return instant.date(), instant.time()
    if written is None:
        raise ValueError(f"is {shown(words)}, not a date such as 2021-03-04 or 3/4/2021")
    year, month, day, clock = written
    try:
        found = date(year, month, day)
    except ValueError:
        raise ValueError(f"is {shown(cell)}, a day that is in no calendar") from None
    return found, time_of_day(clock) if clock else None


def _written(words: str, order: DayOrder) -> tuple[int, int, int, str | None] | None:
    """The year, month and day in a text, and the rest with the time of day; None for another text."""
    if match := _YEAR_FIRST.fullmatch(words):
        return int(match[1]), int(match[3]), int(match[4]), match["clock"]
    if match := _YEAR_LAST.fullmatch(words):
        first, second = int(match[1]), int(match[3])
        day_first = order is DayOrder.DMY or match[2] == "."
        month, day = (second, first) if day_first else (first, second)
        return int(match[4]), month, day, match["clock"]
    if match := _MONTH_FIRST.fullmatch(words):
        return _year(match[3]), _MONTHS[match[1][:3].lower()], int(match[2]), match["clock"]
    if match := _DAY_FIRST.fullmatch(words):
        return _year(match[3]), _MONTHS[match[2][:3].lower()], int(match[1]), match["clock"]
    return None


def _year(digits: str) -> int:
    century = 0 if len(digits) == len("2020") else 1900 if int(digits) >= _CENTURY else 2000
    return century + int(digits)


def time_of_day(cell: Cell) -> time:
    """A time to the second, as written: H:MM or H:MM:SS, optionally with AM or PM."""
    if isinstance(cell, datetime):
        cell = cell.time()
    if isinstance(cell, time):
        return cell.replace(microsecond=0)
    match = _CLOCK.fullmatch(text(cell)) if isinstance(cell, str) else None
    if match and (not match[4] or 1 <= int(match[1]) <= 12):
        hour = int(match[1])
        if match[4]:
            hour = hour % 12 + 12 * (match[4].lower() == "pm")
        with suppress(ValueError):
            return time(hour, int(match[2]), int(match[3] or 0))
    raise ValueError(f"is {shown(cell)}, not a time such as 09:30 or 4:05 PM")
