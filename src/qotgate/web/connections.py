"""HTTP connections with limits that uvicorn lacks.

A request must arrive in full within seconds. Input is parsed in small steps (see
:mod:`qotgate.gateway.pacing`), and nothing is parsed once an answer has been sent. One address may have a
share of all connections. Beyond these numbers, a few spare connections stay open for a moment, on which only
an orchestrator's probes are answered: a full gateway is still healthy.
"""

import asyncio
from collections import Counter, deque
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from qotgate.gateway.pacing import PacedTransport, Pacer
from qotgate.limits.slots import ProcessSlots, address_of

MAX_CONNECTIONS = 256
MAX_CONNECTIONS_PER_ADDRESS = 128
"""The default; behind a proxy all clients have one address."""
MIN_CONNECTIONS_PER_ADDRESS = 16
"""A browser opens several connections; a lower limit would break the pages."""
MAX_SPARE_CONNECTIONS = 32
MAX_HEADER_BYTES = 32_768
"""Maximum size of a request's line and headers: room for some 3,000 codes in one question."""
READ_SECONDS = 30.0
"""Time for a client to read the next bytes of its answer."""
REQUEST_SECONDS = 10.0
"""Time for a client to send a request, counted from the connection or from the previous answer."""
SPARE_SECONDS = 2.0
"""The same on a spare connection."""
LINGER_SECONDS = 1.0
"""Time for which a refused client's input is discarded: closing at once could lose the answer."""
SPARE = "spare"
"""Key in a request's scope state: whether it came on a spare connection."""


class Connections:
    """Creates a server's connections; ``most_of_address`` may be open at once from one address."""

    def __init__(self, most_of_address: int | None, pacer: Pacer) -> None:
        self.turned_away: Counter[str] = Counter(connections=0, address=0, slow=0)
        self.pacer = pacer
        most = max(most_of_address or MAX_CONNECTIONS_PER_ADDRESS, MIN_CONNECTIONS_PER_ADDRESS)
        self._slots = ProcessSlots(MAX_CONNECTIONS, most)
        self._spare: deque[_Connection] = deque()

    def __call__(self, *arguments: Any, **options: Any) -> asyncio.Protocol:
        return _Connection(self, *arguments, **options)

    def admit(self, connection: "_Connection") -> bool:
        """Whether one more connection may be open from its address. Otherwise it becomes a spare connection,
        which may displace the oldest one."""
        lack = self._slots.acquire(connection.address)
        if lack is None:
            return True
        self.turned_away["address" if lack == "too_many_of_address" else "connections"] += 1
        if len(self._spare) >= MAX_SPARE_CONNECTIONS:
            self._spare.popleft().transport.abort()
        self._spare.append(connection)
        return False

    def release(self, connection: "_Connection") -> None:
        """Forget a connection that has ended."""
        if connection.spare:
            if connection in self._spare:
                self._spare.remove(connection)
            return
        self._slots.release(connection.address)


class _Transport(PacedTransport):
    """A transport that closes gracefully while the client is still sending: its input is discarded for a
    moment, so that it can read its answer."""

    def __init__(self, connection: "_Connection", transport: asyncio.Transport) -> None:
        super().__init__(transport, connection.all.pacer, connection.take)
        self._connection = connection
        self._lingers = False

    def close(self) -> None:
        self.drop()
        if self._lingers or self._connection.conn.their_state is not h11.SEND_BODY:
            super().close()
            return
        self._lingers = True
        self.read_again()
        if self.can_write_eof():
            self.write_eof()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, super().close)

    def receive(self, data: bytes) -> None:
        if not self._lingers:
            super().receive(data)

    def is_closing(self) -> bool:
        return self._lingers or super().is_closing()


class _Connection(H11Protocol):
    def __init__(self, connections: Connections, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.all = connections
        self.address: int | None = None
        self.spare = False
        self._due: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)
        self._paced = _Transport(self, transport)
        super().connection_made(self._paced)
        self.address = address_of(transport)
        self.spare = not self.all.admit(self)
        self.app_state = {**self.app_state, SPARE: self.spare}
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._request_is_there()
        self._reads_on()
        self.all.release(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._paced.receive(data)

    def take(self, data: bytes) -> None:
        """Parse a share of the input."""
        super().data_received(data)
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._request_is_there()

    def send_400_response(self, msg: str) -> None:
        """Add the limit, which ``msg`` does not name."""
        super().send_400_response(f"{msg} Its line and headers may have up to {MAX_HEADER_BYTES:,} bytes.")

    def on_response_complete(self) -> None:
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.close()
        super().on_response_complete()
        if not self.transport.is_closing() and self.conn.their_state is h11.IDLE:
            self._await_request()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reads_on()
        self._stalled = self.loop.call_later(READ_SECONDS, self._too_slow)

    def resume_writing(self) -> None:
        self._reads_on()
        super().resume_writing()

    def _reads_on(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _await_request(self) -> None:
        if self._due is None:
            seconds = SPARE_SECONDS if self.spare else REQUEST_SECONDS
            self._due = self.loop.call_later(seconds, self._too_slow)

    def _request_is_there(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _too_slow(self) -> None:
        self._due = None
        self.all.turned_away["slow"] += 1
        self.transport.abort()
