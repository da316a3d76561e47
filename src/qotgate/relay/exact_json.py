"""Protobuf messages as JSON, as ``google.protobuf.json_format`` writes them, in a sixth of its time.

Names are those of the interface, enums numbers, 64-bit integers texts. Only what JSON gives back in full is
written.
"""

from base64 import b64encode
from collections.abc import Callable
from math import isfinite
from struct import Struct
from typing import Any, TypeAlias

from google.protobuf.unknown_fields import UnknownFieldSet

from qotgate.relay.scrubbing import is_repeated

_FLOAT = Struct("<f")
_Writer: TypeAlias = Callable[[Any], Any]


class InexactError(ValueError):
    """JSON may not give back all of a message."""


def exact_json(message: Any) -> dict[str, Any]:
    """A message as JSON. Raises InexactError for fields that are not known, numbers that are not finite, text
    that is not UTF-8, and maps."""
    if len(UnknownFieldSet(message)):
        raise InexactError("a field is not known")
    written = {}
    for field, value in message.ListFields():
        name, write = _WRITERS.get(field) or _remembered(field)
        written[name] = value if write is None else write(value)
    return written


_WRITERS: dict[Any, tuple[str, _Writer | None]] = {}
"""By field its name, and what makes JSON of its value; None where that is the value."""


def _remembered(field: Any) -> tuple[str, _Writer | None]:
    write = _writer(field)
    if is_repeated(field):
        write = list if write is None else _each(write)
    _WRITERS[field] = field.name, write
    return _WRITERS[field]


def _writer(field: Any) -> _Writer | None:
    """What makes JSON of one value."""
    if field.message_type is not None:
        return _no_map if field.message_type.GetOptions().map_entry else exact_json
    if field.type == field.TYPE_BYTES:
        return lambda value: b64encode(value).decode()
    writers: dict[int, _Writer] = {
        field.CPPTYPE_INT64: str,
        field.CPPTYPE_UINT64: str,
        field.CPPTYPE_DOUBLE: _finite,
        field.CPPTYPE_FLOAT: _shortest,
        field.CPPTYPE_STRING: _text,
    }
    return writers.get(field.cpp_type)


def _each(write: _Writer) -> _Writer:
    return lambda values: [write(value) for value in values]


def _finite(value: float) -> float:
    if not isfinite(value):
        raise InexactError("a number is not finite")
    return value


def _shortest(value: float) -> float:
    """The shortest number that is a 32-bit float's."""
    data = _FLOAT.pack(_finite(value))
    shorter = (float(f"{value:.{digits}g}") for digits in (6, 7, 8))
    return next((one for one in shorter if _packs_to(one, data)), value)


def _packs_to(value: float, data: bytes) -> bool:
    try:
        return _FLOAT.pack(value) == data
    except OverflowError:
        return False


def _text(value: Any) -> str:
    # What is not UTF-8 protobuf takes, and has as bytes.
    if not isinstance(value, str):
        raise InexactError("a text is not UTF-8")
    return value


def _no_map(_value: Any) -> Any:
    raise InexactError("a map")
