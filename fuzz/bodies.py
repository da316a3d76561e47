"""Bodies: each message in Protobuf and JSON, by our classes and by those of the published clients."""

from functools import cache
from importlib import import_module
from typing import Any

from google.protobuf import json_format

from qotgate.model import InvalidRequest
from qotgate.protocol.body import FORMATS, check_text, decode, decode_request, encode
from qotgate.protocol.frame import JSON, PROTOBUF
from qotgate.protocol.messages import (
    REQUESTS,
    RESPONSES,
    AnyResponse,
    InitWebSocketRequest,
    InitWebSocketResponse,
    ProtoId,
)

KINDS = (
    *((proto_id, kind) for proto_id in ProtoId for kind in (REQUESTS[proto_id], RESPONSES[proto_id])),
    (None, AnyResponse),
    (None, InitWebSocketRequest),
    (None, InitWebSocketResponse),
)
BRANDS = ("futu", "moomoo")


def take_body(data: bytes) -> None:
    """The first byte chooses the message of the rest, the second its format."""
    if len(data) < 2:
        return
    proto_id, kind = KINDS[data[0] % len(KINDS)]
    body_format, body = data[1] % len(FORMATS), data[2:]
    if proto_id is not None and kind is REQUESTS[proto_id]:
        _check_request(proto_id, body, body_format)
    try:
        message = decode(kind, body, body_format)
    except ValueError:
        return
    check_text(message)
    # Fields that a newer peer adds are not part of the message in JSON.
    message.DiscardUnknownFields()
    if not message.IsInitialized():
        return
    plain = message.SerializeToString(deterministic=True)
    for other in FORMATS:
        again = decode(kind, encode(message, other), other)
        assert encode(again, JSON) == encode(message, JSON), FORMATS[other]
        # There are many NaN values, and JSON has only one.
        if b"NaN" not in encode(message, JSON):
            assert again.SerializeToString(deterministic=True) == plain, FORMATS[other]
    for theirs in _published(kind.DESCRIPTOR.full_name):
        read = theirs.FromString(plain)
        assert decode(kind, read.SerializeToString(), PROTOBUF) == decode(kind, plain, PROTOBUF)
        # They read JSON strictly: their own fields must survive.
        read.DiscardUnknownFields()
        if b"NaN" in encode(message, JSON):
            continue
        text = encode(decode(kind, read.SerializeToString(), PROTOBUF), JSON)
        assert json_format.Parse(text, theirs()).SerializeToString(deterministic=True) == (
            read.SerializeToString(deterministic=True)
        )


def _check_request(proto_id: ProtoId, body: bytes, body_format: int) -> None:
    try:
        assert decode_request(proto_id, body, body_format).IsInitialized()
    except InvalidRequest as refused:
        assert refused.text("zh")
        assert refused.text("en")


@cache
def _published(full_name: str) -> list[Any]:
    """The classes of a message in the published clients' packages that have it."""
    found = []
    for brand in BRANDS:
        package, _, name = full_name.partition(".")
        try:
            module = import_module(f"{brand}.common.pb.{package}_pb2")
        except ImportError:
            continue
        found.append(getattr(module, name))
    return found
