"""Days in requests: ``YYYY-MM-DD`` alone. The framework would take a number for a moment of 1970, too."""

import re
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator

_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _day(value: object) -> object:
    if isinstance(value, str) and not _ISO_DAY.fullmatch(value):
        raise ValueError(f"takes a day as YYYY-MM-DD, not {value[:40]!r}")
    return value


Day = Annotated[date, BeforeValidator(_day)]
