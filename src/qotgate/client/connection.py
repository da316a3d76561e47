"""A blocking connection: any thread may ask, one thread reads, and keeps the connection alive."""

import math
import socket
import time
from concurrent.futures import Future
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from threading import Lock, Thread
from typing import Any

from qotgate.client.core import ClientCore, Ticket
from qotgate.model import ProtocolError, QotGateError
from qotgate.protocol.messages import ProtoId, RetType

CONNECT_SECONDS = 20.0
ANSWER_SECONDS = 12.0
KEEP_ALIVE_SHARE = 0.8
"""How much of the gateway's keep-alive interval passes before the next sign of life."""
SILENT_SECONDS = 33.0
"""Without a byte for so long, the gateway is taken as lost."""
TICK_SECONDS = 1.0
CHUNK = 1 << 18


class ConnectionLost(QotGateError):  # noqa: N818 - a state, as its users call it
    """The connection is not there (any more)."""


class Connection:
    """One TCP connection to a gateway. Raises ConnectionLost where it cannot be made."""

    def __init__(self, host: str, port: int) -> None:
        self._core = ClientCore()
        self._lock = Lock()
        # Apart from the other, so that answers are taken in while a long request is being sent.
        self._send_lock = Lock()
        self._waiting: dict[Ticket, Future[Any]] = {}
        self._lost: str | None = None
        self._keep_alive = math.inf
        try:
            self._socket = socket.create_connection((host, port), CONNECT_SECONDS)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConnectionLost(f"No gateway answers at {host}:{port}: {reason}.") from error
        self._socket.settimeout(ANSWER_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = Thread(target=self._read, name=f"qotgate-{host}:{port}", daemon=True)
        self._reader.start()
        try:
            response = self._exchange(*self._core.init_connect())
        except TimeoutError as error:
            self.close()
            raise ConnectionLost(f"Nothing at {host}:{port} answers InitConnect.") from error
        except BaseException:
            self.close()
            raise
        if response.retType != RetType.SUCCEED:
            self.close()
            raise ConnectionLost(response.retMsg)
        self._keep_alive = response.s2c.keepAliveInterval * KEEP_ALIVE_SHARE

    @property
    def lost(self) -> bool:
        return self._lost is not None

    def ask(self, proto_id: ProtoId, fields: dict[str, Any]) -> Any:
        """Send a request with ``fields`` and wait for its Response.

        Raises ConnectionLost, and TimeoutError after ``ANSWER_SECONDS``.
        """
        return self._exchange(*self._core.request(proto_id, fields))

    def close(self) -> None:
        """Close, and fail what is under way."""
        self._lose("the connection was closed")
        self._reader.join()

    def _exchange(self, ticket: Ticket, data: bytes) -> Any:
        future: Future[Any] = Future()
        with self._lock:
            if self._lost is not None:
                raise ConnectionLost(self._lost)
            self._waiting[ticket] = future
        try:
            self._send(data)
            return future.result(ANSWER_SECONDS)
        finally:
            with self._lock:
                self._waiting.pop(ticket, None)

    def _send(self, data: bytes) -> None:
        try:
            with self._send_lock:
                self._socket.sendall(data)
        except OSError as error:
            # Part of the request may have gone out: nothing sensible can follow it.
            reason = f"the gateway cannot be reached: {error.strerror or error}"
            self._lose(reason)
            raise ConnectionLost(reason) from error

    def _read(self) -> None:
        with DefaultSelector() as selector:
            selector.register(self._socket, EVENT_READ)
            heard = signed = time.monotonic()
            while self._lost is None:
                readable = selector.select(TICK_SECONDS)
                now = time.monotonic()
                try:
                    if readable:
                        heard = now
                        self._receive()
                    elif now - heard >= SILENT_SECONDS:
                        self._lose("the gateway has fallen silent")
                    elif now - signed >= self._keep_alive:
                        signed = now
                        self._send(self._core.request(ProtoId.KeepAlive, {"time": int(time.time())})[1])
                except (OSError, ConnectionLost, ProtocolError) as error:
                    self._lose(f"the gateway cannot be reached: {error}")
        self._socket.close()

    def _receive(self) -> None:
        data = self._socket.recv(CHUNK)
        if not data:
            self._lose("the gateway closed the connection")
        for answer in self._core.receive(data):
            with self._lock:
                future = self._waiting.pop(answer.ticket, None)
            if future is not None:
                future.set_result(answer.response)

    def _lose(self, reason: str) -> None:
        with self._lock:
            if self._lost is None:
                self._lost = reason
            waiting, self._waiting = self._waiting, {}
        # Wakes the reader, which waits on the socket; the reader closes it.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for future in waiting.values():
            future.set_exception(ConnectionLost(self._lost))
