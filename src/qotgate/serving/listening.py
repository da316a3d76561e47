"""The sockets that a gateway listens on, made before it serves: workers share a port by several of them, and
one gateway hands them to the next.

A listening socket has a queue of connections that are not accepted yet. Closing the socket loses them, so a
socket stays open while it is of use, in any process.
"""

import os
import socket
from dataclasses import dataclass, field
from typing import Any

from qotgate.gateway import GatewayOptions
from qotgate.gateway.addresses import BACKLOG
from qotgate.model import QotGateError


@dataclass(frozen=True, slots=True)
class Listening:
    """What one process listens on."""

    tcp: list[socket.socket] = field(default_factory=list)
    websocket: list[socket.socket] = field(default_factory=list)
    http: list[socket.socket] = field(default_factory=list)

    def named(self) -> list[tuple[str, socket.socket]]:
        """All of them, by what they are for."""
        return [
            *(("tcp", one) for one in self.tcp),
            *(("websocket", one) for one in self.websocket),
            *(("http", one) for one in self.http),
        ]

    def close(self) -> None:
        for _, one in self.named():
            one.close()


def listen(host: str, port: int, *, sets: int = 1, share: bool = False) -> list[list[socket.socket]]:
    """Listen on ``port`` of ``host``, or on a free one for 0: a socket for each of its addresses, ``sets``
    times over. With ``share``, processes of the same user may listen on it as well.

    Raises QotGateError where something else has it.
    """
    made: list[list[socket.socket]] = [[] for _ in range(sets)]
    share = share or sets > 1
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, number, _, address in dict.fromkeys(found):
            if share:
                # Sharing is between workers; with anyone else's port it would take half their connections.
                with _bound(family, kind, number, (address[0], port, *address[2:]), share=False) as alone:
                    port = alone.getsockname()[1]
            for one in made:
                one.append(_bound(family, kind, number, (address[0], port, *address[2:]), share=share))
                port = one[-1].getsockname()[1]
                one[-1].listen(BACKLOG)
    except (OSError, UnicodeError) as error:
        for one in made:
            for opened in one:
                opened.close()
        reason = getattr(error, "strerror", None) or error
        raise QotGateError(f"Cannot listen on {host}:{port}: {reason}; name another host or port.") from error
    return made


def listen_for(options: GatewayOptions) -> Listening:
    """Listen where the options say. Raises QotGateError."""
    (tcp,) = listen(options.host, options.port)
    websocket: list[socket.socket] = []
    if options.websocket is not None:
        try:
            (websocket,) = listen(options.websocket.host, options.websocket.port)
        except QotGateError:
            for one in tcp:
                one.close()
            raise
    return Listening(tcp, websocket)


def serves(listening: socket.socket, host: str, port: int) -> bool:
    """Whether a socket listens where ``host`` and ``port`` say."""
    here = listening.getsockname()[:2]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return False
    return any(here[0] == address[0] and port in (0, here[1]) for *_, address in found)


def _bound(family: int, kind: int, number: int, address: Any, *, share: bool) -> socket.socket:
    bound = socket.socket(family, kind, number)
    try:
        bound.setblocking(False)
        if os.name == "posix":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if share:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
