"""One gateway takes over from another without losing a connection or a request.

The old gateway listens at a path. The new one connects there and gets the listening sockets. Both processes
share them, so no waiting connection is lost. Once ready, the new gateway sends "go". The old one then accepts
no more connections and requests, and sends what is left of the allowance. It migrates each client's
connection, with its state, as soon as the pending requests are answered; the client notices nothing. A
connection that cannot migrate (TLS) is closed once its requests are answered. If the new gateway ends before
"go", or another one connects, the old gateway serves on unchanged.

A message is one packet, JSON, with at most one file descriptor. Versions: HELLO is the version of the
exchange, STATE the version of a connection's description. A gateway with another HELLO is refused. One with
another STATE gets the listening sockets; the connections are closed once they are answered.
"""

import json
import os
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from qotgate.model import QotGateError

HELLO = 1
STATE = 1
MAX_MESSAGE = 128 << 10
SECONDS = 10.0
"""Timeout of the starting gateway for each message of the other; it has nothing else to do meanwhile."""

Message = dict[str, Any]


class Readers(Protocol):
    """Calls a function when a file becomes readable, as an event loop does."""

    def add_reader(self, file: int, callback: Callable[[], object], /) -> object: ...

    def remove_reader(self, file: int, /) -> object: ...


def send(to: socket.socket, message: Message, file: int | None = None) -> None:
    """Raises OSError, including BlockingIOError."""
    socket.send_fds(to, [json.dumps(message).encode()], [] if file is None else [file])


def receive(of: socket.socket) -> tuple[Message, int | None]:
    """The next message and its file; an empty message at the end. Raises OSError, and ValueError for a
    malformed message."""
    data, files, _, _ = socket.recv_fds(of, MAX_MESSAGE, 1, socket.MSG_CMSG_CLOEXEC)
    try:
        message: Message = json.loads(data) if data else {}
        if not isinstance(message, dict):
            raise ValueError("a message is an object")  # noqa: TRY004, TRY301 - as for any malformed message
    except (ValueError, RecursionError) as error:
        for file in files:
            os.close(file)
        raise ValueError(str(error)) from error
    return message, files[0] if files else None


