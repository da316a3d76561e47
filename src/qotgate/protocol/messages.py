"""Message classes of the wire, made at run time in a descriptor pool of our own.

The published clients register files of the same names in protobuf's default pool, and each brand's
package does so again; a pool of our own lets them all live in one process, imported in any order.
"""

from enum import IntEnum
from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

DESCRIPTORS = "messages.binpb"


class ProtoId(IntEnum):
    """The proto ids that this package knows, by the name of their package in the .proto files."""

    InitConnect = 1001
    GetGlobalState = 1002
    KeepAlive = 1004
    Qot_GetArkFundHolding = 3423
    Qot_GetArkStockDynamic = 3424
    Qot_GetArkActiveTransaction = 3425
    Qot_GetRatingChange = 3426


class RetType(IntEnum):
    """The outcome that every Response carries (Common.proto)."""

    SUCCEED = 0
    FAILED = -1
    UNKNOWN = -400
    INVALID = -500


def _load_pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    descriptors = descriptor_pb2.FileDescriptorSet.FromString(
        (files("qotgate.protocol") / "proto" / DESCRIPTORS).read_bytes()
    )
    for file in descriptors.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


POOL = _load_pool()


def message_class(full_name: str) -> Any:
    """The class of a message by its full name, such as ``Qot_Common.Security``."""
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(full_name))


REQUESTS = {proto_id: message_class(f"{proto_id.name}.Request") for proto_id in ProtoId}
RESPONSES = {proto_id: message_class(f"{proto_id.name}.Response") for proto_id in ProtoId}
InitWebSocketRequest = message_class("InitWebSocket.Request")
InitWebSocketResponse = message_class("InitWebSocket.Response")
AnyResponse = message_class("qotgate.Response")
