"""The one guard of numbers in answers: no infinity and no NaN leaves the gateway, whatever a database of an
earlier version or a sum of its rows holds."""

from dataclasses import Field, fields
from functools import cache
from math import isfinite
from typing import Any, ClassVar


class FiniteNumbers:
    """A row of an answer: an infinite number or NaN becomes None, as what cannot be told is not told."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    """Of the dataclass that derives from it."""

    def __post_init__(self) -> None:
        for name in _names(type(self)):  # type: ignore[arg-type]  # classes can be hashed
            value = getattr(self, name)
            if type(value) is float and not isfinite(value):
                object.__setattr__(self, name, None)


@cache
def _names(kind: Any) -> tuple[str, ...]:
    """The fields of a dataclass that may hold a float; to look for them in each row takes long."""
    return tuple(one.name for one in fields(kind) if "float" in str(one.type))


def finite(value: Any) -> Any:
    """The value, or None for an infinite float or NaN."""
    return None if isinstance(value, float) and not isfinite(value) else value
