"""A pending request, and its log line."""

from time import perf_counter
from typing import Any, NamedTuple

import structlog

from qotgate.gateway.counts import interface_name
from qotgate.gateway.options import GatewayOptions
from qotgate.gateway.session import Session
from qotgate.protocol.frame import Frame

log = structlog.get_logger()


class Pending(NamedTuple):
    """A pending request: its number in its session, and its arrival time by the performance counter."""

    frame: Frame
    session: Session
    number: int
    at: float


def ids(pending: Pending) -> dict[str, Any]:
    """The fields that identify a request in the log."""
    session, frame = pending.session, pending.frame
    return {
        "connection": session.connection_id,
        "peer": session.peer,
        "request": f"{session.connection_id}-{pending.number}",
        "serial": frame.serial,
        "interface": interface_name(frame.proto_id),
    }


def log_request(
    options: GatewayOptions, pending: Pending, outcome: str, error: BaseException | None = None
) -> None:
    """Log a request: always if it failed or was slow, otherwise if the options say so."""
    seconds = perf_counter() - pending.at
    slow = 0 < options.slow_seconds <= seconds
    if not (slow or error or options.log_requests):
        return
    level, event = "debug", "request"
    if error is not None:
        level, event = "error", "request failed"
    elif slow:
        level, event = "warning", "slow request"
    getattr(log, level)(
        event,
        **ids(pending),
        outcome=outcome,
        ms=round(seconds * 1000, 3),
        **({"exc_info": error} if error else {}),
    )
