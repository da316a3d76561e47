"""A client's session, whatever carries it: what comes first, what is refused, who is counted.

A carrier (TCP, WebSocket) hands in frames and sends what :meth:`Session.take` gives: a sealed answer, which
is its packet from behind the serial number on, or the future of one where a question is under way in the
gateway's threads.
"""

import asyncio
import secrets
from abc import ABC, abstractmethod
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import structlog

from qotgate.gateway.answers import Kept, Request
from qotgate.gateway.counts import interface_name
from qotgate.gateway.handover import Message
from qotgate.gateway.interfaces import INTERFACES
from qotgate.model import (
    InvalidPacket,
    InvalidRequest,
    Language,
    RateLimited,
    Refused,
    StoreError,
    Unavailable,
    Unserved,
)
from qotgate.protocol.body import FORMATS, decode_request, encode, refusal
from qotgate.protocol.envelope import INIT
from qotgate.protocol.frame import PROTOBUF, Frame, lead, seal
from qotgate.protocol.messages import RESPONSES, ProtoId, RetType
from qotgate.protocol.names import language_of

if TYPE_CHECKING:
    from qotgate.gateway.server import Gateway

SILENT_INTERVALS = 3
"""Keep-alive intervals without a byte, sent or read, after which a connection is dropped."""
UNDER_WAY_MOST = 256
"""Questions of one session under way, beyond which no more is read from it."""
LOGINS = (ProtoId.InitConnect, INIT)
"""The requests by which a client says who it is."""

Later: TypeAlias = "asyncio.Future[bytes] | asyncio.Future[bytes | Kept]"
Outcome: TypeAlias = "bytes | Later"
"""A sealed answer, or the future of one."""

log = structlog.get_logger()


class Asked(NamedTuple):
    """A request under way: its number in the session, and when it came by the performance counter."""

    frame: Frame
    number: int
    at: float


