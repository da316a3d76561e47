"""What the typed clients share: their options and the words that they take."""

from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeVar

from qotgate.client.core import ClientOptions
from qotgate.model import InvalidRequest
from qotgate.protocol.frame import JSON, PROTOBUF

E = TypeVar("E", bound=StrEnum)


def typed_options(
    host: str, port: int, timeout: float, rsa_key: str | Path | None, body_format: Literal["protobuf", "json"]
) -> ClientOptions:
    """The options of a typed client; a key encrypts all, as there is no use in half of it."""
    return ClientOptions(
        host,
        port,
        timeout=timeout,
        rsa_key=None if rsa_key is None else Path(rsa_key),
        encrypt=rsa_key is not None,
        body_format=JSON if body_format == "json" else PROTOBUF,
    )


def chosen(words: type[E], parameter: str, value: E | str) -> E:
    """The word of an enum. Raises InvalidRequest, naming ``parameter`` and its words."""
    try:
        return words(value)
    except ValueError as error:
        known = ", ".join(words)
        raise InvalidRequest("word", parameter=parameter, words=known, value=str(value)) from error
