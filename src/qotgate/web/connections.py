"""HTTP connections that take up no more than their share: uvicorn's own, with bounds it does not have.

A request must be there in full within seconds, so that half of one does not hold a connection for ever, and
one address may be bound to a part of all connections.
"""

import asyncio
from collections import Counter
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from qotgate.gateway.places import address_of

READ_SECONDS = 30.0
"""How long a client that was sent something may take to read on."""
REQUEST_SECONDS = 10.0
"""How long a client may take to send a request, from connecting or from the answer to the one before."""
OF_ADDRESS_LEAST = 16
"""A browser opens several connections: fewer from one address would break the pages."""


class Connections:
    """Makes a server's connections; ``most_of_address`` are open at once from one address, None for any
    number."""

    def __init__(self, most_of_address: int | None) -> None:
        self.turned_away: Counter[str] = Counter(address=0, slow=0)
        self._most = None if most_of_address is None else max(most_of_address, OF_ADDRESS_LEAST)
        self._open: Counter[int] = Counter()

    def __call__(self, *arguments: Any, **options: Any) -> asyncio.Protocol:
        return _Connection(self, *arguments, **options)

    def take(self, address: int | None) -> bool:
        """Whether one more from ``address`` may be open."""
        if address is None or self._most is None:
            return True
        if self._open[address] >= self._most:
            self.turned_away["address"] += 1
            return False
        self._open[address] += 1
        return True

    def give_back(self, address: int | None) -> None:
        """One that was taken has ended."""
        if address is None or self._most is None:
            return
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]


class _Connection(H11Protocol):
    def __init__(self, connections: Connections, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._all = connections
        self._address: int | None = None
        self._taken = False
        self._due: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = address_of(transport)
        self._taken = self._all.take(self._address)
        if self._taken:
            self._await_request()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._request_is_there()
        self._reads_on()
        if self._taken:
            self._taken = False
            self._all.give_back(self._address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._taken:
            return
        super().data_received(data)
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._request_is_there()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing() and self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
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
            self._due = self.loop.call_later(REQUEST_SECONDS, self._too_slow)

    def _request_is_there(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _too_slow(self) -> None:
        self._due = None
        self._all.turned_away["slow"] += 1
        self.transport.abort()
