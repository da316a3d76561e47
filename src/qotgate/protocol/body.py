"""Converts messages to bodies (bytes) and back, in Protobuf or JSON.

JSON uses the field names of the .proto files, enums as numbers and 64-bit integers as strings, as the
published clients expect.
"""

from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from qotgate.model import InvalidRequest
from qotgate.protocol.frame import JSON, PROTOBUF
from qotgate.protocol.messages import POOL, REQUESTS, AnyResponse, ProtoId, RetType

PLAIN = (int, str, float, bool)
FORMATS = {PROTOBUF: "Protobuf", JSON: "JSON"}


def decode(kind: Any, body: bytes, body_format: int, *, checked: bool = True) -> Any:
    """Read a message of class ``kind``. Unknown fields are ignored. Raises ValueError.

    Unless ``checked``, text that is not UTF-8 may come out as bytes.
    """
    message = kind()
    try:
        if body_format == JSON:
            json_format.Parse(body, message, ignore_unknown_fields=True, descriptor_pool=POOL)
        else:
            message.ParseFromString(body)
            if checked and not body.isascii():
                check_text(message)
    except (DecodeError, json_format.ParseError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
    return message


def check_text(message: Any) -> None:
    """Raise ValueError for text that is not UTF-8: proto2 accepts it and returns bytes."""
    for field, value in message.ListFields():
        kind = type(value)
        if kind in PLAIN:
            continue
        if kind is bytes:
            if field.type == field.TYPE_STRING:
                raise ValueError(f"{field.full_name} is not UTF-8")
        elif hasattr(value, "ListFields"):
            check_text(value)
        elif field.message_type is not None:
            for part in value:
                check_text(part)


def encode(message: Any, body_format: int) -> bytes:
    """The body of ``message``."""
    if body_format == JSON:
        text: str = json_format.MessageToJson(
            message,
            preserving_proto_field_name=True,
            use_integers_for_enums=True,
            indent=None,
            ensure_ascii=False,
            descriptor_pool=POOL,
        )
        return text.encode()
    return bytes(message.SerializeToString())


def decode_request(proto_id: ProtoId, body: bytes, body_format: int) -> Any:
    """Read a request. Raises InvalidRequest, which names missing fields."""
    try:
        request = decode(REQUESTS[proto_id], body, body_format)
    except ValueError as error:
        raise InvalidRequest(
            "undecodable", proto=proto_id.name, proto_id=int(proto_id), format=FORMATS[body_format]
        ) from error
    if not request.IsInitialized():
        raise InvalidRequest(
            "missing_fields",
            fields=", ".join(request.FindInitializationErrors()),
            proto=proto_id.name,
            proto_id=int(proto_id),
        )
    return request


def refusal(ret_type: RetType, sentence: str, **own: float | bool) -> Any:
    """A Response that refuses a request, decodable as the answer to any request; ``own`` are qotgate's own
    fields."""
    return AnyResponse(retType=ret_type, retMsg=sentence, errCode=0, **own)
