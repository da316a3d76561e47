"""Which requests are about the user's accounts and money, and when they may pass."""

from qotgate.model import InvalidRequest, Refused

VERIFICATION = 1006
"""Asks for, or gives, the code that a login takes."""
TRADING = range(2000, 3000)


def is_trading(proto_id: int) -> bool:
    """Whether a request or push is about accounts, orders or the login."""
    return proto_id in TRADING or proto_id == VERIFICATION


def trading_refusal(proto_id: int, *, allowed: bool, secure: bool) -> Refused | None:
    """Why a request may not pass, None where it may. ``allowed`` by --upstream-trade; ``secure`` as in
    :meth:`qotgate.relay.upstream.Upstream.open`."""
    if not is_trading(proto_id):
        return None
    if not allowed:
        return InvalidRequest("upstream_no_trade", proto_id=proto_id)
    if not secure:
        return InvalidRequest("upstream_trade_plain", proto_id=proto_id)
    return None
