"""The gateway: listens, keeps its connections within limits, and stops without losing an answer."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

import structlog
from websockets.asyncio.server import Server

from qotgate.gateway.allowance import DEFAULT_LIMIT, Allowance, RateLimit
from qotgate.gateway.answers import Answers, Kept, Request
from qotgate.gateway.counts import Counts
from qotgate.gateway.handover import Message
from qotgate.gateway.interfaces import INTERFACES, Interface
from qotgate.gateway.limit_store import LimitStore
from qotgate.gateway.listening import BACKLOG, Listening, listen, shown_address
from qotgate.gateway.pacing import Pacer
from qotgate.gateway.places import Places, address_of
from qotgate.gateway.refusals import AGAIN_SECONDS, Refusals
from qotgate.gateway.session import SILENT_INTERVALS, Session
from qotgate.gateway.store_allowance import StoreAllowance, StoreLink, WhenDown
from qotgate.gateway.tcp import TcpSession
from qotgate.gateway.turns import KeyTurns, Question, Turns
from qotgate.gateway.websocket import WebSocketOptions, serve_websocket
from qotgate.model import InvalidRequest, Language, QotGateError, RateLimited, StoreError
from qotgate.protocol.body import encode
from qotgate.protocol.cipher import RsaKey
from qotgate.protocol.frame import REQUEST_LIMIT, seal
from qotgate.protocol.messages import ProtoId
from qotgate.service.questions import Questions
from qotgate.store.database import generation

if TYPE_CHECKING:
    from qotgate.gateway.shared import SharedAllowance, SharedLimits

SETTLE_SECONDS = 2.0
REFUSED_MOST = 32
"""Connections over the limit that are kept long enough to be told so; further ones are closed unheard."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """How a gateway serves. Times are in seconds, sizes in bytes; ``rate_limit`` None is no limit."""

    host: str = "127.0.0.1"
    port: int = 11111
    max_connections: int = 128
    max_connections_per_address: int | None = None
    keep_alive_interval: int = 10
    request_limit: int = REQUEST_LIMIT
    rate_limit: RateLimit | None = DEFAULT_LIMIT
    rate_limit_scope: Literal["gateway", "connection"] = "gateway"
    limit_store: str | None = field(default=None, repr=False)
    """URL of the Redis where gateways count their allowance together; it may have a password."""
    limit_store_down: WhenDown = "local"
    lang: Language = "zh"
    rsa_key: RsaKey | None = None
    allow_plaintext: bool = False
    websocket: WebSocketOptions | None = None
    drain_seconds: float = 5.0
    """How long answers under way are given when it stops."""
    log_requests: bool = False
    """Whether the log has a line for each request."""
    slow_seconds: float = 1.0
    """From how long on it has one in any case; 0 for never."""


class Gateway:
    """Serves ``questions`` on TCP, and on WebSocket where asked to, within a running event loop."""

    def __init__(
        self,
        questions: Questions,
        options: GatewayOptions | None = None,
        shared: "SharedLimits | None" = None,
    ) -> None:
        self.questions = questions
        self.options = options or GatewayOptions()
        self.loop = asyncio.get_running_loop()
        self.sessions: set[Session] = set()
        self.draining = False
        """Whether it takes no more connections and requests."""
        self.deadline = 0.0
        self.closing = False
        """Whether it closes those that it has."""
        self._watch = questions.store.watch()
        self.answers = Answers(self._watch.moved)
        self.counts = Counts()
        self.refusals = Refusals(self.loop.time)
        self._asked: dict[Request, tuple[int, Question]] = {}
        self._turns = Turns()
        self.key_turns = KeyTurns()
        self.pacer = Pacer()
        self._allowance: Allowance | SharedAllowance | None = None
        if self.options.rate_limit is not None:
            self._allowance = (shared and shared.allowance) or Allowance(self.options.rate_limit)
        self.store_link: StoreLink | None = None
        self._prepared = False
        self.store_allowance: StoreAllowance | None = None
        """Where the wire's allowance is counted on a store."""
        self.left_to_store: Callable[[ProtoId], object] | None = None
        """What leaves each request that counts to the store, where there is one."""
        if self.options.limit_store is not None and self._allowance is not None:
            store = LimitStore(self.options.limit_store, self._allowance.limit)
            self.store_link = StoreLink(store, self.options.limit_store_down)
            # A connection is one gateway's: nobody else need know how much it has asked.
            if self.options.rate_limit_scope == "gateway":
                self.store_allowance = StoreAllowance(self.store_link, "wire", self._allowance)
                self.left_to_store = _always
        self._places = (
            shared.places
            if shared
            else Places(self.options.max_connections, self.options.max_connections_per_address)
        )
        self._refused = 0
        self._turned_away = 0
        self._unreadable = ("", 0.0)
        self._told_epoch = -1
        self._told_state = ""
        self._teller: asyncio.Task[None] | None = None
        self.listening = Listening()
        self.websocket: Server | None = None
        self._servers: list[asyncio.Server | Server] = []
        self._sweeper: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """See that the limit store serves this gateway. Raises QotGateError."""
        if self.store_link is not None and not self._prepared:
            await self.store_link.open()
        self._prepared = True

    async def start(self, listening: Listening | None = None) -> list[str]:
        """Serve on what ``listening`` has, else on what the options name; the addresses, ``HOST:PORT`` and
        ``ws://HOST:PORT``.

        Raises QotGateError.
        """
        options = self.options
        self.listening = listening or listen_for(options)
        addresses = []
        await self.prepare()
        for one in self.listening.tcp:
            addresses.append(shown_address(one.getsockname()))
            server = await self.loop.create_server(lambda: TcpSession(self), sock=one, backlog=BACKLOG)
            self._servers.append(server)
        if options.websocket is not None:
            scheme = "wss" if options.websocket.tls else "ws"
            for one in self.listening.websocket:
                addresses.append(f"{scheme}://{shown_address(one.getsockname())}")
                self.websocket = await serve_websocket(self, options.websocket, one)
                self._servers.append(self.websocket)
        self._sweeper = self.loop.create_task(self._sweep())
        return list(dict.fromkeys(addresses))

    def pause(self) -> None:
        """Take no more connections and requests. From now on the time to drain counts."""
        if not self.draining:
            self.deadline = self.loop.time() + self.options.drain_seconds
        self.draining = True
        for server in self._servers:
            if isinstance(server, Server):
                server.close(close_connections=False)
            else:
                server.close()
        for session in self.sessions:
            session.stop_reading()

    async def settle(self) -> None:
        """Wait until all that was read has been counted; not for clients that do not read their answers."""
        deadline = min(self.deadline, self.loop.time() + SETTLE_SECONDS)
        # What was taken last shows up a turn later, and so does what was read again meanwhile.
        calm = 0
        while calm < 2 and self.loop.time() < deadline:
            await asyncio.sleep(0.002)
            for session in self.sessions:
                session.stop_reading()
            calm = calm + 1 if all(session.looked_at for session in self.sessions) else 0

    def change(self, options: GatewayOptions, questions: Questions) -> None:
        """Go on by other options, on the same ports; connections stay, and what was granted counts."""
        self.options, self.questions = options, questions
        self.answers.forget()
        self._places.most = options.max_connections
        if options.rate_limit is None:
            return
        if self._allowance is None:
            self._allowance = Allowance(options.rate_limit)
        else:
            self._allowance.change(options.rate_limit)

    @property
    def expecting(self) -> bool:
        """Whether a WebSocket connection is not open yet."""
        served = sum(not isinstance(one, TcpSession) for one in self.sessions)
        return self.websocket is not None and len(self.websocket.handler_tasks) > served

    async def stop(self) -> None:
        """Take no more requests, send the answers under way, close."""
        self.closing = True
        self.pause()
        while any(session.busy for session in self.sessions) and self.loop.time() < self.deadline:
            await asyncio.sleep(0.01)
        for session in list(self.sessions):
            session.because("the gateway stops")
            session.close()
        while self.sessions and self.loop.time() < self.deadline:
            await asyncio.sleep(0.01)
        for session in list(self.sessions):
            session.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        if self.store_link is not None:
            await self.store_link.close()
        self._turns.stop()
        self._watch.close()

    def ask(
        self,
        session: Session,
        proto_id: ProtoId,
        body_format: int,
        c2s: Any,
        request: Request,
        counted: ProtoId | None,
    ) -> "asyncio.Future[bytes]":
        """Have a question worked out in the gateway's threads; the future of the sealed answer.

        Who asks what is being worked out already waits for the same answer.
        """
        interface, epoch = INTERFACES[proto_id], self.answers.epoch
        asked_in, question = self._asked.get(request, (None, None))
        # One that nobody waited for any more is cancelled when its turn comes.
        if question is not None and asked_in == epoch and not question.future.cancelled():
            question.askers.append(session)
            if not question.started:
                self._turns.put(question, session)
            return question.future
        question = Question(partial(_work_out, interface, self.questions, c2s, body_format), session)
        asked_at = self.loop.time()
        question.future.add_done_callback(
            lambda _done: self.counts.worked(proto_id, self.loop.time() - asked_at)
        )
        if interface.lasts:
            self._asked[request] = epoch, question
            question.future.add_done_callback(partial(self._keep, request, counted, epoch))
        self._turns.put(question, session)
        return question.future

    def count(self, session: Session, proto_id: ProtoId) -> float:
        """Count a request and give 0; or the seconds to wait, and nothing counted, over the allowance."""
        if self._allowance is None or self.options.rate_limit is None:
            return 0.0
        by_connection = self.options.rate_limit_scope == "connection"
        key: Hashable = (session.connection_id, proto_id) if by_connection else proto_id
        return self._allowance.take(key)

    def take_allowance(self, session: Session, proto_id: ProtoId) -> None:
        """Count a request. Raises RateLimited over the limit."""
        wait = self.count(session, proto_id)
        if wait:
            raise self._rate_limited(proto_id, wait)

    async def take_store_allowance(self, proto_id: ProtoId) -> None:
        """Have the store count a request. Raises RateLimited over the limit, and Refused where the store is
        away and nothing is granted without it."""
        assert self.store_allowance is not None
        taken = await self.store_allowance.take(proto_id)
        if taken.wait:
            raise self._rate_limited(proto_id, taken.wait)

    def granted(self, session: Session | None = None) -> Message:
        """What was granted lately, by interface, as seconds ago: of all, or of a session by itself where each
        is."""
        by_connection = self.options.rate_limit_scope == "connection"
        if self._allowance is None or by_connection == (session is None):
            return {}
        keys = {
            proto_id: (session.connection_id, proto_id) if session else proto_id for proto_id in INTERFACES
        }
        return {str(int(proto_id)): self._allowance.granted(key) for proto_id, key in keys.items()}

    def restore(self, granted: Message, session: Session | None = None) -> None:
        """Count what another process granted."""
        for proto_id in INTERFACES:
            ages = granted.get(str(int(proto_id)))
            if ages and self._allowance is not None:
                self._allowance.restore((session.connection_id, proto_id) if session else proto_id, ages)

    @property
    def limited(self) -> bool:
        """Whether there is an allowance."""
        return self.options.rate_limit is not None

    def admit(self, session: Session, transport: asyncio.BaseTransport) -> bool:
        """Whether a new session is served, or at least told that it is over the limit."""
        options = self.options
        session.origin = address_of(transport)
        address = None if options.max_connections_per_address is None else session.origin
        lack = self._places.take(address, force=session.moved)
        if lack is not None:
            of_address = lack == "too_many_of_address"
            self.counts.turned_away["address" if of_address else "connections"] += 1
            self._turned_away += 1
            if self._refused >= REFUSED_MOST:
                return False
            self._refused += 1
            limit = options.max_connections_per_address if of_address else options.max_connections
            session.over_limit = InvalidRequest(lack, limit=limit)
        else:
            session.address = address
        self.sessions.add(session)
        if session.moved:
            session.log_arrived()
        return True

    def forget(self, session: Session) -> None:
        """A session has ended."""
        session.ended = True
        if session not in self.sessions:
            return
        self.sessions.discard(session)
        if session.over_limit is not None:
            self._refused -= 1
        else:
            session.log_closed()
            self._places.give_back(session.address)
        if isinstance(self._allowance, Allowance) and self.options.rate_limit_scope == "connection":
            for proto_id in INTERFACES:
                self._allowance.forget((session.connection_id, proto_id))

    def _rate_limited(self, proto_id: ProtoId, wait: float) -> RateLimited:
        limit = self.options.rate_limit
        assert limit is not None
        return RateLimited(
            "rate_limited",
            proto=proto_id.name,
            proto_id=int(proto_id),
            limit=limit.requests,
            window=f"{limit.seconds:g}",
            seconds=ceil(wait * 10) / 10,
        )

    def _keep(
        self, request: Request, counted: ProtoId | None, epoch: int, done: "asyncio.Future[bytes]"
    ) -> None:
        if self._asked.get(request, (None,))[0] == epoch:
            del self._asked[request]
        self.answers.check(self.loop.time())
        if not done.cancelled() and done.exception() is None:
            self.answers.keep(request, Kept(done.result(), counted), epoch)

    def is_news(self, reason: str) -> bool:
        """Whether to tell why data cannot be read: once a minute, and not at each question."""
        told, at = self._unreadable
        now = self.loop.time()
        if reason == told and now < at + AGAIN_SECONDS:
            return False
        self._unreadable = (reason, now)
        return True

    async def _sweep(self) -> None:
        """Drop TCP connections that have been silent for too long, and any that does not say who it is for as
        long, however much else it sends."""
        allowed = self.options.keep_alive_interval * SILENT_INTERVALS
        while True:
            await asyncio.sleep(min(1.0, self.options.keep_alive_interval / 4))
            self._log_what_happened()
            oldest = self.loop.time() - allowed
            for session in list(self.sessions):
                # One with questions under way waits for the gateway: where they are many, no more is read.
                waits = session.under_way > 0
                silent = isinstance(session, TcpSession) and not waits and session.last_received < oldest
                if silent or (not session.initialised and session.opened < oldest):
                    reason = f"it was silent for {allowed} seconds"
                    if not silent:
                        reason = f"it did not say who it is for {allowed} seconds"
                    session.because(reason, warns=True)
                    session.abort()

    def _log_what_happened(self) -> None:
        """What may happen by the thousand a second is told once a second."""
        self.answers.check(self.loop.time())
        # A database may hang, and nothing else with it.
        if self.answers.epoch != self._told_epoch and (self._teller is None or self._teller.done()):
            self._told_epoch = self.answers.epoch
            self._teller = self.loop.create_task(self._tell())
        if self._turned_away:
            log.warning(
                "connections refused", number=self._turned_away, max_connections=self.options.max_connections
            )
            self._turned_away = 0

    async def _tell(self) -> None:
        self._told_state = await asyncio.to_thread(self._tell_state, self._told_state)

    def _tell_state(self, told: str) -> str:
        """Log which data there is, or why there is none, unless that is what was ``told``."""
        try:
            with self.questions.store.reading() as connection:
                state = f"generation {generation(connection)}"
        except StoreError as error:
            state = str(error)
            if state != told and self.is_news(state):
                log.error("data cannot be read", reason=state)  # noqa: TRY400 - it says all
            return state
        if told and state != told:
            log.info("data moved", to=state)
        return state


def _always(_proto_id: ProtoId) -> bool:
    return True


def _work_out(interface: Interface, questions: Questions, c2s: Any, body_format: int) -> bytes:
    return seal(encode(interface.answer(questions, c2s), body_format))


def listen_for(options: GatewayOptions) -> Listening:
    """Listen where the options say. Raises QotGateError."""
    (tcp,) = listen(options.host, options.port)
    websocket: list[socket.socket] = []
    if options.websocket is not None:
        try:
            (websocket,) = listen(options.websocket.host, options.websocket.port)
        except QotGateError:
            for one in tcp:
                one.close()
            raise
    return Listening(tcp, websocket)
