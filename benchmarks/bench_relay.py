"""The relay's cost: the same client through the gateway and directly to OpenD, in turn in one run.

OpenD is a canned one (``gateway/canned_opend.py``) with hardly any cost, so that the relay's own cost shows.
Each figure is the median over the runs. docs/performance.md has the table.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop
from rich.console import Console
from rich.table import Table

from gateway.dataset import make
from gateway.processes import canned_opend, gateway
from qotgate.protocol.body import encode
from qotgate.protocol.frame import PROTOBUF, Frame, FrameParser, Packet
from qotgate.protocol.messages import REQUESTS, ProtoId

ANSWER_BYTES, PUSH_BYTES = 900, 180
"""A snapshot of one security, and one tick."""
SNAPSHOT, SUBSCRIBE, PUSH = 3203, 3001, 3011
IN_FLIGHT = 64
PUSHES_A_SECOND = 20_000
BODY = bytes(24)
"""As long as a request for one snapshot. The canned OpenD does not read it."""


class Client(asyncio.Protocol):
    """A client on TCP, unencrypted."""

    def __init__(self) -> None:
        self._parser = FrameParser(1 << 24)
        self._answered: asyncio.Future[None] | None = None
        self.in_flight = 0
        self.answers = 0
        self.serial = 0
        self.pushes: list[int] = []
        self.wanted = 0
        self.last = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for packet in self._parser.feed(data):
            self._take(packet)

    def _take(self, packet: Packet) -> None:
        if packet.proto_id == PUSH:
            self.pushes.append(packet.serial)
            self.last = time.perf_counter()
            if len(self.pushes) == self.wanted:
                self._done()
            return
        self.answers += 1
        if self.in_flight:
            self.send(SNAPSHOT, BODY)
        else:
            self._done()

    def _done(self) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    def send(self, proto_id: int, body: bytes) -> None:
        self.serial += 1
        self._transport.write(Frame(proto_id, PROTOBUF, self.serial, body).encode())

    async def ask(self, proto_id: int, body: bytes) -> None:
        self._answered = asyncio.get_running_loop().create_future()
        self.send(proto_id, body)
        await self._answered

    async def round_trips(self, seconds: float) -> list[float]:
        """Seconds of each request, one at a time."""
        end, times = time.perf_counter() + seconds, []
        while (began := time.perf_counter()) < end:
            await self.ask(SNAPSHOT, BODY)
            times.append(time.perf_counter() - began)
        return times

    async def rate(self, seconds: float) -> float:
        """Answers a second with IN_FLIGHT pending requests."""
        self.in_flight = IN_FLIGHT
        for _ in range(IN_FLIGHT):
            self.send(SNAPSHOT, BODY)
        await asyncio.sleep(0.5)
        before, began = self.answers, time.perf_counter()
        await asyncio.sleep(seconds)
        found = (self.answers - before) / (time.perf_counter() - began)
        self.in_flight = 0
        while self.answers < self.serial:
            await asyncio.sleep(0.01)
        return found

    async def take_pushes(self, number: int, rate: int) -> float:
        """Request ``number`` pushes. Returns the seconds until the last one arrives. Raises if any is missing
        or out of order."""
        self.pushes, self.wanted = [], number
        began = time.perf_counter()
        await self.ask(SUBSCRIBE, f"{number} {rate}".encode())
        self._answered = asyncio.get_running_loop().create_future()
        if len(self.pushes) < number:
            await asyncio.wait_for(self._answered, 120)
        if self.pushes != list(range(number)):
            raise RuntimeError("pushes were lost, or came out of order")
        return self.last - began

    async def login(self) -> None:
        request = REQUESTS[ProtoId.InitConnect]()
        request.c2s.clientVer, request.c2s.clientID, request.c2s.packetEncAlgo = 1011, "bench", -1
        await self.ask(ProtoId.InitConnect, encode(request, PROTOBUF))

    def close(self) -> None:
        self._transport.close()


@dataclass(frozen=True)
class Figures:
    """Seconds of a round trip, answers and pushes a second, the delay of the last push at a fixed rate."""

    p50: float
    p99: float
    answers: float
    pushes: float
    behind: float


async def measure(port: int, seconds: float) -> Figures:
    _, client = await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", port)
    await client.login()
    times = sorted(await client.round_trips(seconds))
    answers = await client.rate(seconds)
    number = int(PUSHES_A_SECOND * seconds)
    behind = await client.take_pushes(number, PUSHES_A_SECOND) - seconds
    pushes = 2 * number / await client.take_pushes(2 * number, 0)
    client.close()
    return Figures(times[len(times) // 2], times[len(times) * 99 // 100], answers, pushes, behind)


def median(figures: list[Figures], name: str) -> float:
    return float(statistics.median(getattr(one, name) for one in figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    arguments = parser.parse_args()
    ways: dict[str, list[Figures]] = {"straight": [], "through the relay": [], "recorded as well": []}
    with tempfile.TemporaryDirectory() as folder:
        url = make(Path(folder) / "bench.db")
        recording = str(Path(folder) / "session.jsonl")
        with canned_opend(ANSWER_BYTES, PUSH_BYTES) as opend:
            upstream = ("--upstream", f"127.0.0.1:{opend.ports[0]}")
            with gateway(url, *upstream) as relay, gateway(url, *upstream, "--record", recording) as recorder:
                for _ in range(arguments.runs):
                    for way, server in zip(ways, (opend, relay, recorder), strict=True):
                        ways[way].append(uvloop.run(measure(server.ports[0], arguments.seconds)))
                resident = relay.resident
    table = Table(title=f"Relay against direct, medians of {arguments.runs} runs of {arguments.seconds:g} s")
    for column in ("", "round trip p50 µs", "p99 µs", f"requests/s, {IN_FLIGHT} in flight", "pushes/s"):
        table.add_column(column, justify="right")
    table.add_column(f"last of {PUSHES_A_SECOND:,} pushes/s behind, ms", justify="right")
    for way, figures in ways.items():
        table.add_row(
            way,
            f"{1e6 * median(figures, 'p50'):.0f}",
            f"{1e6 * median(figures, 'p99'):.0f}",
            f"{median(figures, 'answers'):,.0f}",
            f"{median(figures, 'pushes'):,.0f}",
            f"{1000 * median(figures, 'behind'):.1f}",
        )
    direct, relayed, _recorded = ways.values()
    ratios = [two.answers / one.answers for one, two in zip(direct, relayed, strict=True)]
    console = Console()
    console.print(table)
    console.print(
        f"requests: {statistics.median(ratios):.2f} of direct; the gateway takes {resident:.0f} MiB"
    )


if __name__ == "__main__":
    main()
