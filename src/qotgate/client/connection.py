"""A blocking connection: any number of threads ask, and waiting threads do the reading.

One of the waiting threads leads: it reads, and hands each packet to the thread that asked. When it has its
own answer, another waiting thread leads. So a single caller sends and reads in its own thread. Switching
threads would be most of a call's cost. The leader polls for a moment before it sleeps. A watcher thread wakes
once a second to send keep-alives and to check the connection. It holds a weak reference: a connection without
other references is closed, and its watcher ends.
"""

import math
import os
import socket
import time
import weakref
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from threading import Event, Lock, RLock, Thread, get_ident
from typing import Any, TypeGuard

from qotgate.client.core import ClientCore, ClientOptions, Ticket
from qotgate.client.errors import ConnectionLost, Timeout, no_gateway
from qotgate.model import ProtocolError
from qotgate.protocol.frame import Packet
from qotgate.protocol.messages import ProtoId

TICK_SECONDS = 1.0
CLOSE_SECONDS = 1.0
"""Time to close: some threads may have to leave first; one may be the caller's own, interrupted by a
signal."""
LEAST_SECONDS = 0.05
"""The shortest wait, so that a wait at the end of its time still gets one try."""
CHUNK = 1 << 18
POLLS = (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) > 1
"""Whether reads may poll before they sleep. With one core, polling would only keep the gateway waiting."""
POLL_SECONDS = 2e-4
"""Longest poll of a read, in seconds. To sleep and wake up takes longer than a gateway on the same machine
takes to answer."""
MOST_UNPOLLED = 256
"""Most reads in a row that do not poll, after polls in vain or while several threads read."""
WINDOW = 256
"""Pending requests at once; a gateway works on no more for one connection."""

Outgoing = tuple[ProtoId, Any]
"""A proto id and its Request message."""


class _Wait:
    """One request's wait for its packet; its thread sleeps on ``gate``, unless it leads."""

    __slots__ = ("gate", "packet")

    def __init__(self) -> None:
        self.packet: Packet | None = None
        self.gate: Lock | None = None

    def wake(self) -> None:
        gate, self.gate = self.gate, None
        if gate is not None:
            gate.release()


