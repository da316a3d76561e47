"""Bodies of OpenD's messages in a recording: JSON if the message class is known, else base64.

JSON has the field names of the interface, enums as numbers, 64-bit integers as strings. A message that JSON
cannot represent in full, such as one with fields unknown to the installed package, is base64 too.
"""

import base64
import binascii
import contextlib
from typing import Any, NamedTuple

from google.protobuf import json_format
from google.protobuf.message import DecodeError, EncodeError

from qotgate.protocol.frame import JSON, PROTOBUF
from qotgate.relay.exact_json import InexactError, exact_json

UNREADABLE = (DecodeError, EncodeError, json_format.Error, RecursionError, TypeError, ValueError)
"""Errors that protobuf raises for a body that is not the expected message."""


class Body(NamedTuple):
    """A body: its message if the class is known, else the received bytes; and their format."""

    message: Any
    data: bytes = b""
    body_format: int = PROTOBUF

    def encode(self, body_format: int) -> bytes:
        """The body on the wire. Raises ValueError if another format needs the message, and its class is
        unknown."""
        if self.message is None:
            if body_format != self.body_format:
                raise ValueError("its message is not known, and it was recorded in another format")
            return self.data
        if body_format == JSON:
            return json_text(self.message).encode()
        return bytes(self.message.SerializePartialToString())


def read_body(kind: Any, data: bytes, body_format: int) -> Body:
    """Read a body from the wire; ``kind`` is the class of its message, None if unknown."""
    if kind is not None:
        message = kind()
        try:
            if body_format == JSON:
                json_format.Parse(data, message)
            else:
                message.ParseFromString(data)
            return Body(message)
        except UNREADABLE:
            pass
    return Body(None, data, body_format)


def write_body(name: str, body: Body) -> dict[str, Any]:
    """The fields of a recording's line for a body called ``name``: ``name`` or ``name_base64``."""
    if body.message is None:
        return {f"{name}_base64": base64.b64encode(body.data).decode()}
    try:
        return {name: exact_json(body.message)}
    except InexactError:
        pass
    with contextlib.suppress(*UNREADABLE):
        written = json_fields(body.message)
        if meaning(json_format.ParseDict(written, type(body.message)())) == meaning(body.message):
            return {name: written}
    return {f"{name}_base64": base64.b64encode(meaning(body.message)).decode()}


def load_body(kind: Any, written: Any, written_base64: str | None, body_format: int) -> Body:
    """Read a body from a line of a recording. Raises ValueError."""
    if written_base64 is not None:
        try:
            data = base64.b64decode(written_base64, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError("is not base64") from error
        return read_body(kind, data, body_format)
    if kind is None:
        raise ValueError("is a message that is not known here")
    try:
        return Body(json_format.ParseDict(written, kind()))
    except UNREADABLE as error:
        raise ValueError(f"is not that message: {str(error).splitlines()[0]}") from error


def json_fields(message: Any) -> dict[str, Any]:
    """A message as JSON."""
    fields: dict[str, Any] = json_format.MessageToDict(
        message, preserving_proto_field_name=True, use_integers_for_enums=True
    )
    return fields


def json_text(message: Any) -> str:
    text: str = json_format.MessageToJson(
        message,
        preserving_proto_field_name=True,
        use_integers_for_enums=True,
        indent=None,
        ensure_ascii=False,
    )
    return text


def meaning(message: Any) -> bytes:
    """Bytes that are the same for any two equal messages."""
    return bytes(message.SerializePartialToString(deterministic=True))
