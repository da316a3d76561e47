"""Requests that go on to the OpenD behind the gateway, and its answers."""

import asyncio
from functools import partial
from time import perf_counter

from qotgate.gateway.replies import Replies
from qotgate.gateway.request_log import Pending, log_request
from qotgate.gateway.session import MAX_UNDER_WAY, Session
from qotgate.model import Refused, Unavailable
from qotgate.protocol.frame import Frame, seal
from qotgate.relay.upstream import Forwarded, Reply


class RelayHandler:
    """Sends requests of a session through its session with OpenD."""

    def __init__(self, replies: Replies) -> None:
        self._replies = replies

    def ask(self, pending: Pending) -> None:
        """Send a request; :meth:`Session.deliver` gets the answer later. Raises Unavailable."""
        session = pending.session
        if session.upstream is None:
            # The session migrated here from a gateway without upstream, and has to log in at the OpenD too.
            error = Unavailable("upstream_back")
            asyncio.get_running_loop().call_soon(session.lost, error)
            raise error
        session.under_way += 1
        session.upstream.ask(pending.frame, partial(self._relayed, pending))

    def forward(self, data: bytes, position: int, end: int, limit: int, session: Session) -> int:
        """Forward plain packets in ``data`` unchanged, with bodies of at most ``limit`` bytes: the packets
        that start between ``position`` and ``end``, up to the first that the engine has to take by itself.
        Returns the position after the last one."""
        upstream = session.upstream.raw if session.upstream is not None else None
        if upstream is None or self._replies.options.log_requests:
            return position
        position, number = upstream.forward(
            data,
            position,
            end,
            limit=limit,
            room=MAX_UNDER_WAY - session.under_way,
            number=session.requests,
            at=perf_counter(),
        )
        session.requests += number
        session.under_way += number
        return position

    def forwarded(self, answered: list[Forwarded], session: Session) -> None:
        """Count and log the answered requests that :meth:`forward` sent."""
        session.under_way -= len(answered)
        replies = self._replies
        slow, now = replies.options.slow_seconds, perf_counter()
        for request in answered:
            replies.counts.answered(request.proto_id)
            if 0 < slow <= now - request.at:
                log_request(replies.options, _pending(request, session), "relayed")

    def reply_to(self, request: Forwarded, session: Session) -> Reply:
        """A function that takes the answer to a request that :meth:`forward` sent."""
        return partial(self._relayed, _pending(request, session))

    def _relayed(self, pending: Pending, answer: Frame | Refused) -> None:
        """Send an answer of OpenD at once: a later push must not overtake it."""
        replies = self._replies
        if isinstance(answer, Refused):
            sealed = replies.failed(pending, answer)
        else:
            replies.counts.answered(pending.frame.proto_id)
            log_request(replies.options, pending, "relayed")
            sealed = seal(answer.body)
        replies.deliver(pending, sealed)


def _pending(request: Forwarded, session: Session) -> Pending:
    return Pending(request.frame, session, request.number, request.at)