class Session(ABC):
    """A client's session. One that is ``over_limit`` is told so and closed."""

    def __init__(self, gateway: "Gateway", state: Message | None = None) -> None:
        """A new session, or one that another process began and left in ``state``."""
        self.gateway = gateway
        self.over_limit: InvalidRequest | None = None
        self.origin: int | None = None
        """Where it comes from, its address or network."""
        self.address: int | None = None
        """The same, where that is counted."""
        self.moved = state is not None
        state = state or {}
        # Clients keep connection ids in one map per process, so ids of several gateways must differ.
        self.connection_id: int = state.get("id") or secrets.randbits(53) | 1
        self.initialised: bool = state.get("initialised", False)
        self.ended = False
        self.under_way = 0
        self.last_received = self.opened = gateway.loop.time()
        self.peer = ""
        self.requests: int = state.get("requests", 0)
        """Requests that were looked at one by one. It numbers them in the log, where no others are."""
        gateway.restore(state.get("granted", {}), self)
        self._refused = ""
        self._reason = ""
        self._warns = False
        self._lang: Language | None = state.get("lang")
        """The language that the client has asked for, if any."""

    @property
    def lang(self) -> Language:
        """The language of what the client is told."""
        return self._lang or self.gateway.options.lang

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

    @property
    @abstractmethod
    def looked_at(self) -> bool:
        """Whether there is nothing that was read and not counted yet."""

    @abstractmethod
    def state(self) -> Message | None:
        """What another process needs to go on with the session, None where that cannot be, or not yet."""

    @abstractmethod
    def file(self) -> int:
        """The connection's file, once more, which stays open when the session's own is closed."""

    @abstractmethod
    def initialise(self, frame: Frame) -> Any:
        """Answer the carrier's first request, InitConnect or its like. Raises InvalidRequest."""

    def broken(self, frame: Frame) -> str:  # noqa: ARG002 - a carrier may look at it
        """The sentence about a frame whose body is not what its header says."""
        return "bad_digest"

    def because(self, reason: str, *, warns: bool = False) -> None:
        """Why the session ends: what is said first counts. ``warns`` where somebody should look at it."""
        if not self._reason:
            self._reason, self._warns = reason, warns

    def open(self, client_id: str, **fields: Any) -> None:
        """The client has said who it is, and may now ask."""
        self.initialised = True
        self._lang = language_of(client_id)
        log.info(
            "client connected", connection=self.connection_id, peer=self.peer, client=client_id, **fields
        )

    def log_arrived(self) -> None:
        """Another process began it."""
        log.debug("connection arrived", connection=self.connection_id, peer=self.peer)

    def log_closed(self) -> None:
        """The session has ended here; who came and went without a word is of little interest."""
        level = "warning" if self._warns else "info" if self.initialised else "debug"
        getattr(log, level)(
            "connection closed",
            connection=self.connection_id,
            peer=self.peer,
            reason=self._reason or "the client closed it",
            seconds=round(self.gateway.loop.time() - self.opened, 1),
        )

    def take(self, frame: Frame) -> Outcome:
        """Answer a frame, or have it answered; never raises."""
        self.requests += 1
        if not self.gateway.options.log_requests:
            return self._take(frame)
        asked = Asked(frame, self.requests, perf_counter())
        outcome = self._take(frame)
        if not isinstance(outcome, asyncio.Future):
            # Where a question is not under way it was refused, or the answer was there.
            self._log_request(
                asked, self._refused or ("kept" if frame.proto_id in INTERFACES else "answered")
            )
        return outcome

    def _take(self, frame: Frame) -> Outcome:
        self._refused = ""
        try:
            if self.over_limit is not None:
                raise self.over_limit
            outcome = self._answer(frame)
        except Refused as error:
            self._refused = f"refused: {error.sentence}"
            self.count_refused(frame, error)
            return self._seal(frame, self.refuse(error))
        if frame.proto_id not in INTERFACES:
            self.gateway.counts.answered(frame.proto_id)
        return outcome

    def asked(self, frame: Frame) -> Asked:
        """The request that was taken last, whose question is under way."""
        return Asked(frame, self.requests, perf_counter())

    def settle(self, asked: Asked, done: Later) -> bytes:
        """The sealed answer of a question that was under way."""
        frame = asked.frame
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        counts = self.gateway.counts
        if error is None:
            result = done.result()
            if isinstance(result, Kept):
                counts.kept((lead(frame.proto_id, frame.body_format),))
                self._log_request(asked, "kept")
                return result.sealed
            counts.answered(frame.proto_id)
            self._log_request(asked, "answered")
            return result
        if isinstance(error, Refused):
            counts.refused(frame.proto_id, error)
            self._log_request(asked, f"refused: {error.sentence}")
            return self._seal(frame, self.refuse(error))
        if isinstance(error, StoreError):
            counts.failed(frame.proto_id)
            # The client is not told where the database is.
            level = "error" if self.gateway.is_news(str(error)) else "debug"
            getattr(log, level)("data cannot be read", **self._ids(asked), reason=str(error))
            return self._seal(frame, self.refuse(Unavailable("store")))
        counts.failed(frame.proto_id)
        self._log_request(asked, "failed", error)
        return self._seal(frame, self.refuse(Refused("internal"), RetType.UNKNOWN))

    def count_refused(self, frame: Frame, error: Refused) -> None:
        """Count a refusal, and log it where no answer tells of it."""
        self.gateway.counts.refused(frame.proto_id, error)
        told = {"connection": self.connection_id, "peer": self.peer, "reason": error.text("en")}
        if isinstance(error, Unserved):
            self.gateway.refusals.tell(
                "interface not served", self.origin, frame.proto_id, proto_id=frame.proto_id, **told
            )
        elif not self.initialised and self.over_limit is None and frame.proto_id in LOGINS:
            self.gateway.refusals.tell("login refused", self.origin, error.sentence, **told)

    def refuse(self, error: Refused, ret_type: RetType = RetType.FAILED) -> Any:
        """A Response that says no in the client's language."""
        if isinstance(error, InvalidPacket):
            ret_type = RetType.INVALID
        sentence = error.text(self.lang)
        if isinstance(error, RateLimited):
            return refusal(ret_type, sentence, retryAfter=error.seconds)
        if isinstance(error, Unavailable):
            return refusal(ret_type, sentence, unavailable=True)
        return refusal(ret_type, sentence)

    def refuses(self, proto_id: ProtoId) -> bool:
        """Count a request towards the allowance; True, with nothing counted, where it is over it."""
        return self.gateway.count(self, proto_id) > 0

    def _log_request(self, asked: Asked, outcome: str, error: BaseException | None = None) -> None:
        """A line about a request: always for one that failed or was slow, else where it is wanted."""
        options = self.gateway.options
        seconds = perf_counter() - asked.at
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
            **self._ids(asked),
            outcome=outcome,
            ms=round(seconds * 1000, 3),
            **({"exc_info": error} if error else {}),
        )

    def _ids(self, asked: Asked) -> dict[str, Any]:
        return {
            "connection": self.connection_id,
            "peer": self.peer,
            "request": f"{self.connection_id}-{asked.number}",
            "serial": asked.frame.serial,
            "interface": interface_name(asked.frame.proto_id),
        }

    @staticmethod
    def _seal(request: Frame, response: Any) -> bytes:
        return seal(encode(response, request.body_format if request.body_format in FORMATS else PROTOBUF))

    def _answer(self, frame: Frame) -> Outcome:
        if frame.body_format not in FORMATS:
            raise InvalidRequest("unknown_format", value=frame.body_format)
        if not frame.intact:
            raise InvalidPacket(self.broken(frame))
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
        served = sorted({ProtoId.InitConnect, ProtoId.KeepAlive, *INTERFACES})
        names = ", ".join(f"{proto_id.name} ({proto_id:d})" for proto_id in served)
        raise Unserved("unserved", proto_id=frame.proto_id, served=names)

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
