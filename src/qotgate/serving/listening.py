"""The listening sockets of a gateway, made before it serves. Workers share a port through several sockets,
and one gateway hands its sockets to the next.

A listening socket has a queue of connections that are not accepted yet. Closing the socket loses them, so it
stays open in one process or another as long as it is needed.
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
    """The listening sockets of one process."""

    tcp: list[socket.socket] = field(default_factory=list)
    websocket: list[socket.socket] = field(default_factory=list)
    http: list[socket.socket] = field(default_factory=list)

    def named(self) -> list[tuple[str, socket.socket]]:
        """All sockets, with the name of their purpose."""
        return [
            *(("tcp", one) for one in self.tcp),
            *(("websocket", one) for one in self.websocket),
            *(("http", one) for one in self.http),
        ]

    def close(self) -> None:
        for _, one in self.named():
            one.close()


def listen(host: str, port: int, *, sets: int = 1, share: bool = False) -> list[list[socket.socket]]:
    """Listen on ``port`` of ``host``, or on a free port for 0: a socket for each address of the host,
    ``sets`` times. With ``share``, processes of the same user may listen on the port too.

    Raises QotGateError if another process has the port.
    """
    made: list[list[socket.socket]] = [[] for _ in range(sets)]
    share = share or sets > 1
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, number, _, address in dict.fromkeys(found):
            if share:
                # Only workers share a port; shared with another program, it would lose half of its
                # connections.
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
    """Listen on the addresses in the options. Raises QotGateError."""
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
    """Whether a socket listens on ``host`` and ``port``."""
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
