"""The gateway: listens, keeps its connections within limits, and stops without losing an answer."""

import asyncio
import contextlib
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
from qotgate.gateway.interfaces import INTERFACES, Interface
from qotgate.gateway.limit_store import LimitStore
from qotgate.gateway.places import Places, address_of
from qotgate.gateway.session import Session
from qotgate.gateway.store_allowance import StoreAllowance, StoreLink, WhenDown
from qotgate.gateway.tcp import TcpSession
from qotgate.gateway.turns import KeyTurns, Question, Turns
from qotgate.gateway.websocket import WebSocketOptions, listen
from qotgate.model import InvalidRequest, Language, QotGateError, RateLimited
from qotgate.protocol.body import encode
from qotgate.protocol.cipher import RsaKey
from qotgate.protocol.frame import REQUEST_LIMIT, seal
from qotgate.protocol.messages import ProtoId
from qotgate.service.questions import Questions

if TYPE_CHECKING:
    from qotgate.gateway.shared import SharedAllowance, SharedLimits

SILENT_INTERVALS = 3
"""Keep-alive intervals without a byte after which a connection is dropped."""
REFUSED_MOST = 32
"""Connections over the limit that are kept long enough to be told so; further ones are closed unheard."""
DRAIN_SECONDS = 5.0
BACKLOG = 1024
"""Connections that the system holds until the gateway takes them."""

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
    reuse_port: bool = False
    """Whether other processes listen on the same ports."""


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
        self._watch = questions.store.watch()
        self.answers = Answers(self._watch.moved)
        self.counts = Counts()
        self._asked: dict[Request, tuple[int, Question]] = {}
        self._turns = Turns()
        self.key_turns = KeyTurns()
        self._allowance: Allowance | SharedAllowance | None = None
        if self.options.rate_limit is not None:
            self._allowance = (shared and shared.allowance) or Allowance(self.options.rate_limit)
        self.store_link: StoreLink | None = None
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
        self._servers: list[asyncio.Server | Server] = []
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> list[str]:
        """Listen; the addresses that were bound, ``HOST:PORT`` and ``ws://HOST:PORT``.

        Raises QotGateError.
        """
        options = self.options
        addresses = []
        if self.store_link is not None:
            await self.store_link.open()
        try:
            where = f"{options.host}:{options.port}"
            tcp = await self.loop.create_server(
                lambda: TcpSession(self),
                options.host,
                options.port,
                backlog=BACKLOG,
                reuse_port=options.reuse_port or None,
            )
            self._servers.append(tcp)
            addresses += [_address(socket) for socket in tcp.sockets]
            if options.websocket is not None:
                where = f"{options.websocket.host}:{options.websocket.port}"
                websocket = await listen(self, options.websocket)
                self._servers.append(websocket)
                scheme = "wss" if options.websocket.tls else "ws"
                addresses += [f"{scheme}://{_address(socket)}" for socket in websocket.sockets]
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise QotGateError(f"Cannot listen on {where}: {reason}; name another host or port.") from error
        self._sweeper = self.loop.create_task(self._sweep())
        return addresses

    async def stop(self) -> None:
        """Take no more requests, send the answers under way, close."""
        self.draining = True
        for server in self._servers:
            if isinstance(server, Server):
                server.close(close_connections=False)
            else:
                server.close()
        for session in self.sessions:
            session.stop_reading()
        deadline = self.loop.time() + DRAIN_SECONDS
        while any(session.busy for session in self.sessions) and self.loop.time() < deadline:
            await asyncio.sleep(0.01)
        for session in list(self.sessions):
            session.close()
        while self.sessions and self.loop.time() < deadline:
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
        if self._allowance is None:
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

    @property
    def limited(self) -> bool:
        """Whether there is an allowance."""
        return self._allowance is not None

    def admit(self, session: Session, transport: asyncio.BaseTransport) -> bool:
        """Whether a new session is served, or at least told that it is over the limit."""
        options = self.options
        address = None if options.max_connections_per_address is None else address_of(transport)
        lack = self._places.take(address)
        if lack is not None:
            of_address = lack == "too_many_of_address"
            self.counts.turned_away["address" if of_address else "connections"] += 1
            if self._refused >= REFUSED_MOST:
                return False
            self._refused += 1
            limit = options.max_connections_per_address if of_address else options.max_connections
            session.over_limit = InvalidRequest(lack, limit=limit)
        else:
            session.address = address
        self.sessions.add(session)
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

    async def _sweep(self) -> None:
        """Drop TCP connections that have been silent for too long, and any that does not say who it is for as
        long, however much else it sends."""
        allowed = self.options.keep_alive_interval * SILENT_INTERVALS
        while True:
            await asyncio.sleep(min(1.0, self.options.keep_alive_interval / 4))
            oldest = self.loop.time() - allowed
            for session in list(self.sessions):
                silent = isinstance(session, TcpSession) and session.last_received < oldest
                if silent or (not session.initialised and session.opened < oldest):
                    log.warning(
                        "connection dropped", connection=session.connection_id, silent_seconds=allowed
                    )
                    session.abort()


def _always(_proto_id: ProtoId) -> bool:
    return True


def _work_out(interface: Interface, questions: Questions, c2s: Any, body_format: int) -> bytes:
    return seal(encode(interface.answer(questions, c2s), body_format))


def _address(socket: Any) -> str:
    host, port = socket.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
