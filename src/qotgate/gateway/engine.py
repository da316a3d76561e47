"""The engine: a frame in, an answer out. It decodes, counts, asks, keeps, seals and refuses.

It knows sessions as :class:`~qotgate.gateway.session.Session` and no carrier. A sealed answer is the part of
a packet after the serial number. A later answer, from the worker pool or from an OpenD behind the gateway, is
delivered to the session.
"""

import asyncio
from functools import partial
from time import perf_counter
from typing import Any

import structlog

from qotgate.gateway.allowance import WireAllowance
from qotgate.gateway.answer_cache import AnswerCache, CachedAnswer, RequestKey
from qotgate.gateway.counts import Counts
from qotgate.gateway.data_log import DataLog
from qotgate.gateway.interfaces import INTERFACES, SERVER_VERSION
from qotgate.gateway.options import GatewayOptions
from qotgate.gateway.refusals import Refusals, response_of
from qotgate.gateway.request_log import Pending, ids, log_request
from qotgate.gateway.session import MAX_UNDER_WAY, Login, Session, State
from qotgate.gateway.work import Work, WorkItem
from qotgate.limits.window import Window
from qotgate.model import (
    InvalidPacket,
    InvalidRequest,
    Language,
    Refused,
    StoreError,
    Unavailable,
    Unserved,
)
from qotgate.protocol.body import FORMATS, decode_request, encode
from qotgate.protocol.envelope import INIT
from qotgate.protocol.frame import PROTOBUF, Frame, lead, seal
from qotgate.protocol.messages import CLASSES, RESPONSES, ProtoId, RetType
from qotgate.protocol.names import language_of
from qotgate.relay.upstream import Forwarded, Reply, Upstream
from qotgate.service.markets import USER
from qotgate.service.questions import Questions

LOGINS = (ProtoId.InitConnect, INIT)
"""The requests that log a client in."""
REPLY_PARTS = 3
"""Parts of a pending answer: the bytes before the serial number, the number, and the rest."""

