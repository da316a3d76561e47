"""What an option takes, and how its value is read: from the text of a flag, a variable or a file, from TOML,
or as it is in Python."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
Word = TypeVar("Word", bound=str)

LARGEST = sys.float_info.max
SWITCHES = {
    **dict.fromkeys(("true", "t", "1", "yes", "y", "on"), True),
    **dict.fromkeys(("false", "f", "0", "no", "n", "off"), False),
}


@dataclass(frozen=True)
class Secret:
    """A text that its repr does not show."""

    value: str = field(repr=False)

    def __bool__(self) -> bool:
        return bool(self.value)


class Kind(NamedTuple, Generic[T_co]):
    """A kind of value. ``takes`` continues the sentence "--flag takes ..."; ``metavar`` stands for the value
    in the help. ``read`` raises ValueError for anything else."""

    takes: str
    metavar: str
    read: Callable[[Any], T_co]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004 - the one error of a kind
    return value


def text(takes: str = "text", pattern: str = "(?s:.*)") -> Kind[str]:
    """Text that matches ``pattern`` as a whole."""

    def read(value: Any) -> str:
        if not re.fullmatch(pattern, _text(value)):
            raise ValueError
        return str(value)

    return Kind(takes, "TEXT", read)


def word(*words: Word) -> Kind[Word]:
    """One of ``words``, in any case."""

    def read(value: Any) -> Word:
        given = _text(value).lower()
        for word in words:
            if word == given:
                return word
        raise ValueError

    return Kind(f"{', '.join(words[:-1])} or {words[-1]}", "|".join(words), read)


def whole(least: int, most: float = LARGEST) -> Kind[int]:
    """A whole number from ``least`` to ``most``."""

    def read(value: Any) -> int:
        number = int(value) if isinstance(value, str) else value
        if type(number) is not int or not least <= number <= most:
            raise ValueError
        return number

    return Kind(f"a whole number {_range(least, most)}", "NUMBER", read)


def number(least: float, most: float = LARGEST) -> Kind[float]:
    """A finite number from ``least`` to ``most``."""

    def read(value: Any) -> float:
        number = float(value) if isinstance(value, str) else value
        if type(number) not in (int, float) or not least <= number <= most:
            raise ValueError
        return float(number)

    return Kind(f"a number {_range(least, most)}", "NUMBER", read)


def _range(least: float, most: float) -> str:
    return f"of {least} or more" if most == LARGEST else f"from {least} to {most}"


def several(takes: str, read_one: Callable[[str], T], least: int = 0) -> Kind[tuple[T, ...]]:
    """Different values, ``least`` or more: text with commas between them, or a list of texts."""

    def read(value: Any) -> tuple[T, ...]:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            raise ValueError  # noqa: TRY004 - the one error of a kind
        texts = [_text(part).strip() for part in parts]
        found = tuple(dict.fromkeys(read_one(text) for text in texts if text))
        if len(found) < least:
            raise ValueError
        return found

    return Kind(takes, "TEXT,...", read)


def _switch(value: Any) -> bool:
    # TOML has false and 0, variables have text.
    found = SWITCHES.get(str(value).strip().lower())
    if found is None:
        raise ValueError
    return found


def _path(value: Any) -> Path:
    return value if isinstance(value, Path) else Path(_text(value))


SWITCH = Kind("true or false", "", _switch)
PATH = Kind("a path", "PATH", _path)
SECRET_TEXT = Kind("text", "TEXT", lambda value: Secret(_text(value)))
