"""Refusals and failures as sealed answers, counted and logged; and the delivery of pending answers."""

from collections.abc import Callable
from typing import Any

import structlog

from qotgate.gateway.counts import Counts
from qotgate.gateway.data_log import DataLog
from qotgate.gateway.options import GatewayOptions
from qotgate.gateway.refusals import Refusals, response_of
from qotgate.gateway.request_log import Pending, ids, log_request
from qotgate.gateway.session import Session, State
from qotgate.model import Refused, StoreError, Unavailable, Unserved
from qotgate.protocol.body import FORMATS, encode
from qotgate.protocol.envelope import INIT
from qotgate.protocol.frame import PROTOBUF, Frame, seal
from qotgate.protocol.messages import ProtoId, RetType

LOGINS = (ProtoId.InitConnect, INIT)
"""The requests that log a client in."""

log = structlog.get_logger()


class Replies:
    """The options, counts and logs that the handlers of an engine share. ``clock`` gives seconds."""

    def __init__(self, options: GatewayOptions, clock: Callable[[], float]) -> None:
        self.options = options
        self.counts = Counts()
        self.refusals = Refusals(clock)
        self.data_log = DataLog(clock)

    def refuse(self, frame: Frame, session: Session, error: Refused) -> bytes:
        """The sealed refusal. It is counted, and logged where the client gets no reason."""
        self.counts.refused(frame.proto_id, error)
        told = {"connection": session.connection_id, "peer": session.peer, "reason": error.text("en")}
        if isinstance(error, Unserved):
            self.refusals.tell(
                "interface not served", session.origin, frame.proto_id, proto_id=frame.proto_id, **told
            )
        elif session.state is State.NEW and session.turned_away is None and frame.proto_id in LOGINS:
            self.refusals.tell("login refused", session.origin, error.sentence, **told)
        return self._no(frame, session, error)

    def failed(self, pending: Pending, error: BaseException) -> bytes:
        """The sealed answer to a question that raised ``error``. It is counted and logged."""
        frame, session, *_ = pending
        if isinstance(error, Refused):
            self.counts.refused(frame.proto_id, error)
            log_request(self.options, pending, f"refused: {error.sentence}")
            return self._no(frame, session, error)
        self.counts.failed(frame.proto_id)
        if isinstance(error, StoreError):
            # The client does not learn where the database is.
            level = "error" if self.data_log.is_news(str(error)) else "debug"
            getattr(log, level)("data cannot be read", **ids(pending), reason=str(error))
            return self._no(frame, session, Unavailable("store"))
        log_request(self.options, pending, "failed", error)
        return self._no(frame, session, Refused("internal"), RetType.UNKNOWN)

    def deliver(self, pending: Pending, sealed: bytes) -> None:
        """Send the answer to a pending request."""
        pending.session.under_way -= 1
        pending.session.deliver(pending.frame, sealed)

    def _no(
        self, frame: Frame, session: Session, error: Refused, ret_type: RetType = RetType.FAILED
    ) -> bytes:
        """The sealed refusal in the client's language."""
        return sealed_response(frame, response_of(error, session.lang or self.options.lang, ret_type))


def sealed_response(request: Frame, response: Any) -> bytes:
    """A Response as a sealed answer, in the format of its request; Protobuf if that is unknown."""
    return seal(encode(response, request.body_format if request.body_format in FORMATS else PROTOBUF))
