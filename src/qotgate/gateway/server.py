"""The gateway: listens, keeps its connections within limits, and stops without losing an answer."""

import asyncio
import contextlib
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import structlog
from websockets.asyncio.server import Server

from qotgate.gateway.allowance import DEFAULT_LIMIT, Allowance, RateLimit
from qotgate.gateway.session import Session
from qotgate.gateway.tcp import TcpSession
from qotgate.gateway.websocket import WebSocketOptions, listen
from qotgate.model import Language, QotGateError, RateLimited
from qotgate.protocol.cipher import RsaKey
from qotgate.protocol.frame import REQUEST_LIMIT
from qotgate.protocol.messages import ProtoId
from qotgate.service.questions import Questions

SILENT_INTERVALS = 3
"""Keep-alive intervals without a byte after which a connection is dropped."""
REFUSED_MOST = 32
"""Connections over the limit that are kept long enough to be told so; further ones are closed unheard."""
DRAIN_SECONDS = 5.0
THREADS = 4

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """How a gateway serves. Times are in seconds, sizes in bytes; ``rate_limit`` None is no limit."""

    host: str = "127.0.0.1"
    port: int = 11111
    max_connections: int = 128
    keep_alive_interval: int = 10
    request_limit: int = REQUEST_LIMIT
    rate_limit: RateLimit | None = DEFAULT_LIMIT
    rate_limit_scope: Literal["gateway", "connection"] = "gateway"
    lang: Language = "zh"
    rsa_key: RsaKey | None = None
    allow_plaintext: bool = False
    websocket: WebSocketOptions | None = None


class Gateway:
    """Serves ``questions`` on TCP, and on WebSocket where asked to, within a running event loop."""

    def __init__(self, questions: Questions, options: GatewayOptions | None = None) -> None:
        self.questions = questions
        self.options = options or GatewayOptions()
        self.loop = asyncio.get_running_loop()
        self.sessions: set[Session] = set()
        self.draining = False
        self._allowance = Allowance(self.options.rate_limit) if self.options.rate_limit else None
        self._threads = ThreadPoolExecutor(THREADS, "question")
        self._servers: list[asyncio.Server | Server] = []
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> list[str]:
        """Listen; the addresses that were bound, ``HOST:PORT`` and ``ws://HOST:PORT``.

        Raises QotGateError.
        """
        options = self.options
        addresses = []
        try:
            where = f"{options.host}:{options.port}"
            tcp = await self.loop.create_server(self._accept, options.host, options.port)
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
        while any(session.under_way for session in self.sessions) and self.loop.time() < deadline:
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
        self._threads.shutdown(wait=False, cancel_futures=True)

    def ask(self, answer: Callable[[Questions, Any], Any], c2s: Any) -> "asyncio.Future[Any]":
        """Run a question in the gateway's threads."""
        return self.loop.run_in_executor(self._threads, answer, self.questions, c2s)

    def take_allowance(self, session: Session, proto_id: ProtoId) -> None:
        """Count a request. Raises RateLimited over the limit."""
        if self._allowance is None:
            return
        by_connection = self.options.rate_limit_scope == "connection"
        key: Hashable = (session.connection_id, proto_id) if by_connection else proto_id
        wait = self._allowance.take(key)
        if wait:
            limit = self._allowance.limit
            raise RateLimited(
                "rate_limited",
                proto=proto_id.name,
                proto_id=int(proto_id),
                limit=limit.requests,
                window=f"{limit.seconds:g}",
                seconds=ceil(wait * 10) / 10,
            )

    def forget(self, session: Session) -> None:
        """A session has ended."""
        self.sessions.discard(session)
        if self._allowance is not None:
            for proto_id in ProtoId:
                self._allowance.forget((session.connection_id, proto_id))

    def over_limit(self) -> bool | None:
        """Whether one more session is over the limit; None where it is not even told so."""
        refused = sum(session.over_limit for session in self.sessions)
        if refused >= REFUSED_MOST:
            return None
        return len(self.sessions) - refused >= self.options.max_connections

    def _accept(self) -> asyncio.Protocol:
        over_limit = self.over_limit()
        return _Closed() if over_limit is None else TcpSession(self, over_limit=over_limit)

    async def _sweep(self) -> None:
        """Drop TCP connections that have been silent for too long, and any that never said who they are."""
        allowed = self.options.keep_alive_interval * SILENT_INTERVALS
        while True:
            await asyncio.sleep(min(1.0, self.options.keep_alive_interval / 4))
            oldest = self.loop.time() - allowed
            for session in [one for one in self.sessions if one.last_received < oldest]:
                if isinstance(session, TcpSession) or not session.initialised:
                    log.warning(
                        "connection dropped", connection=session.connection_id, silent_seconds=allowed
                    )
                    session.abort()


class _Closed(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _address(socket: Any) -> str:
    host, port = socket.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
