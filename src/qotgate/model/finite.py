"""The guard of numbers in answers: no infinity and no NaN leaves the gateway, even if an old database or a
sum of its rows contains one."""

from dataclasses import Field, fields
from functools import cache
from math import isfinite
from typing import Any, ClassVar


class FiniteNumbers:
    """A row of an answer: an infinite number or NaN becomes None."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    """The fields of the derived dataclass."""

    def __post_init__(self) -> None:
        for name in _names(type(self)):  # type: ignore[arg-type]  # classes can be hashed
            value = getattr(self, name)
            if type(value) is float and not isfinite(value):
                object.__setattr__(self, name, None)


@cache
def _names(kind: Any) -> tuple[str, ...]:
    """The fields of a dataclass that may hold a float; cached, since checking every field of each row is
    slow."""
    return tuple(one.name for one in fields(kind) if "float" in str(one.type))


def finite(value: Any) -> Any:
    """The value, or None for an infinite float or NaN."""
    return None if isinstance(value, float) and not isfinite(value) else value
