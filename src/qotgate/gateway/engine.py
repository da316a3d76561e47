"""The engine: a frame in, an answer out. It decodes, counts, asks, keeps, seals and refuses.

It knows sessions as :class:`~qotgate.gateway.session.Session` and no carrier. A sealed answer is the part of
a packet after the serial number. A later answer, from the worker pool or from an OpenD behind the gateway, is
delivered to the session.
"""

import asyncio
from time import perf_counter

from qotgate.gateway.allowance import WireAllowance
from qotgate.gateway.interfaces import INTERFACES
from qotgate.gateway.login_handler import LoginHandler
from qotgate.gateway.options import GatewayOptions
from qotgate.gateway.question_handler import QuestionHandler
from qotgate.gateway.relay_handler import RelayHandler
from qotgate.gateway.replies import Replies, sealed_response
from qotgate.gateway.request_log import Pending, log_request
from qotgate.gateway.session import Session, State
from qotgate.limits.window import Window
from qotgate.model import InvalidPacket, InvalidRequest, Refused, Unserved
from qotgate.protocol.body import FORMATS, decode_request
from qotgate.protocol.frame import Frame
from qotgate.protocol.messages import RESPONSES, ProtoId, RetType
from qotgate.relay.upstream import Upstream
from qotgate.service.questions import Questions

_PROTO_IDS = {int(proto_id): proto_id for proto_id in INTERFACES}
"""A look-up takes a tenth of the time of a call of the enum."""


class Engine:
    """Answers frames from ``questions``, and through ``upstream`` those that it takes. Create it within the
    event loop."""

    def __init__(
        self,
        questions: Questions,
        options: GatewayOptions,
        window: Window | None = None,
        upstream: Upstream | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.upstream = upstream
        self.allowance = WireAllowance(options, window)
        self._replies = Replies(options, self.loop.time)
        self._logins = LoginHandler(self._replies, upstream)
        self._questions = QuestionHandler(questions, self.allowance, self._replies)
        self._relay = RelayHandler(self._replies)
        self._prepared = False
        self.counts, self.refusals = self._replies.counts, self._replies.refusals
        self.cache, self.log_data = self._questions.cache, self._questions.log_data
        # Carriers call these for each piece of input, so no other method stands between.
        self.see_commits, self.answer_kept = self._questions.see_commits, self._questions.answer_kept
        self.forward, self.forwarded = self._relay.forward, self._relay.forwarded
        self.reply_to, self.refuse = self._relay.reply_to, self._replies.refuse

    @property
    def options(self) -> GatewayOptions:
        """The current options."""
        return self._replies.options

    @property
    def questions(self) -> Questions:
        """The current questions."""
        return self._questions.questions

    async def prepare(self) -> None:
        """Check that the limit backend can serve this gateway, and start the upstream. Raises
        QotGateError."""
        if self._prepared:
            return
        await self.allowance.open()
        if self.upstream is not None:
            await self.upstream.start()
        self._prepared = True

    async def close(self) -> None:
        """Close the links; pending requests get no answer."""
        await self.allowance.close()
        if self.upstream is not None:
            await self.upstream.close()
        self._questions.close()

    def change(self, options: GatewayOptions, questions: Questions) -> None:
        """Apply new options. Requests granted so far count towards the new limit."""
        self._replies.options = options
        self._questions.change(options, questions)

    def answer(self, frame: Frame, session: Session) -> bytes | None:
        """The sealed answer to a frame; None if :meth:`Session.deliver` gets it later. Never raises."""
        session.requests += 1
        pending = Pending(frame, session, session.requests, perf_counter())
        try:
            sealed = self._answer(pending)
        except Refused as error:
            sealed, outcome = self._replies.refuse(frame, session, error), f"refused: {error.sentence}"
        else:
            outcome = "kept" if frame.proto_id in INTERFACES else "answered"
        if sealed is not None and self.options.log_requests:
            log_request(self.options, pending, outcome)
        return sealed

    def log_in(self, frame: Frame, session: Session) -> bytes | None:
        """Log a client in by its first request. Raises Refused; otherwise as :meth:`answer`."""
        return self._logins.log_in(Pending(frame, session, session.requests, perf_counter()))

    def leave(self, session: Session) -> None:
        """Forget a session that has ended."""
        if session.upstream is not None:
            session.upstream.close()
        self.allowance.forget(session)

    def _answer(self, pending: Pending) -> bytes | None:
        frame, session, *_ = pending
        if session.turned_away is not None:
            raise session.turned_away
        if frame.body_format not in FORMATS:
            raise InvalidRequest("unknown_format", value=frame.body_format)
        if not frame.intact:
            raise InvalidPacket(session.broken(frame))
        if frame.proto_id == ProtoId.InitConnect:
            return self._logins.log_in(pending)
        if session.state is not State.OPEN:
            raise InvalidRequest("not_initialised", proto_id=frame.proto_id)
        if frame.proto_id == ProtoId.KeepAlive:
            return self._keep_alive(frame)
        if self.upstream is not None and self.upstream.accepts(frame.proto_id):
            self._relay.ask(pending)
            return None
        if frame.proto_id in INTERFACES:
            return self._questions.ask(pending, _PROTO_IDS[frame.proto_id])
        served = sorted({ProtoId.InitConnect, ProtoId.KeepAlive, *INTERFACES})
        names = ", ".join(f"{proto_id.name} ({proto_id:d})" for proto_id in served)
        raise Unserved("unserved", proto_id=frame.proto_id, served=names)

    def _keep_alive(self, frame: Frame) -> bytes:
        request = decode_request(ProtoId.KeepAlive, frame.body, frame.body_format)
        response = RESPONSES[ProtoId.KeepAlive](retType=RetType.SUCCEED, retMsg="", errCode=0)
        response.s2c.time = request.c2s.time
        self.counts.answered(frame.proto_id)
        return sealed_response(frame, response)
