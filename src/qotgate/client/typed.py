"""What the typed clients share: their options and the words that they take."""

from enum import StrEnum
from operator import index
from pathlib import Path
from typing import Literal, TypeVar

from qotgate.client.core import ClientOptions
from qotgate.model import InvalidRequest
from qotgate.protocol.frame import JSON, PROTOBUF

E = TypeVar("E", bound=StrEnum)


def typed_options(
    host: str, port: int, timeout: float, rsa_key: str | Path | None, body_format: Literal["protobuf", "json"]
) -> ClientOptions:
    """The options of a typed client; a key encrypts all, as there is no use in half of it. Raises
    InvalidRequest."""
    if body_format not in ("protobuf", "json"):
        raise InvalidRequest("body_format", value=body_format)
    return ClientOptions(
        host,
        port,
        timeout=timeout,
        connect_timeout=timeout,
        rsa_key=None if rsa_key is None else Path(rsa_key),
        encrypt=rsa_key is not None,
        body_format=JSON if body_format == "json" else PROTOBUF,
    )


def page_rows(page_size: int, most: int) -> int:
    """The rows of a page. Raises InvalidRequest."""
    try:
        rows = index(page_size)
    except TypeError:
        rows = 0
    if not 1 <= rows <= most:
        raise InvalidRequest("page_size", most=most, value=page_size)
    return rows


def chosen(words: type[E], parameter: str, value: E | str) -> E:
    """The word of an enum. Raises InvalidRequest, naming ``parameter`` and its words."""
    try:
        return words(value)
    except ValueError as error:
        known = ", ".join(words)
        raise InvalidRequest("word", parameter=parameter, words=known, value=str(value)) from error
