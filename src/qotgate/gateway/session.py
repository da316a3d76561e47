"""A client's session, whatever carries it: what comes first, what is refused, who is counted.

A carrier (TCP, WebSocket) hands in frames and sends what :meth:`Session.take` gives: a sealed answer, which
is its packet from behind the serial number on, or the future of one where a question is under way in the
gateway's threads.
"""

import asyncio
import secrets
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog

from qotgate.gateway.answers import Kept, Request
from qotgate.gateway.interfaces import INTERFACES
from qotgate.model import InvalidRequest, RateLimited, Refused, StoreError
from qotgate.protocol.body import FORMATS, decode_request, encode, refusal
from qotgate.protocol.frame import PROTOBUF, Frame, lead, seal
from qotgate.protocol.messages import RESPONSES, ProtoId, RetType

if TYPE_CHECKING:
    from qotgate.gateway.server import Gateway

UNDER_WAY_MOST = 256
"""Questions of one session under way, beyond which no more is read from it."""

Later: TypeAlias = "asyncio.Future[bytes] | asyncio.Future[bytes | Kept]"
Outcome: TypeAlias = "bytes | Later"
"""A sealed answer, or the future of one."""

log = structlog.get_logger()


class Session(ABC):
    """A client's session. One that is ``over_limit`` is told so and closed."""

    def __init__(self, gateway: "Gateway") -> None:
        self.gateway = gateway
        self.over_limit: InvalidRequest | None = None
        self.address: int | None = None
        """Where it comes from, where that is counted."""
        # Clients keep connection ids in one map per process, so ids of several gateways must differ.
        self.connection_id = secrets.randbits(53) | 1
        self.initialised = False
        self.ended = False
        self.under_way = 0
        self.opened = self.last_received = gateway.loop.time()

    @property
    def busy(self) -> bool:
        """Whether an answer is still to come to something that was asked."""
        return self.under_way > 0

    @abstractmethod
    def close(self) -> None:
        """Close once what was answered has been sent."""

    @abstractmethod
    def abort(self) -> None:
        """Close at once."""

    @abstractmethod
    def stop_reading(self) -> None:
        """Take no more requests."""

    @abstractmethod
    def initialise(self, frame: Frame) -> Any:
        """Answer the carrier's first request, InitConnect or its like. Raises InvalidRequest."""

    def take(self, frame: Frame) -> Outcome:
        """Answer a frame, or have it answered; never raises."""
        try:
            if self.over_limit is not None:
                raise self.over_limit
            outcome = self._answer(frame)
        except Refused as error:
            self.gateway.counts.refused(frame.proto_id, error)
            return self._seal(frame, self.refuse(error))
        if frame.proto_id not in INTERFACES:
            self.gateway.counts.answered(frame.proto_id)
        return outcome

    def settle(self, frame: Frame, done: Later) -> bytes:
        """The sealed answer of a question that was under way."""
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        counts = self.gateway.counts
        if error is None:
            result = done.result()
            if isinstance(result, Kept):
                counts.kept((lead(frame.proto_id, frame.body_format),))
                return result.sealed
            counts.answered(frame.proto_id)
            return result
        if isinstance(error, Refused):
            counts.refused(frame.proto_id, error)
            return self._seal(frame, self.refuse(error))
        if isinstance(error, StoreError):
            refused = Refused("store")
            counts.refused(frame.proto_id, refused)
            # The client is not told where the database is.
            log.error("the database cannot be read", connection=self.connection_id, reason=str(error))
            return self._seal(frame, self.refuse(refused))
        counts.refused(frame.proto_id, Refused("internal"))
        log.error("request failed", connection=self.connection_id, proto_id=frame.proto_id, exc_info=error)
        return self._seal(frame, self.refuse(Refused("internal"), RetType.UNKNOWN))

    def refuse(self, error: Refused, ret_type: RetType = RetType.FAILED) -> Any:
        """A Response that says no in the gateway's language."""
        wait = error.seconds if isinstance(error, RateLimited) else None
        return refusal(ret_type, error.text(self.gateway.options.lang), wait)

    def refuses(self, proto_id: ProtoId) -> bool:
        """Count a request towards the allowance; True, with nothing counted, where it is over it."""
        return self.gateway.count(self, proto_id) > 0

    @staticmethod
    def _seal(request: Frame, response: Any) -> bytes:
        return seal(encode(response, request.body_format if request.body_format in FORMATS else PROTOBUF))

    def _answer(self, frame: Frame) -> Outcome:
        if frame.body_format not in FORMATS:
            raise InvalidRequest("unknown_format", value=frame.body_format)
        if not frame.intact:
            sentence = "cannot_decrypt" if frame.proto_id == ProtoId.InitConnect else "bad_digest"
            return self._seal(frame, self.refuse(InvalidRequest(sentence), RetType.INVALID))
        if frame.proto_id == ProtoId.InitConnect:
            if self.initialised:
                raise InvalidRequest("initialised_twice")
            return self._seal(frame, self.initialise(frame))
        if not self.initialised:
            raise InvalidRequest("not_initialised", proto_id=frame.proto_id)
        if frame.proto_id == ProtoId.KeepAlive:
            return self._seal(frame, self._keep_alive(frame))
        if frame.proto_id in INTERFACES:
            return self._ask(ProtoId(frame.proto_id), frame)
        served = ", ".join(
            str(int(proto_id)) for proto_id in (ProtoId.InitConnect, ProtoId.KeepAlive, *INTERFACES)
        )
        raise InvalidRequest("unserved", proto_id=frame.proto_id, served=served)

    def _keep_alive(self, frame: Frame) -> Any:
        request = decode_request(ProtoId.KeepAlive, frame.body, frame.body_format)
        response = RESPONSES[ProtoId.KeepAlive](retType=RetType.SUCCEED, retMsg="", errCode=0)
        response.s2c.time = request.c2s.time
        return response

    def _ask(self, proto_id: ProtoId, frame: Frame) -> Outcome:
        gateway, interface = self.gateway, INTERFACES[proto_id]
        request = Request(lead(proto_id, frame.body_format), seal(frame.body))
        kept = gateway.answers.find(request)
        if kept is not None:
            if kept.counted is not None:
                if gateway.store_allowance is not None:
                    return gateway.loop.create_task(self._ask_store(proto_id, frame, request))
                gateway.take_allowance(self, kept.counted)
            gateway.counts.kept((request.lead,))
            return kept.sealed
        c2s = decode_request(proto_id, frame.body, frame.body_format).c2s
        counted = proto_id if interface.counts(c2s) else None
        if counted is not None:
            if gateway.store_allowance is not None:
                return gateway.loop.create_task(self._ask_store(proto_id, frame, request))
            gateway.take_allowance(self, counted)
        return gateway.ask(self, proto_id, frame.body_format, c2s, request, counted)

    async def _ask_store(self, proto_id: ProtoId, frame: Frame, request: Request) -> bytes | Kept:
        """Ask a question that counts once the limit store has granted it."""
        gateway = self.gateway
        await gateway.take_store_allowance(proto_id)
        # The data may have moved meanwhile, and a kept answer with it.
        now = gateway.loop.time()
        if now != gateway.answers.checked:
            gateway.answers.check(now)
        kept = gateway.answers.find(request)
        if kept is not None:
            return kept
        c2s = decode_request(proto_id, frame.body, frame.body_format).c2s
        return await gateway.ask(self, proto_id, frame.body_format, c2s, request, proto_id)