log = structlog.get_logger()


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
        self.questions = questions
        self._in_languages: dict[Language, Questions] = {}
        self.options = options
        self.loop = asyncio.get_running_loop()
        self.counts = Counts()
        self.refusals = Refusals(self.loop.time)
        self._watch = questions.store.watch()
        self.cache = AnswerCache(self._moved)
        self._data_log = DataLog(self.loop.time)
        self.upstream = upstream
        self._tasks: set[asyncio.Task[None]] = set()
        self._work = Work(self.cache, self.counts)
        self._prepared = False
        self.allowance = WireAllowance(options, window)

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
        self._work.stop()
        self._watch.close()

    def change(self, options: GatewayOptions, questions: Questions) -> None:
        """Apply new options. Requests granted so far count towards the new limit."""
        self.options, self.questions = options, questions
        self._in_languages.clear()
        self.cache.forget()
        self.allowance.change(options)

    def see_commits(self, now: float) -> None:
        """Drop the cached answers if the data has changed; checked once in each turn of the loop, whose time
        is ``now``. A carrier calls it before it has packets answered."""
        if now != self.cache.checked:
            self.cache.check(now)

    def _moved(self) -> bool:
        moved = self._watch.moved()
        if moved and self.questions.columns is not None:
            # Otherwise they would be used without checking for commits.
            self.questions.columns.expire()
        return moved

    def log_data(self) -> None:
        """Log a change of the data."""
        self.cache.check(self.loop.time())
        self._data_log.look(self.questions.store, self.cache.epoch)

    def answer(self, frame: Frame, session: Session) -> bytes | None:
        """The sealed answer to a frame; None if :meth:`Session.deliver` gets it later. Never raises."""
        session.requests += 1
        pending = Pending(frame, session, session.requests, perf_counter())
        try:
            sealed = self._answer(pending)
        except Refused as error:
            sealed, outcome = self.refuse(frame, session, error), f"refused: {error.sentence}"
        else:
            outcome = "kept" if frame.proto_id in INTERFACES else "answered"
        if sealed is not None and self.options.log_requests:
            log_request(self.options, pending, outcome)
        return sealed

    def answer_kept(
        self, data: bytes, position: int, end: int, replies: list[bytes], session: Session
    ) -> int:
        """Answer the plain packets in ``data`` from the cache, as :meth:`AnswerCache.reply` does."""
        if session.state is not State.OPEN or self.options.log_requests:
            return position
        if session.lang is not None and self._is_varied(session):
            return position
        before = len(replies)
        position = self.cache.reply(data, position, end, replies, self.allowance.over_limit(session))
        if len(replies) > before:
            self.counts.kept(replies[before::REPLY_PARTS])
        return position

    def forward(self, data: bytes, position: int, end: int, limit: int, session: Session) -> int:
        """Forward plain packets in ``data`` unchanged to OpenD, with bodies of at most ``limit`` bytes: the
        packets that start between ``position`` and ``end``, up to the first that :meth:`answer` has to take.
        Returns the position after the last one."""
        upstream = session.upstream.raw if session.upstream is not None else None
        if upstream is None or self.options.log_requests:
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
        slow, now = self.options.slow_seconds, perf_counter()
        for request in answered:
            self.counts.answered(request.proto_id)
            if 0 < slow <= now - request.at:
                log_request(self.options, _forwarded(request, session), "relayed")

    def reply_to(self, request: Forwarded, session: Session) -> Reply:
        """A function that takes the answer to a request that :meth:`forward` sent."""
        return partial(self._relayed, _forwarded(request, session))

    def log_in(self, frame: Frame, session: Session) -> bytes | None:
        """Log a client in by its first request. Raises Refused; otherwise as :meth:`answer`."""
        return self._log_in(Pending(frame, session, session.requests, perf_counter()))

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
            return self._log_in(pending)
        if session.state is not State.OPEN:
            raise InvalidRequest("not_initialised", proto_id=frame.proto_id)
        if frame.proto_id == ProtoId.KeepAlive:
            return self._keep_alive(frame)
        if self.upstream is not None and self.upstream.takes(frame.proto_id):
            self._relay(pending)
            return None
        if frame.proto_id in INTERFACES:
            return self._ask(pending, ProtoId(frame.proto_id))
        served = sorted({ProtoId.InitConnect, ProtoId.KeepAlive, *INTERFACES})
        names = ", ".join(f"{proto_id.name} ({proto_id:d})" for proto_id in served)
        raise Unserved("unserved", proto_id=frame.proto_id, served=names)

    def _keep_alive(self, frame: Frame) -> bytes:
        request = decode_request(ProtoId.KeepAlive, frame.body, frame.body_format)
        response = RESPONSES[ProtoId.KeepAlive](retType=RetType.SUCCEED, retMsg="", errCode=0)
        response.s2c.time = request.c2s.time
        self.counts.answered(frame.proto_id)
        return _seal(frame, response)

    def _log_in(self, pending: Pending) -> bytes | None:
        session = pending.session
        if session.turned_away is not None:
            raise session.turned_away
        if session.state is not State.NEW:
            raise InvalidRequest("initialised_twice")
        login = session.read_login(pending.frame)
        if self.upstream is None:
            return self._welcome(pending, login, self._own_s2c(session))
        session.state = State.LOGGING_IN
        session.under_way += 1
        task = self.loop.create_task(self._open_upstream(self.upstream, pending, login))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return None

    async def _open_upstream(self, upstream: Upstream, pending: Pending, login: Login) -> None:
        session = pending.session
        secure = login.encrypted or session.is_local
        opened = await upstream.open(login.c2s, session, secure=secure)
        if session.state is State.ENDED:
            opened.close()
            return
        session.upstream = opened
        s2c = self._own_s2c(session)
        if opened.s2c is not None:
            s2c.CopyFrom(opened.s2c)
            session.keep_alive_interval = s2c.keepAliveInterval
        self._deliver(pending, self._welcome(pending, login, s2c))
        opened.resume()

    def _own_s2c(self, session: Session) -> Any:
        return CLASSES["InitConnect.S2C"](
            serverVer=SERVER_VERSION,
            loginUserID=USER.user_id,
            connID=session.connection_id,
            keepAliveInterval=self.options.keep_alive_interval,
        )

    def _welcome(self, pending: Pending, login: Login, s2c: Any) -> bytes:
        frame, session, *_ = pending
        session.connection_id = s2c.connID
        sealed = _seal(frame, session.welcome(login, s2c))
        session.state = State.OPEN
        session.lang = language_of(login.c2s.clientID)
        self.counts.answered(frame.proto_id)
        log.info(
            "client connected",
            connection=session.connection_id,
            peer=session.peer,
            client=login.c2s.clientID,
            **login.fields,
        )
        return sealed

    def _relay(self, pending: Pending) -> None:
        session = pending.session
        if session.upstream is None:
            # The session migrated here from a gateway without upstream, and has to log in at the OpenD too.
            error = Unavailable("upstream_back")
            self.loop.call_soon(session.lost, error)
            raise error
        session.under_way += 1
        session.upstream.ask(pending.frame, partial(self._relayed, pending))

    def _relayed(self, pending: Pending, answer: Frame | Refused) -> None:
        """Send an answer of OpenD at once: a later push must not overtake it."""
        if isinstance(answer, Refused):
            sealed = self._failed(pending, answer)
        else:
            self.counts.answered(pending.frame.proto_id)
            log_request(self.options, pending, "relayed")
            sealed = seal(answer.body)
        self._deliver(pending, sealed)

    def _ask(self, pending: Pending, proto_id: ProtoId) -> bytes | None:
        frame, session, *_ = pending
        request = self._key(frame, session)
        kept, c2s = self.cache.find(request), None
        if kept is not None:
            counted = kept.counted
        else:
            c2s = decode_request(proto_id, frame.body, frame.body_format).c2s
            counted = proto_id if self.allowance.counts(session, proto_id, c2s) else None
        if counted is not None:
            if self.allowance.elsewhere:
                self._later(pending, self.loop.create_task(self._ask_granted(pending, request)))
                return None
            self.allowance.count(session, counted)
        if kept is not None:
            self.counts.kept((request.lead,))
            return kept.sealed
        question = WorkItem(proto_id, INTERFACES[proto_id], frame.body_format, c2s, request, counted)
        questions = self._questions_of(session)
        sealed = self._at_hand(question, questions)
        if sealed is None:
            self._later(pending, self._work.put(question, questions, session))
        else:
            self.counts.answered(proto_id)
        return sealed

    async def _ask_granted(self, pending: Pending, request: RequestKey) -> bytes | CachedAnswer:
        """Ask the limit backend, then answer the question."""
        frame = pending.frame
        proto_id = ProtoId(frame.proto_id)
        await self.allowance.count_elsewhere(proto_id)
        # The data, and with it a cached answer, may have changed meanwhile.
        self.see_commits(self.loop.time())
        kept = self.cache.find(request)
        if kept is not None:
            return kept
        c2s = decode_request(proto_id, frame.body, frame.body_format).c2s
        question = WorkItem(proto_id, INTERFACES[proto_id], frame.body_format, c2s, request, proto_id)
        questions = self._questions_of(pending.session)
        sealed = self._at_hand(question, questions)
        if sealed is not None:
            return sealed
        return await self._work.put(question, questions, pending.session)

    def _is_varied(self, session: Session) -> bool:
        """Whether a client gets names in another language than the gateway's default."""
        return session.lang not in (None, self.questions.lang)

    def _questions_of(self, session: Session) -> Questions:
        """The questions, with names in the client's language."""
        lang = session.lang or self.questions.lang
        if lang == self.questions.lang:
            return self.questions
        if lang not in self._in_languages:
            self._in_languages[lang] = self.questions.varied(lang=lang)
        return self._in_languages[lang]

    def _key(self, frame: Frame, session: Session) -> RequestKey:
        """The cache key of a request; a request in another language has another key."""
        rest = seal(frame.body)
        if self._is_varied(session):
            rest += f"{session.lang}".encode()
        return RequestKey(lead(frame.proto_id, frame.body_format), rest)

    def _at_hand(self, question: WorkItem, questions: Questions) -> bytes | None:
        # The request log calls every answer given at once a cached one.
        return None if self.options.log_requests else self._work.at_hand(question, questions)

    def _later(
        self, pending: Pending, future: "asyncio.Future[bytes] | asyncio.Future[bytes | CachedAnswer]"
    ) -> None:
        pending.session.under_way += 1
        future.add_done_callback(partial(self._settle, pending))

    def _settle(self, pending: Pending, done: "asyncio.Future[bytes | CachedAnswer]") -> None:
        """Deliver the answer to a pending question."""
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is not None:
            sealed = self._failed(pending, error)
        else:
            result, frame = done.result(), pending.frame
            kept = isinstance(result, CachedAnswer)
            if isinstance(result, CachedAnswer):
                sealed = result.sealed
                self.counts.kept((lead(frame.proto_id, frame.body_format),))
            else:
                sealed = result
                self.counts.answered(frame.proto_id)
            log_request(self.options, pending, "kept" if kept else "answered")
        self._deliver(pending, sealed)

    def _deliver(self, pending: Pending, sealed: bytes) -> None:
        pending.session.under_way -= 1
        pending.session.deliver(pending.frame, sealed)

    def _failed(self, pending: Pending, error: BaseException) -> bytes:
        """The sealed answer to a question that raised ``error``."""
        frame, session, *_ = pending
        if isinstance(error, Refused):
            self.counts.refused(frame.proto_id, error)
            log_request(self.options, pending, f"refused: {error.sentence}")
            return self._no(frame, session, error)
        self.counts.failed(frame.proto_id)
        if isinstance(error, StoreError):
            # The client does not learn where the database is.
            level = "error" if self._data_log.is_news(str(error)) else "debug"
            getattr(log, level)("data cannot be read", **ids(pending), reason=str(error))
            return self._no(frame, session, Unavailable("store"))
        log_request(self.options, pending, "failed", error)
        return self._no(frame, session, Refused("internal"), RetType.UNKNOWN)

    def _no(
        self, frame: Frame, session: Session, error: Refused, ret_type: RetType = RetType.FAILED
    ) -> bytes:
        """The sealed refusal in the client's language."""
        return _seal(frame, response_of(error, session.lang or self.options.lang, ret_type))


def _forwarded(request: Forwarded, session: Session) -> Pending:
    return Pending(request.frame, session, request.number, request.at)


def _seal(request: Frame, response: Any) -> bytes:
    return seal(encode(response, request.body_format if request.body_format in FORMATS else PROTOBUF))
