"""The gateway: an engine, a door and the carriers on their sockets, from start to stop."""

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qotgate.gateway.door import Door, Phase
from qotgate.gateway.engine import Engine
from qotgate.gateway.options import GatewayOptions
from qotgate.gateway.pacing import Pacer
from qotgate.gateway.tcp import TcpCarrier
from qotgate.limits.slots import ProcessSlots
from qotgate.relay.upstream import Upstream
from qotgate.service.questions import Questions

if TYPE_CHECKING:
    from qotgate.gateway.websocket import WebSocketCarrier
    from qotgate.limits.shared_memory import SharedLimits

SWEEP_SECONDS = 1.0
"""Seconds between an idle gateway's checks for silent sessions and for a load."""
SETTLE_SECONDS = 2.0


class Gateway:
    """Serves ``questions`` on TCP, and on WebSocket if the options say so. Create it within the event
    loop."""

    def __init__(
        self,
        questions: Questions,
        options: GatewayOptions | None = None,
        shared: "SharedLimits | None" = None,
        upstream: Upstream | None = None,
    ) -> None:
        options = options or GatewayOptions()
        self.loop = asyncio.get_running_loop()
        self.engine = Engine(questions, options, shared.window if shared else None, upstream)
        slots = ProcessSlots(options.max_connections, options.max_connections_per_address)
        self.door = Door(options, shared.slots if shared else slots, self.engine.counts, self.engine.leave)
        self.pacer = Pacer()
        self.tcp = TcpCarrier(self.engine, self.door)
        self.websocket = self._websocket() if options.websocket is not None else None
        self._sweeper: asyncio.Task[None] | None = None

    def _websocket(self) -> "WebSocketCarrier":
        # Imported late: most gateways have no such clients.
        from qotgate.gateway.websocket import WebSocketCarrier

        return WebSocketCarrier(self.engine, self.door, self.pacer)

    async def start(self, tcp: Sequence[socket.socket], websocket: Sequence[socket.socket] = ()) -> list[str]:
        """Serve on listening sockets. Returns the addresses, ``HOST:PORT`` and ``ws://HOST:PORT``.

        Raises QotGateError.
        """
        await self.engine.prepare()
        addresses = [await self.tcp.serve(one) for one in tcp]
        if self.websocket is not None:
            addresses += [await self.websocket.serve(one) for one in websocket]
        self._sweeper = self.loop.create_task(self._sweep())
        return list(dict.fromkeys(addresses))

    def change(self, options: GatewayOptions, questions: Questions) -> None:
        """Apply new options on the same ports. Connections stay, and requests granted so far count towards
        the new limit."""
        self.engine.change(options, questions)
        self.door.change(options)

    def pause(self, phase: Phase = Phase.DRAINING) -> None:
        """Accept no new connections and requests. The time to drain starts with the first call."""
        self.tcp.stop_listening()
        if self.websocket is not None:
            self.websocket.stop_listening()
        self.door.drain(phase)

    async def settle(self) -> None:
        """Wait until all received requests have been counted. Clients that do not read their answers are not
        waited for."""
        deadline = min(self.door.deadline, self.loop.time() + SETTLE_SECONDS)
        # The last input shows up a turn later, and so does input read again meanwhile.
        calm = 0
        while calm < 2 and self.loop.time() < deadline:
            await asyncio.sleep(0.002)
            for session in self.door.sessions:
                session.stop_reading()
            calm = calm + 1 if all(session.looked_at for session in self.door.sessions) else 0

    async def stop(self) -> None:
        """Accept no more requests, send the pending answers, close."""
        self.pause(Phase.CLOSING)
        sessions, deadline = self.door.sessions, self.door.deadline
        while any(session.busy for session in sessions) and self.loop.time() < deadline:
            await asyncio.sleep(0.01)
        for session in list(sessions):
            session.because("the gateway stops")
            session.close()
        while sessions and self.loop.time() < deadline:
            await asyncio.sleep(0.01)
        for session in list(sessions):
            session.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        await self.engine.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(SWEEP_SECONDS, self.engine.options.keep_alive_interval / 4))
            self.engine.log_data()
            self.door.sweep()
