"""A blocking connection: any number of threads ask, and those that wait read.

Of the threads that wait for an answer one leads: it reads, and hands each packet to the thread that asked.
When it has its own answer, another that still waits leads on. So a lone caller sends and reads in its own
thread, without a switch between threads, which is most of what a call would cost otherwise. A watcher thread
wakes once a second to keep the connection alive, and to see whether it still is.
"""

import socket
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from threading import Event, Lock, Thread
from typing import Any

from qotgate.client.core import ClientCore, ClientOptions, Ticket
from qotgate.client.errors import ConnectionLost, Timeout
from qotgate.model import ProtocolError
from qotgate.protocol.frame import Packet
from qotgate.protocol.messages import ProtoId

TICK_SECONDS = 1.0
CHUNK = 1 << 18
WINDOW = 256
"""Requests under way at once; a gateway works on no more for one connection."""

Requests = Sequence[tuple[ProtoId, Any]]
"""Proto ids and their Request messages."""


class _Wait:
    """One request's wait for its packet; ``gate`` is what its thread sleeps on, unless it leads."""

    __slots__ = ("gate", "packet")

    def __init__(self) -> None:
        self.packet: Packet | None = None
        self.gate: Lock | None = None

    def wake(self) -> None:
        gate, self.gate = self.gate, None
        if gate is not None:
            gate.release()


class Connection:
    """One TCP connection to a gateway, past InitConnect.

    Raises ConnectionLost where it cannot be made within ``connect_timeout``, and QotGateError where the key
    cannot be read.
    """

    def __init__(self, options: ClientOptions, *, daemon: bool = True) -> None:
        self.options = options
        self._core = ClientCore(options)
        self._lock = Lock()
        self._send_lock = Lock()
        self._waiting: dict[Ticket, _Wait] = {}
        self._followers: deque[_Wait] = deque()
        self._led = False
        self._lost: str | None = None
        self._ended = Event()
        deadline = time.monotonic() + options.connect_timeout
        try:
            self._socket = socket.create_connection((options.host, options.port), options.connect_timeout)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConnectionLost(f"No gateway answers at {options.address}: {reason}.") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A second object on the same socket, so that reading has a time limit of its own.
        self._incoming = self._socket.dup()
        try:
            [(_, wait)] = self._post([self._core.init_connect()], deadline)
            self._core.start(self._await(wait, deadline))
        except TimeoutError as error:
            self._close_sockets()
            raise ConnectionLost(f"Nothing at {options.address} answers InitConnect.") from error
        except ProtocolError as error:
            self._close_sockets()
            raise ConnectionLost(f"No gateway answers at {options.address}: {error}.") from error
        except BaseException:
            self._close_sockets()
            raise
        self._watcher = Thread(target=self._watch, name=f"qotgate-{options.address}", daemon=daemon)
        self._watcher.start()

    @property
    def lost(self) -> bool:
        return self._lost is not None

    def ask(self, requests: Requests, timeout: float) -> list[Any]:
        """Send requests, a window of them ahead of their answers, and give their Responses in order.

        Each answer may take ``timeout`` seconds from when its request was sent. Raises ConnectionLost,
        Timeout and ProtocolError.
        """
        unsent = iter(requests)
        under_way: deque[tuple[Ticket, _Wait]] = deque()
        responses: list[Any] = []
        deadline = 0.0
        try:
            while True:
                if len(under_way) <= WINDOW // 2:
                    chunk = [self._core.request(*request) for request in islice(unsent, WINDOW // 2)]
                    if chunk:
                        deadline = time.monotonic() + timeout
                        under_way += self._post(chunk, deadline)
                        continue
                if not under_way:
                    return responses
                responses.append(self._core.open(self._await(under_way[0][1], deadline)))
                under_way.popleft()
        finally:
            self._forget(under_way)

    def close(self) -> None:
        """Close, and fail what is under way."""
        self._lose("The connection was closed.")
        self._watcher.join()

    def _post(self, messages: Sequence[tuple[Ticket, bytes]], deadline: float) -> list[tuple[Ticket, _Wait]]:
        """Send requests; what to wait for."""
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
        """An answer that comes later is nobody's."""
        with self._lock:
            for ticket, _ in waits:
                self._waiting.pop(ticket, None)

    def _send(self, data: bytes, deadline: float) -> None:
        try:
            with self._send_lock:
                self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
                self._socket.sendall(data)
        except OSError as error:
            # Part of the request may have gone out: nothing sensible can follow it.
            reason = f"The gateway at {self.options.address} cannot be reached: {error.strerror or error}."
            self._lose(reason)
            raise ConnectionLost(reason) from error
        except BaseException:
            self._lose("The connection was closed: a request was interrupted while it was sent.")
            raise

    def _await(self, wait: _Wait, deadline: float) -> Packet:
        if wait.packet is not None:
            return wait.packet
        leading = False
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
                    if not leading and not self._led:
                        leading = self._led = True
                    if not leading:
                        gate = wait.gate = Lock()
                        gate.acquire()
                        self._followers.append(wait)
                if gate is None:
                    self._receive(remaining)
                else:
                    gate.acquire(timeout=remaining)
        finally:
            with self._lock:
                wait.gate = None
                self._pass_on(leading=leading)
        return wait.packet

    def _pass_on(self, *, leading: bool) -> None:
        """Let another thread lead, if none does and one waits. Called with the lock held."""
        if leading:
            self._led = False
        while not self._led and self._followers:
            follower = self._followers.popleft()
            if follower.gate is not None and follower.packet is None:
                follower.wake()
                return

    def _receive(self, seconds: float) -> None:
        """Read once, for at most so many seconds; the reader alone calls this."""
        try:
            self._incoming.settimeout(seconds)
            data = self._incoming.recv(CHUNK)
            if not data:
                self._lose(f"The gateway at {self.options.address} closed the connection.")
                return
            with self._lock:
                for ticket, packet in self._core.receive(data):
                    wait = self._waiting.pop(ticket, None)
                    if wait is not None:
                        wait.packet = packet
                        wait.wake()
        except (TimeoutError, BlockingIOError):
            return
        except (OSError, ProtocolError) as error:
            self._lose(f"The gateway at {self.options.address} cannot be understood: {error}.")
        except BaseException:
            # Between two packets, or within one: what follows could not be told apart.
            self._lose("The connection was closed: reading was interrupted.")
            raise

    def _watch(self) -> None:
        while not self._ended.wait(TICK_SECONDS):
            with self._lock:
                leading = not self._led
                self._led = True
            if leading:
                self._receive(0.0)
                with self._lock:
                    self._pass_on(leading=True)
            try:
                sign = self._core.tick()
                if sign is not None:
                    self._send(sign, time.monotonic() + self.options.timeout)
            except ConnectionLost as error:
                self._lose(str(error))
        # Whoever leads wakes on the shutdown, and leaves.
        while self._led:
            time.sleep(0.001)
        self._close_sockets()

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

    def _close_sockets(self) -> None:
        with self._send_lock:
            self._socket.close()
        self._incoming.close()
