"""The base of the carriers: the listening sockets of one kind of connection."""

import asyncio
import socket
from abc import ABC, abstractmethod
from typing import Any

from qotgate.gateway.addresses import BACKLOG
from qotgate.gateway.door import Door
from qotgate.gateway.engine import Engine


class Carrier(ABC):
    """Makes sessions of connections, and serves the listening sockets."""

    def __init__(self, engine: Engine, door: Door) -> None:
        self.engine = engine
        self.door = door
        self._servers: list[asyncio.Server] = []

    @abstractmethod
    async def serve(self, listening: socket.socket) -> str:
        """Serve the connections of a listening socket. Returns its address."""

    def stop_listening(self) -> None:
        """Accept no more connections."""
        for server in self._servers:
            server.close()

    @abstractmethod
    def _session(self) -> asyncio.Protocol:
        """A session for a new connection."""

    async def _listen(self, listening: socket.socket, **tls: Any) -> None:
        """Make sessions of the connections of a socket; ``tls`` are options of the loop's create_server."""
        server = await self.engine.loop.create_server(self._session, sock=listening, backlog=BACKLOG, **tls)
        self._servers.append(server)
