"""Message classes of the wire, made at run time in a descriptor pool of our own.

The published clients register files of the same names in protobuf's default pool, and each brand's
package does so again; a pool of our own lets them all live in one process, imported in any order.
"""

from collections.abc import Iterable
from enum import IntEnum
from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from qotgate.protocol.names import ProtoId as ProtoId

DESCRIPTORS = "messages.binpb"


class RetType(IntEnum):
    """The outcome that every Response carries (Common.proto)."""

    SUCCEED = 0
    FAILED = -1
    UNKNOWN = -400
    INVALID = -500


def make_classes(descriptors: Iterable[Any]) -> tuple[descriptor_pool.DescriptorPool, dict[str, Any]]:
    """A pool of these files (FileDescriptorProtos, each after the files it imports), and the class of each
    message by full name, nested messages included."""
    pool = descriptor_pool.DescriptorPool()
    names = []
    for file in descriptors:
        pool.AddSerializedFile(file.SerializeToString())
        names.append(file.name)
    found = [pool.FindFileByName(name) for name in names]
    messages = [message for file in found for message in file.message_types_by_name.values()]
    classes = {}
    while messages:
        message = messages.pop()
        classes[message.full_name] = message_factory.GetMessageClass(message)
        messages += message.nested_types
    return pool, classes


def _own_files() -> Iterable[Any]:
    own = (files("qotgate.protocol") / "proto" / DESCRIPTORS).read_bytes()
    return list(descriptor_pb2.FileDescriptorSet.FromString(own).file)


# protobuf's C code (upb) holds classes by weak references, and makes a collected class again when it next
# reads such a message, in any thread. Crashes are reported for classes that come and go in pools such as ours
# (protocolbuffers/protobuf#12047). So one thread makes all of them here, and they stay.
POOL, CLASSES = make_classes(_own_files())
"""Message classes by full name, such as ``Qot_Common.Security``."""
REQUESTS = {proto_id: CLASSES[f"{proto_id.name}.Request"] for proto_id in ProtoId}
RESPONSES = {proto_id: CLASSES[f"{proto_id.name}.Response"] for proto_id in ProtoId}
InitWebSocketRequest = CLASSES["InitWebSocket.Request"]
InitWebSocketResponse = CLASSES["InitWebSocket.Response"]
AnyResponse = CLASSES["qotgate.Response"]
