"""A bounded share of each turn of the event loop for parsing, over all connections.

A parser in Python takes microseconds for each frame, chunk or line, and one read of a socket may hold tens of
thousands of them. A carrier therefore parses in small steps. Connections with more input take turns; all
steps together take at most ``TURN_SECONDS`` in one turn of the loop.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any

STEP_BYTES = 1024
"""Bytes that a connection's parser takes at once: 170 of the smallest WebSocket frames or HTTP chunks."""
TURN_SECONDS = 0.005
"""Time for all steps together in one turn of the event loop, in seconds."""


class Pacer:
    """Schedules the steps of connections with more input, in turn."""

    def __init__(self) -> None:
        self._waiting: deque[PacedTransport] = deque()
        self._called = False

    def wait(self, transport: "PacedTransport") -> None:
        """Call ``transport.step`` when its turn comes."""
        self._waiting.append(transport)
        if not self._called:
            self._called = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        end = perf_counter() + TURN_SECONDS
        try:
            while self._waiting and perf_counter() < end:
                # A transport with more input queues again, behind the others.
                self._waiting.popleft().step()
        finally:
            self._called = bool(self._waiting)
            if self._called:
                asyncio.get_running_loop().call_soon(self._turn)

    @property
    def busy(self) -> bool:
        """Whether a transport waits for its step."""
        return bool(self._waiting)


class PacedTransport(asyncio.Transport):
    """A connection's transport; received bytes go to ``take`` in steps.

    ``take`` gets nothing between ``pause_reading`` and ``resume_reading``, nor while the transport is held.
    The transport reads nothing while received bytes wait. Everything else passes through to the wrapped
    transport.
    """

    def __init__(self, transport: asyncio.Transport, pacer: Pacer, take: Callable[[bytes], object]) -> None:
        super().__init__()
        self._transport = transport
        self._pacer = pacer
        self._take = take
        self._rest = b""
        self._position = 0
        self._waits = False
        self._paused = False
        self._held = False
        self._stopped = False
        self._reads = True

    def receive(self, data: bytes) -> None:
        """Parse input, now or when its turn comes."""
        if self._rest:
            self._rest = self._rest[self._position :] + data
            self._position = 0
        elif not self._may_take or len(data) > STEP_BYTES or self._pacer.busy:
            self._rest = data
        else:
            self._take(data)
            return
        self._balance()

    def step(self) -> None:
        """Parse one share of the input."""
        self._waits = False
        if not self._may_take:
            return
        start, self._position = self._position, self._position + STEP_BYTES
        data = self._rest[start : self._position]
        if self._position >= len(self._rest):
            self._rest, self._position = b"", 0
        if data:
            self._take(data)
        self._balance()

    @property
    def taken(self) -> bool:
        """Whether all input has been parsed."""
        return not self._rest

    def drop(self) -> None:
        """Drop the input not parsed yet."""
        self._rest, self._position = b"", 0

    def hold(self, held: bool) -> None:
        """Parse nothing while ``held``, except what the parser itself asks for."""
        self._held = held
        self._balance()

    def stop_reading(self) -> None:
        """Stop reading for good; bytes already read are still parsed."""
        self._stopped = True
        self._balance()

    def read_again(self) -> None:
        """Read again, also after :meth:`stop_reading`."""
        self._stopped = self._paused = self._held = False
        self._balance()

    def pause_reading(self) -> None:
        self._paused = True
        self._balance()

    def resume_reading(self) -> None:
        self._paused = False
        self._balance()

    def is_reading(self) -> bool:
        return not self._paused

    @property
    def _may_take(self) -> bool:
        return not (self._paused or self._held or self._transport.is_closing())

    def _balance(self) -> None:
        if self._transport.is_closing():
            return
        if self._rest and self._may_take and not self._waits:
            self._waits = True
            self._pacer.wait(self)
        reads = not (self._rest or self._paused or self._held or self._stopped)
        if reads != self._reads:
            self._reads = reads
            if reads:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def write(self, data: Any) -> None:
        self._transport.write(data)

    def writelines(self, list_of_data: Any) -> None:
        self._transport.writelines(list_of_data)

    def write_eof(self) -> None:
        self._transport.write_eof()

    def can_write_eof(self) -> bool:
        return self._transport.can_write_eof()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._transport.get_protocol()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()
