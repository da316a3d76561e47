"""The load generator, in its own process: connections that keep a window of requests in flight.

Requests are framed before the clock starts. Each reply allows one more request; the requests allowed by one
read go out in one write. Replies are matched to requests in order: if a server answers out of order, single
times are wrong, but their distribution is right. Run as ``python -m gateway.load_generator`` with a pickled
:class:`Plan` on standard input; prints the fields of a :class:`Measured` as JSON.
"""

import asyncio
import json
import pickle
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from functools import partial
from math import nan
from pathlib import Path
from typing import cast

import uvloop

from gateway.carriers import Carrier, Question, open_connection
from qotgate.protocol.cipher import RsaKey


@dataclass(frozen=True)
class Plan:
    """The questions, the number of connections, and the duration; times in seconds."""

    carrier: Carrier
    port: int
    questions: tuple[Question, ...]
    connections: int = 64
    window: int = 16
    seconds: float = 1.0
    warm_up: float = 0.3
    greet: bool = True
    key: Path | None = None


@dataclass(frozen=True)
class Measured:
    """``replies`` in all, and their ``rate`` a second; the 50th, 99th and 99.9th percentile of their times in
    ms."""

    replies: int
    rate: float
    p50: float
    p99: float
    p999: float


@dataclass
class Tally:
    """The times of replies in nanoseconds, each with its number of replies."""

    replies: int = 0
    times: list[tuple[int, int]] = field(default_factory=list)

    def percentiles(self, *shares: float) -> list[float]:
        """In milliseconds, NaN without replies; ``shares`` ascending."""
        found: list[float] = [] if self.replies else [nan] * len(shares)
        seen = 0
        for time_taken, replies in sorted(self.times):
            seen += replies
            while len(found) < len(shares) and seen >= self.replies * shares[len(found)]:
                found.append(time_taken / 1e6)
        return found


class Client(asyncio.Protocol):
    """One connection under load."""

    def __init__(self, frames: list[bytes], window: int, cut: Callable[[bytes, int], int]) -> None:
        self._frames = frames + frames[:window] * (window // len(frames) + 1)
        self._count = len(frames)
        self._next = 0
        self._window = window
        self._cut = cut
        self._rest = b""
        self._sent: deque[list[int]] = deque()
        self._transport: asyncio.Transport | None = None
        self.tally: Tally | None = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self.lost = True

    def start(self) -> None:
        self._send(self._window, time.perf_counter_ns())

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter_ns()
        data = self._rest + data if self._rest else data
        position = done = 0
        cut = self._cut
        while end := cut(data, position):
            position = end
            done += 1
        self._rest = data[position:]
        if done:
            self._count_in(done, now)
            self._send(done, now)

    def _send(self, count: int, now: int) -> None:
        assert self._transport is not None
        self._sent.append([now, count])
        self._transport.write(b"".join(self._frames[self._next : self._next + count]))
        self._next = (self._next + count) % self._count

    def _count_in(self, done: int, now: int) -> None:
        tally, sent = self.tally, self._sent
        if tally is not None:
            tally.replies += done
        while done:
            moment, waiting = sent[0]
            some = min(done, waiting)
            if tally is not None:
                tally.times.append((now - moment, some))
            done -= some
            if some == waiting:
                sent.popleft()
            else:
                sent[0][1] -= some


async def measure(plan: Plan) -> Measured:
    """Run a plan. Exits if a connection is lost."""
    loop = asyncio.get_running_loop()
    key = RsaKey.load(plan.key) if plan.key else None
    clients = []
    for number in range(plan.connections):
        opened = open_connection(plan.carrier, plan.port, key, greet=plan.greet)
        frames = [opened.frame(question) for question in plan.questions]
        turn = number * len(frames) // plan.connections
        client = Client(frames[turn:] + frames[:turn], plan.window, opened.cut)
        opened.socket.setblocking(False)
        clients.append(client)
        await loop.create_connection(partial(clients.__getitem__, number), sock=opened.socket)
    for client in clients:
        client.start()
    await asyncio.sleep(plan.warm_up)
    tally = Tally()
    started = time.perf_counter()
    for client in clients:
        client.tally = tally
    await asyncio.sleep(plan.seconds)
    seconds = time.perf_counter() - started
    for client in clients:
        client.tally = None
    if any(client.lost for client in clients):
        raise SystemExit("a connection was lost under load")
    return Measured(tally.replies, tally.replies / seconds, *tally.percentiles(0.5, 0.99, 0.999))


if __name__ == "__main__":
    print(json.dumps(astuple(uvloop.run(measure(pickle.load(sys.stdin.buffer))))))
