"""The messages of the published package, read from where it is installed, in a pool of their own: to import
them would fill protobuf's default pool, where each brand's package wants the same names."""

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "futu"
NAMES = {
    1001: "InitConnect",
    1002: "GetGlobalState",
    1003: "Notify",
    1004: "KeepAlive",
    2001: "Trd_GetAccList",
    2005: "Trd_UnlockTrade",
    2008: "Trd_SubAccPush",
    2201: "Trd_GetOrderList",
    2202: "Trd_PlaceOrder",
    2205: "Trd_ModifyOrder",
    2208: "Trd_UpdateOrder",
    3001: "Qot_Sub",
    3005: "Qot_UpdateBasicQot",
    3006: "Qot_GetKL",
    3007: "Qot_UpdateKL",
    3011: "Qot_UpdateTicker",
    3103: "Qot_RequestHistoryKL",
    3202: "Qot_GetStaticInfo",
    3203: "Qot_GetSecuritySnapshot",
    3219: "Qot_RequestTradeDate",
    3426: "Qot_GetRatingChange",
}
"""The proto ids that the scripted OpenD speaks, by the name of their messages."""


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    spec = find_spec(PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "common" / "pb"
    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()

    def add(name: str) -> None:
        if name in added:
            return
        added.add(name)
        source = (folder / name.replace(".proto", "_pb2.py")).read_text(encoding="utf-8")
        serialized = next(
            ast.literal_eval(node.args[0])
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "AddSerializedFile"
        )
        for dependency in descriptor_pb2.FileDescriptorProto.FromString(serialized).dependency:
            add(dependency)
        pool.AddSerializedFile(serialized)

    for name in NAMES.values():
        add(f"{name}.proto")
    return pool


@cache
def message(name: str) -> Any:
    """The class of a message by its full name, such as ``Qot_Sub.Request``."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(name))


def request(proto_id: int, **c2s: Any) -> bytes:
    """The body of a request."""
    return bytes(message(f"{NAMES[proto_id]}.Request")(c2s=c2s).SerializeToString())


def response(proto_id: int, body: bytes) -> Any:
    """An answer or a push, read."""
    return message(f"{NAMES[proto_id]}.Response").FromString(body)
