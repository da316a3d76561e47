"""Where the gateway listens: on the sockets of a gateway that it takes over from, otherwise on new ones."""

import socket
import sys
from dataclasses import dataclass

from qotgate.model import QotGateError
from qotgate.serving.configuration import Configuration
from qotgate.serving.handover import Inheritance, inherit
from qotgate.serving.listening import Listening, listen, serves
from qotgate.serving.settings import Settings
from qotgate.serving.web_options import http_port, web_options


@dataclass(frozen=True)
class Sockets:
    """The sockets of each process, and the gateway that this one takes over from (None without one)."""

    sets: list[Listening]
    inheritance: Inheritance | None

    def close(self) -> None:
        for one in self.sets:
            one.close()


def open_sockets(configuration: Configuration) -> Sockets:
    """Listen on the addresses in the options, with a set for each worker; HTTP is in the first set. Raises
    QotGateError."""
    settings, options = configuration.settings, configuration.options
    path = settings.handover
    inheritance = inherit(path, settings.workers) if path is not None else None
    found = inheritance.listening if inheritance else {}
    share = path is not None
    opened = Sockets([Listening() for _ in range(settings.workers)], inheritance)
    try:
        _fill([one.tcp for one in opened.sets], found.get("tcp", []), options.host, options.port, share)
        if options.websocket is not None:
            to, websocket = [one.websocket for one in opened.sets], options.websocket
            _fill(to, found.get("websocket", []), websocket.host, websocket.port, share)
        if not settings.no_http:
            # Pages are for people, and people are few: the first worker serves them.
            known = [
                one for one in found.get("http", []) if serves(one, settings.http_host, http_port(settings))
            ]
            opened.sets[0].http.extend(known or listen_for_http(settings, share=share))
    except QotGateError:
        opened.close()
        raise
    return opened


def listen_for_http(settings: Settings, *, share: bool = False) -> list[socket.socket]:
    """Listen for HTTP; no socket if HTTP is off, or if the default port is taken and the options name no
    port.

    Raises QotGateError.
    """
    if settings.no_http:
        return []
    web_options(settings)
    host, port = settings.http_host, http_port(settings)
    try:
        (found,) = listen(host, port, share=share)
    except QotGateError as error:
        reason = str(error).partition(": ")[2].rpartition(";")[0]
        if settings.http_port is not None:
            raise QotGateError(
                f"Cannot serve HTTP on {host}:{port}: {reason}; name another --http-port."
            ) from error
        sys.stderr.write(
            f"qotgate: no pages: {host}:{port} cannot be used ({reason}); name an --http-port.\n"
        )
        return []
    for one in found[1:]:
        one.close()
    return found[:1]


def _fill(
    sets: list[list[socket.socket]], found: list[socket.socket], host: str, port: int, share: bool
) -> None:
    """Add sockets for ``host`` and ``port`` to each set; ``found`` sockets first."""
    known = [one for one in found if serves(one, host, port)]
    if not known:
        for to, made in zip(sets, listen(host, port, sets=len(sets), share=share), strict=True):
            to.extend(made)
        return
    # Each socket has its own queue and must be served; if there are fewer sockets than sets, some sets share
    # one.
    for number, one in enumerate(known):
        sets[number % len(sets)].append(one)
    for number in range(len(known), len(sets)):
        sets[number].append(known[number % len(known)].dup())
