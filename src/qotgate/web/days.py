"""Days and words in requests: days as ``YYYY-MM-DD`` only, because the framework would also accept a number
as a time since 1970; words in any case."""

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
    """A function that converts a text with ``convert`` and leaves other values unchanged."""
    return lambda value: convert(value) if isinstance(value, str) else value


UPPER, LOWER = BeforeValidator(any_case(str.upper)), BeforeValidator(any_case(str.lower))
