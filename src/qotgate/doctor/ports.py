"""The ports: free, or in use by a running gateway or another program."""

import errno
import json
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address

from qotgate.doctor.finding import Finding, fail, ok
from qotgate.model import ProtocolError
from qotgate.protocol.body import decode, encode
from qotgate.protocol.frame import PROTOBUF, Frame, FrameParser
from qotgate.protocol.messages import REQUESTS, AnyResponse, ProtoId

SECONDS = 2.0
ANSWER_MOST = 1 << 16


def port(option: str, host: str, number: int) -> Iterator[Finding]:
    """Whether ``serve`` could listen on ``host`` and ``number``, or already does; ``option`` names the port:
    `port`, `http_port` or `websocket_port`."""
    check, flag = f"port {number}", "--" + option.replace("_", "-")
    if number == 0:
        yield ok("port 0", f"{flag} takes any free port.")
        return
    try:
        family, *_, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
        with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
        yield ok(check, f"{host}:{number} is free.")
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            yield fail(
                check, f"{host}:{number} cannot be used: {error.strerror or error}.", f"Name another {flag}."
            )
        elif _IS_OURS[option](_reached_at(host), number):
            yield ok(check, f"{host}:{number} is in use by a running gateway.")
            if option == "http_port" and not _is_ready(_reached_at(host), number):
                yield fail(
                    check,
                    f"The gateway on {host}:{number} is not ready: it is about to stop, or cannot read its "
                    "database, as where that was deleted or replaced while it was open.",
                    "Look into its log, restore the database (qotgate restore FILE), restart the gateway.",
                )
        else:
            yield fail(
                check,
                f"{host}:{number} is in use by another program.",
                f"Stop it (ss -ltnp 'sport = :{number}' names it), or name another {flag}.",
            )


def _reached_at(host: str) -> str:
    """The address at which this machine reaches a listener on ``host``."""
    with suppress(ValueError):
        address = ip_address(host)
        if address.is_unspecified:
            return "127.0.0.1" if address.version == 4 else "::1"
    return host


def _speaks_protocol(host: str, number: int) -> bool:
    """Whether the listener answers a packet. Before InitConnect the answer is a refusal, so nothing is
    counted."""
    asked = encode(REQUESTS[ProtoId.GetGlobalState](c2s={"userID": 0}), PROTOBUF)
    parser = FrameParser(ANSWER_MOST)
    refused = (OSError, ProtocolError, ValueError)
    with suppress(*refused), socket.create_connection((host, number), SECONDS) as connection:
        connection.sendall(Frame(ProtoId.GetGlobalState, PROTOBUF, 1, asked).encode())
        while arrived := connection.recv(ANSWER_MOST):
            for packet in parser.feed(arrived):
                return bool(decode(AnyResponse, packet.open().body, PROTOBUF).retMsg)
    return False


def _serves_pages(host: str, number: int) -> bool:
    connection = HTTPConnection(host, number, timeout=SECONDS)
    with suppress(OSError, HTTPException, ValueError), closing(connection):
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        told = json.loads(connection.getresponse().read(ANSWER_MOST))
        return isinstance(told, dict) and told.get("status") == "ok" and "generation" in told
    return False


def _is_ready(host: str, number: int) -> bool:
    """Whether the listening gateway can read its database; it cannot if its open file has been replaced."""
    connection = HTTPConnection(host, number, timeout=SECONDS)
    try:
        with closing(connection):
            connection.request("GET", "/readyz", headers={"Host": "localhost"})
            return connection.getresponse().status != HTTPStatus.SERVICE_UNAVAILABLE
    except (OSError, HTTPException):
        return False


def _speaks_websocket(host: str, number: int) -> bool:
    """Whether the listener is a WebSocket server, as a gateway is from outside. A listener with TLS does not
    answer a plain request; a gateway's port is assumed to be its own."""
    connection = HTTPConnection(host, number, timeout=SECONDS)
    try:
        with closing(connection):
            connection.request("GET", "/", headers={"Host": "localhost"})
            return connection.getresponse().status == 426
    except (OSError, HTTPException):
        return _shakes_hands(host, number)


def _shakes_hands(host: str, number: int) -> bool:
    import ssl

    context = ssl.create_default_context()
    # The owner of the certificate does not matter here: nothing is sent.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        suppress(OSError),
        socket.create_connection((host, number), SECONDS) as plain,
        context.wrap_socket(plain),
    ):
        return True
    return False


_IS_OURS = {"port": _speaks_protocol, "http_port": _serves_pages, "websocket_port": _speaks_websocket}
