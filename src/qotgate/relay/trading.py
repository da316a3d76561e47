"""The requests about the user's accounts and money, the rules for passing them on, and the PacketID of
orders."""

from qotgate.model import InvalidRequest, Refused
from qotgate.protocol.frame import MAX_SERIAL, Frame

VERIFICATION = 1006
"""Requests or submits the code that a login needs."""
TRADING = range(2000, 3000)
WITH_PACKET_ID = frozenset({2202, 2205, 2227})
"""Trd_PlaceOrder, Trd_ModifyOrder, Trd_PlaceComboOrder. OpenD recognises a repeated order by the PacketID."""


def is_trading(proto_id: int) -> bool:
    """Whether a request or push is about accounts, orders or the login."""
    return proto_id in TRADING or proto_id == VERIFICATION


def trading_refusal(proto_id: int, *, allowed: bool, secure: bool) -> Refused | None:
    """Why a request may not pass, None if it may. ``allowed`` is the option --upstream-trade; ``secure`` as
    in :meth:`qotgate.relay.upstream.Upstream.open`."""
    if not is_trading(proto_id):
        return None
    if not allowed:
        return InvalidRequest("upstream_no_trade", proto_id=proto_id)
    if not secure:
        return InvalidRequest("upstream_trade_plain", proto_id=proto_id)
    return None


def fill_packet_id(frame: Frame, connection_id: int) -> Frame:
    """A request of a WebSocket client, with the PacketID that OpenD expects on TCP: the connection's id and
    the packet's serial number. The npm client documents that programs need not fill it in, and does not tell
    them the serial number.

    The field is appended: protobuf parsers merge it into the message, and its values win.
    """
    if frame.proto_id not in WITH_PACKET_ID:
        return frame
    # PacketID has connID as field 1 and serialNo as field 2; it is field 1 of C2S, and C2S is field 1 of
    # Request.
    packet_id = b"\x08" + _varint(connection_id) + b"\x10" + _varint(frame.serial % MAX_SERIAL)
    c2s = b"\x0a" + _varint(len(packet_id)) + packet_id
    return frame._replace(body=frame.body + b"\x0a" + _varint(len(c2s)) + c2s)


def _varint(value: int) -> bytes:
    """A number as protobuf writes it: 7 bits a byte, the lowest first, all bytes but the last marked."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
