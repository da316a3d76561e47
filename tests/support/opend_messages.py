"""The messages of the installed published package."""

from typing import Any

from qotgate.relay.published import known_messages

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
"""The proto ids that the scripted OpenD supports, by the name of their messages."""


def message(name: str) -> Any:
    """The class of a message by its full name, such as ``Qot_Sub.Request``."""
    return known_messages().classes[name]


def request(proto_id: int, **c2s: Any) -> bytes:
    """The body of a request."""
    return bytes(message(f"{NAMES[proto_id]}.Request")(c2s=c2s).SerializeToString())


def response(proto_id: int, body: bytes) -> Any:
    """An answer or a push, parsed."""
    return message(f"{NAMES[proto_id]}.Response").FromString(body)
