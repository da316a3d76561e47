"""The one guard of numbers that leave: no infinity and no NaN is told, whatever a database of an earlier
version or a sum of its rows holds."""

from dataclasses import Field, fields
from functools import cache
from math import isfinite
from typing import Any, ClassVar


class FiniteNumbers:
    """A row of an answer, in which a number that is none is None: what cannot be told is not told."""

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
    """A value, None for a float that is no number."""
    return None if isinstance(value, float) and not isfinite(value) else value
