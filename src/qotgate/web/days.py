"""Days and words in requests: days as ``YYYY-MM-DD`` alone, as the framework would take a number for a moment
of 1970, too; words in any case."""

import re
from collections.abc import Callable
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _day(value: object) -> object:
    if isinstance(value, str) and not _ISO_DAY.fullmatch(value):
        raise PydanticCustomError("day", "takes a day as YYYY-MM-DD")
    return value


Day = Annotated[date, BeforeValidator(_day)]


def any_case(convert: Callable[[str], str]) -> Callable[[object], object]:
    """Takes a text as ``convert`` writes it, and leaves another value as it is."""
    return lambda value: convert(value) if isinstance(value, str) else value


UPPER, LOWER = BeforeValidator(any_case(str.upper)), BeforeValidator(any_case(str.lower))