def channel() -> tuple[socket.socket, socket.socket]:
    """Two connected ends for messages; several processes may use each."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class Offer:
    """Hands the gateway over to a process that asks for it at ``path``.

    ``listening`` returns the sockets that the gateway listens on. ``taken`` is called with the channels to
    the successor, and whether connections can migrate there. It answers with :meth:`give`.
    """

    def __init__(
        self,
        path: Path,
        readers: Readers,
        listening: Callable[[], list[tuple[str, socket.socket]]],
        taken: Callable[[list[socket.socket], bool], None],
    ) -> None:
        self._path = path
        self._readers = readers
        self._listening = listening
        self._taken = taken
        self._peer: socket.socket | None = None
        self._channels: list[socket.socket] = []
        self._going = False
        self._socket = _bound(path)
        readers.add_reader(self._socket.fileno(), self._accept)

    def give(self, state: Message) -> None:
        """Send what is left of the allowance; the gateway then belongs to the successor. Raises QotGateError
        if the successor has gone: then no process serves."""
        # The state has no size limit, so it travels as a file.
        with os.fdopen(os.memfd_create("qotgate"), "wb") as file:
            file.write(json.dumps(state).encode())
            file.flush()
            try:
                if self._peer is None:
                    raise BrokenPipeError
                send(self._peer, {"state": STATE}, file.fileno())
            except OSError as error:
                raise QotGateError(
                    "The gateway that took over has ended before it served, and so does this one."
                ) from error
        # The path now belongs to the successor.
        self._end_talk()
        self._readers.remove_reader(self._socket.fileno())
        self._socket.close()

    def close(self) -> None:
        """Withdraw the offer."""
        self._end_talk()
        if self._socket.fileno() >= 0:
            self._readers.remove_reader(self._socket.fileno())
            with suppress(OSError):
                self._path.unlink()
            self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            peer, _ = self._socket.accept()
            if self._going or _user_of(peer) not in (0, os.geteuid()):
                peer.close()
                return
            # The latest successor counts: an earlier one may hang, and has taken nothing yet.
            self._end_talk()
            peer.setblocking(False)
            self._peer = peer
            self._readers.add_reader(peer.fileno(), self._hear)

    def _hear(self) -> None:
        if self._peer is None:
            return
        try:
            message, file = receive(self._peer)
            if message.get("hello") == HELLO:
                for name, one in self._listening():
                    send(self._peer, {"listening": name}, one.fileno())
                send(self._peer, {"listening": ""})
            elif "channel" in message and file is not None:
                self._channels.append(_socket_of(file))
            elif "go" in message:
                channels, self._channels = self._channels, []
                self._going = True
                self._taken(channels, message["go"] == STATE)
            else:
                # The successor ended, or its messages are malformed: it is ignored.
                if file is not None:
                    os.close(file)
                self._end_talk()
        except BlockingIOError:
            # The peer was replaced before it was heard.
            return
        except (OSError, ValueError):
            self._end_talk()

    def _end_talk(self) -> None:
        if self._peer is not None:
            self._readers.remove_reader(self._peer.fileno())
            self._peer.close()
            self._peer = None
        for one in self._channels:
            one.close()
        self._channels = []


class Inheritance:
    """What a serving gateway hands to this one: its listening sockets, and later its connections."""

    def __init__(self, peer: socket.socket, processes: int) -> None:
        self._peer = peer
        self.listening: dict[str, list[socket.socket]] = {"tcp": [], "websocket": [], "http": []}
        self.channels: list[socket.socket] = []
        self._given: list[socket.socket] = []
        send(peer, {"hello": HELLO})
        while True:
            message, file = receive(peer)
            name = message.get("listening")
            if not name or file is None:
                break
            if name in self.listening:
                self.listening[name].append(socket.socket(fileno=file))
            else:
                os.close(file)
        if name != "":
            raise QotGateError(
                "The gateway that serves is of a version that this one cannot take over from; "
                "stop it first, and start this one then."
            )
        for _ in range(processes):
            given, kept = channel()
            given.setblocking(False)
            kept.setblocking(False)
            self._given.append(given)
            self.channels.append(kept)

    def go(self) -> Message:
        """Take over. Returns what is left of the allowance. Raises QotGateError if the other gateway has
        gone."""
        try:
            for one in self._given:
                send(self._peer, {"channel": True}, one.fileno())
                one.close()
            send(self._peer, {"go": STATE})
            _, file = receive(self._peer)
            if file is None:
                raise QotGateError(
                    "The gateway that served ended, or gave itself to another, before this one took over."
                )
            with os.fdopen(file, "rb") as state:
                state.seek(0)
                found: Message = json.loads(state.read())
        except (OSError, ValueError) as error:
            raise QotGateError(
                f"The gateway that serves cannot be taken over, or another one is about to: {error}."
            ) from error
        finally:
            self._peer.close()
        return found


def inherit(path: Path, processes: int) -> Inheritance | None:
    """The sockets of the gateway that listens at ``path``, for a number of ``processes``; None if there is no
    gateway.

    Raises QotGateError.
    """
    if not sys.platform.startswith("linux"):
        raise QotGateError("--handover takes Linux.")
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    peer.settimeout(SECONDS)
    try:
        peer.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        peer.close()
        return None
    except OSError as error:
        peer.close()
        raise QotGateError(f"--handover {path} cannot be used: {error.strerror or error}.") from error
    try:
        if _user_of(peer) not in (0, os.geteuid()):
            raise QotGateError(f"--handover {path} is another user's.")
        return Inheritance(peer, processes)
    except (OSError, ValueError) as error:
        peer.close()
        raise QotGateError(f"The gateway at {path} cannot be taken over: {error}.") from error


def _bound(path: Path) -> socket.socket:
    """A socket bound to ``path``, replacing any socket there. Raises QotGateError."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.exists() and not path.is_socket():
            raise QotGateError(f"--handover {path} is a file, and not a gateway's socket.")
        made.bind(str(new))
        new.chmod(0o600)
        made.listen(1)
        made.setblocking(False)
        new.replace(path)
    except OSError as error:
        made.close()
        raise QotGateError(f"--handover {path} cannot be used: {error.strerror or error}.") from error
    return made


def _socket_of(file: int) -> socket.socket:
    """A socket for a file descriptor. Closes it and raises OSError if it is not a socket."""
    try:
        return socket.socket(fileno=file)
    except OSError:
        os.close(file)
        raise


def _user_of(peer: socket.socket) -> int:
    _, user, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(user)