class Connection:
    """One TCP connection to a gateway, after InitConnect.

    Raises ConnectionLost if it cannot be made within ``connect_timeout``, and QotGateError if the key cannot
    be read.
    """

    def __init__(self, options: ClientOptions, *, daemon: bool = True) -> None:
        self.options = options
        self._core = ClientCore(options)
        # Reentrant, for a signal handler that closes while its own thread holds the lock.
        self._lock = RLock()
        self._send_lock = RLock()
        self._sending = False
        self._waiting: dict[Ticket, _Wait] = {}
        self._followers: dict[_Wait, None] = {}
        self._leader: int | None = None
        self._unpolled = 0
        """Reads from now on that do not poll."""
        self._pause = 1
        """Such reads after the last poll in vain. The next one doubles it; each other poll takes one off."""
        self._lost: str | None = None
        self._ended = Event()
        deadline = time.monotonic() + options.connect_timeout
        try:
            self._socket = socket.create_connection((options.host, options.port), options.connect_timeout)
        except (OSError, UnicodeError, OverflowError) as error:
            if isinstance(error, OSError) and not _is_of_socket(error, deadline):
                raise
            raise no_gateway(options.address, error) from error
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A second object on the same socket, so that reading has its own timeout.
            self._incoming = self._socket.dup()
        except OSError as error:
            self._socket.close()
            raise ConnectionLost(f"No connection to {options.address}: {error.strerror}.") from error
        self._finalizer = weakref.finalize(self, _hang_up, self._socket, self._incoming, self._ended)
        self._finalizer.atexit = False
        try:
            [(_, wait)] = self._post([self._core.init_connect()], deadline)
            self._core.start(self._await(wait, deadline))
        except Timeout as error:
            self._finalizer()
            raise ConnectionLost(f"Nothing at {options.address} answers InitConnect.") from error
        except ProtocolError as error:
            self._finalizer()
            raise ConnectionLost(f"No gateway answers at {options.address}: {error}.") from error
        except BaseException:
            self._finalizer()
            raise
        self._watcher = Thread(
            target=_watch,
            args=(weakref.ref(self), self._ended),
            name=f"qotgate-{options.address}",
            daemon=daemon,
        )
        self._watcher.start()

    @property
    def lost(self) -> bool:
        return self._lost is not None

    def ask(
        self, requests: Iterable[Outgoing], responses: list[Any], deadline: float, timeout: float
    ) -> None:
        """Send requests, at most a window of them ahead of their answers, and append their Responses in
        order.

        The first answers have to arrive by ``deadline`` (of ``time.monotonic``), each later one within
        ``timeout`` seconds of its request. Raises ConnectionLost, Timeout and ProtocolError.
        """
        if self._leader == get_ident():
            # A signal handler asks while its own thread reads: that thread's position in the stream is lost.
            self._lose("The connection was closed: its reader was interrupted.")
        unsent = iter(requests)
        under_way: deque[tuple[Ticket, _Wait]] = deque()
        try:
            while True:
                if len(under_way) <= WINDOW // 2:
                    chunk = [self._core.request(*request) for request in islice(unsent, WINDOW // 2)]
                    if chunk:
                        if under_way:
                            deadline = max(deadline, time.monotonic() + timeout)
                        under_way += self._post(chunk, deadline)
                        continue
                if not under_way:
                    return
                responses.append(self._core.open(self._await(under_way[0][1], deadline)))
                under_way.popleft()
        finally:
            self._forget(under_way)
            # Repeated, in case an interrupt came while the lead was passed on.
            if self._leader == get_ident():
                self._leave()

    def close(self) -> None:
        """Close, and fail pending requests."""
        self._lose("The connection was closed.")
        self._watcher.join(2 * CLOSE_SECONDS)

    def abandon(self) -> None:
        """Drop the connection in a child process: it belongs to the parent, and stays open there."""
        self._finalizer.detach()
        self._socket.close()
        self._incoming.close()

    def _post(self, messages: Sequence[tuple[Ticket, bytes]], deadline: float) -> list[tuple[Ticket, _Wait]]:
        """Send requests. Returns their waits."""
        waits = [(ticket, _Wait()) for ticket, _ in messages]
        with self._lock:
            if self._lost is not None:
                raise ConnectionLost(self._lost)
            self._waiting.update(waits)
        try:
            self._send(b"".join([data for _, data in messages]), deadline)
        except BaseException:
            self._forget(waits)
            raise
        return waits

    def _forget(self, waits: Iterable[tuple[Ticket, _Wait]]) -> None:
        """Drop finished waits: later answers are ignored."""
        with self._lock:
            for ticket, _ in waits:
                self._waiting.pop(ticket, None)

    def _send(self, data: bytes, deadline: float) -> None:
        try:
            self._send_whole(data, deadline)
        except BaseException as error:
            # Part of the request may have been sent, so no other request can follow.
            if not _is_of_socket(error, deadline):
                self._lose("The connection was closed: a request was interrupted while it was sent.")
                raise
            reason = f"The gateway at {self.options.address} cannot be reached: {error.strerror or error}."
            self._lose(reason)
            raise ConnectionLost(reason) from error

    def _send_whole(self, data: bytes, deadline: float) -> None:
        with self._send_lock:
            if self._sending:
                # A signal handler asks while its own thread sends: one request would be within another.
                raise ConnectionLost("The connection was closed: its sender was interrupted.")
            self._sending = True
            try:
                self._socket.settimeout(max(deadline - time.monotonic(), LEAST_SECONDS))
                self._socket.sendall(data)
            finally:
                self._sending = False

    def _await(self, wait: _Wait, deadline: float) -> Packet:
        if wait.packet is not None:
            return wait.packet
        me, polls = get_ident(), POLLS
        try:
            while wait.packet is None:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise Timeout(f"The gateway at {self.options.address} did not answer in time.")
                gate: Lock | None = None
                with self._lock:
                    if wait.packet is not None:
                        break
                    if self._lost is not None:
                        raise ConnectionLost(self._lost)
                    if self._leader is None or self._leader == me:
                        self._leader = me
                    else:
                        gate = wait.gate = Lock()
                        gate.acquire()
                        self._followers[wait] = None
                        self._unpolled = MOST_UNPOLLED
                if gate is None:
                    # The rest of a long answer comes when it comes.
                    self._receive(remaining, polls=polls)
                    polls = False
                else:
                    gate.acquire(timeout=remaining)
        finally:
            self._leave(wait)
        return wait.packet

    def _leave(self, wait: _Wait | None = None) -> None:
        """Leave the waiting threads, and let another one lead if none does."""
        with self._lock:
            if wait is not None:
                wait.gate = None
                self._followers.pop(wait, None)
            if self._leader == get_ident():
                self._leader = None
            if self._leader is None:
                for follower in self._followers:
                    if follower.packet is None:
                        follower.wake()
                        return

    def _receive(self, seconds: float, *, polls: bool = False) -> None:
        """Read once, for at most ``seconds``; only the leader calls this."""
        try:
            data = self._read(seconds, polls=polls)
            if data is None:
                return
            if not data:
                self._lose(f"The gateway at {self.options.address} closed the connection.")
                return
            with self._lock:
                for ticket, packet in self._core.receive(data):
                    wait = self._waiting.pop(ticket, None)
                    if wait is not None:
                        wait.packet = packet
                        wait.wake()
        except BaseException as error:
            if not (isinstance(error, ProtocolError) or _is_of_socket(error)):
                # The interrupt may have come within a packet: the position in the stream is unknown.
                self._lose("The connection was closed: reading was interrupted.")
                raise
            self._lose(f"The gateway at {self.options.address} cannot be understood: {error}.")

    def _read(self, seconds: float, *, polls: bool) -> bytes | None:
        """The next bytes; None if none come within ``seconds``."""
        incoming = self._incoming
        if self._unpolled:
            self._unpolled -= 1
        elif polls and seconds > POLL_SECONDS:
            incoming.settimeout(0.0)
            polled = time.perf_counter() + POLL_SECONDS
            while time.perf_counter() < polled:
                try:
                    data = incoming.recv(CHUNK)
                except BlockingIOError as error:
                    if not _is_of_socket(error):
                        raise
                    continue
                self._pause = max(self._pause - 1, 1)
                return data
            self._pause = self._unpolled = min(2 * self._pause, MOST_UNPOLLED)
        until = time.monotonic() + seconds
        try:
            incoming.settimeout(seconds)
            return incoming.recv(CHUNK)
        except (TimeoutError, BlockingIOError) as error:
            if not _is_of_socket(error, until):
                raise
            return None

    def tick(self) -> None:
        """Check the connection, and send a KeepAlive when one is due."""
        with self._lock:
            leading = self._leader is None
            if leading:
                self._leader = get_ident()
        if leading:
            self._receive(0.0)
            self._leave()
        try:
            sign = self._core.tick()
            if sign is not None:
                self._send(sign, time.monotonic() + self.options.timeout)
        except ConnectionLost as error:
            self._lose(str(error))

    def wind_up(self) -> None:
        """Close the sockets once their threads have left, which they do on a lost connection."""
        until = time.monotonic() + CLOSE_SECONDS
        while self._leader is not None and time.monotonic() < until:
            time.sleep(0.001)
        entered = self._send_lock.acquire(timeout=CLOSE_SECONDS)
        self._finalizer()
        if entered:
            self._send_lock.release()

    def _lose(self, reason: str) -> None:
        with self._lock:
            if self._lost is None:
                self._lost = reason
            for wait in self._waiting.values():
                wait.wake()
            self._waiting.clear()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._ended.set()


def _is_of_socket(error: BaseException, until: float = math.inf) -> TypeGuard[OSError]:
    """Whether the socket raised an error, not a signal handler of the caller.

    A socket's errors have a number, except for a timeout, which does not come before ``until``, when its time
    is up.
    """
    if not isinstance(error, OSError):
        return False
    ends = isinstance(error, TimeoutError) and time.monotonic() >= until - LEAST_SECONDS
    return error.errno is not None or ends


def _watch(held: "weakref.ref[Connection]", ended: Event) -> None:
    while not ended.wait(TICK_SECONDS):
        connection = held()
        if connection is None:
            return
        connection.tick()
        del connection
    connection = held()
    if connection is not None:
        connection.wind_up()


def _hang_up(outgoing: socket.socket, incoming: socket.socket, ended: Event) -> None:
    with suppress(OSError):
        outgoing.shutdown(socket.SHUT_RDWR)
    outgoing.close()
    incoming.close()
    ended.set()
