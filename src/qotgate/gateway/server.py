"""The gateway: listens, keeps its connections within limits, and stops without losing an answer."""

import asyncio
import contextlib
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import structlog

from qotgate.gateway.allowance import DEFAULT_LIMIT, Allowance, RateLimit
from qotgate.gateway.connection import Connection
from qotgate.model import InvalidRequest, Language, QotGateError
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


class Gateway:
    """Serves ``questions`` on TCP within a running event loop."""

    def __init__(self, questions: Questions, options: GatewayOptions | None = None) -> None:
        self.questions = questions
        self.options = options or GatewayOptions()
        self.loop = asyncio.get_running_loop()
        self.connections: set[Connection] = set()
        self.draining = False
        self._allowance = Allowance(self.options.rate_limit) if self.options.rate_limit else None
        self._threads = ThreadPoolExecutor(THREADS, "question")
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> list[tuple[str, int]]:
        """Listen; the addresses (host, port) that were bound. Raises QotGateError."""
        options = self.options
        try:
            self._server = await self.loop.create_server(self._accept, options.host, options.port)
        except OSError as error:
            raise QotGateError(
                f"Cannot listen on {options.host}:{options.port}: {error.strerror or error}; "
                "name another one with --host and --port."
            ) from error
        self._sweeper = self.loop.create_task(self._sweep())
        return [socket.getsockname()[:2] for socket in self._server.sockets]

    async def stop(self) -> None:
        """Take no more requests, send the answers under way, close."""
        self.draining = True
        if self._server is not None:
            self._server.close()
        for connection in self.connections:
            connection.stop_reading()
        deadline = self.loop.time() + DRAIN_SECONDS
        while any(connection.under_way for connection in self.connections) and self.loop.time() < deadline:
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.close()
        while self.connections and self.loop.time() < deadline:
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        self._threads.shutdown(wait=False, cancel_futures=True)

    def ask(self, answer: Callable[[Questions, Any], Any], c2s: Any) -> "asyncio.Future[Any]":
        """Run a question in the gateway's threads."""
        return self.loop.run_in_executor(self._threads, answer, self.questions, c2s)

    def take_allowance(self, connection: Connection, proto_id: ProtoId) -> None:
        """Count a request. Raises InvalidRequest over the limit."""
        if self._allowance is None:
            return
        by_connection = self.options.rate_limit_scope == "connection"
        key: Hashable = (connection.connection_id, proto_id) if by_connection else proto_id
        wait = self._allowance.take(key)
        if wait:
            limit = self._allowance.limit
            raise InvalidRequest(
                "rate_limited",
                proto=proto_id.name,
                proto_id=int(proto_id),
                limit=limit.requests,
                window=f"{limit.seconds:g}",
                wait=ceil(wait * 10) / 10,
            )

    def forget(self, connection: Connection) -> None:
        """A connection has gone."""
        self.connections.discard(connection)
        if self._allowance is not None:
            for proto_id in ProtoId:
                self._allowance.forget((connection.connection_id, proto_id))

    def _accept(self) -> asyncio.Protocol:
        refused = sum(connection.over_limit for connection in self.connections)
        if refused >= REFUSED_MOST:
            return _Closed()
        over_limit = len(self.connections) - refused >= self.options.max_connections
        return Connection(self, over_limit=over_limit)

    async def _sweep(self) -> None:
        """Drop connections that have been silent for too long."""
        allowed = self.options.keep_alive_interval * SILENT_INTERVALS
        while True:
            await asyncio.sleep(min(1.0, self.options.keep_alive_interval / 4))
            oldest = self.loop.time() - allowed
            for connection in [one for one in self.connections if one.last_received < oldest]:
                log.warning("connection dropped", connection=connection.connection_id, silent_seconds=allowed)
                connection.abort()


class _Closed(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
