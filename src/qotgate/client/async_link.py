"""The asyncio shell: one connection for any number of tasks of one event loop, reconnected when lost.

The requests that tasks send in one turn of the loop go out in one write. The rules of
:mod:`qotgate.client.link` apply: requests pending on a lost connection are sent again, until a question's
time is up.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, TypeVar, cast

from qotgate.client.connection import LEAST_SECONDS, TICK_SECONDS, WINDOW, Outgoing
from qotgate.client.core import ClientCore, ClientOptions, Ticket
from qotgate.client.errors import ConnectionLost, NoGateway, Timeout, no_gateway
from qotgate.client.link import BACK_OFF, BACK_OFF_MOST, CLOSED, WAITS, log
from qotgate.client.questions import Batch, Question
from qotgate.model import ProtocolError, QotGateError
from qotgate.protocol.frame import Packet

T = TypeVar("T")


class AsyncConnection(asyncio.Protocol):
    """One TCP connection to a gateway; :meth:`open` makes it."""

    def __init__(self, options: ClientOptions) -> None:
        self.options = options
        self.lost: str | None = None
        self._core = ClientCore(options)
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Ticket, asyncio.Future[Packet]] = {}
        self._outgoing: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._closed = self._loop.create_future()
        self._ticking: asyncio.TimerHandle | None = None

    @classmethod
    async def open(cls, options: ClientOptions) -> "AsyncConnection":
        """Connect. Raises ConnectionLost, and QotGateError if the key cannot be read."""
        connection = cls(options)
        try:
            await connection._loop.create_connection(lambda: connection, options.host, options.port)
            waits = connection._post([connection._core.init_connect()])
            connection._core.start(await waits[0][1])
            connection._forget(waits)
        except (OSError, UnicodeError, OverflowError, ProtocolError) as error:
            await connection.close()
            if isinstance(error, ConnectionLost):
                raise
            raise no_gateway(options.address, error) from error
        except BaseException:
            connection.abort()
            raise
        connection._tick()
        return connection

    async def ask(
        self, requests: Iterable[Outgoing], responses: list[Any], deadline: float, timeout: float
    ) -> None:
        """Send requests, at most a window of them ahead of their answers, and append their Responses in
        order.

        The first answers have to arrive by ``deadline`` (on the loop's clock), each later one within
        ``timeout`` seconds of its request. Raises ConnectionLost, TimeoutError and ProtocolError; may be
        cancelled.
        """
        unsent = iter(requests)
        under_way: deque[tuple[Ticket, asyncio.Future[Packet]]] = deque()
        try:
            async with asyncio.timeout_at(deadline) as limit:
                while True:
                    if len(under_way) <= WINDOW // 2:
                        await self._writable.wait()
                        chunk = [self._core.request(*request) for request in islice(unsent, WINDOW // 2)]
                        if chunk:
                            if under_way:
                                limit.reschedule(max(deadline, self._loop.time() + timeout))
                            under_way += self._post(chunk)
                            continue
                    if not under_way:
                        return
                    responses.append(self._core.open(await under_way[0][1]))
                    self._forget([under_way.popleft()])
        finally:
            self._forget(under_way)

    async def close(self) -> None:
        """Close, and fail pending requests."""
        self._lose(CLOSED)
        if self._transport is not None:
            await asyncio.shield(self._closed)

    def abort(self) -> None:
        """Close at once, without waiting."""
        self._lose(CLOSED)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self.lost is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            for ticket, packet in self._core.receive(data):
                future = self._waiting.get(ticket)
                if future is not None and not future.done():
                    future.set_result(packet)
        except ProtocolError as error:
            self._lose(f"The gateway at {self.options.address} cannot be understood: {error}.")

    def connection_lost(self, error: Exception | None) -> None:
        reason = f"cannot be reached: {error}" if error else "closed the connection"
        self._lose(f"The gateway at {self.options.address} {reason}.")
        if not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _post(
        self, messages: Sequence[tuple[Ticket, bytes]]
    ) -> list[tuple[Ticket, "asyncio.Future[Packet]"]]:
        """Send requests. Returns their waits."""
        if self.lost is not None:
            raise ConnectionLost(self.lost)
        waits = [(ticket, self._loop.create_future()) for ticket, _ in messages]
        self._waiting.update(waits)
        for _, data in messages:
            self._write(data)
        return waits

    def _forget(self, waits: "Iterable[tuple[Ticket, asyncio.Future[Packet]]]") -> None:
        """Drop finished waits: later answers are ignored, and so are exceptions that no task awaits."""
        for ticket, future in waits:
            self._waiting.pop(ticket, None)
            if future.done() and not future.cancelled():
                future.exception()

    def _write(self, data: bytes) -> None:
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(data)

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if self._transport is not None and self.lost is None:
            self._transport.write(b"".join(outgoing))

    def _tick(self) -> None:
        if self.lost is not None:
            return
        try:
            sign = self._core.tick()
        except ConnectionLost as error:
            self._lose(str(error))
            return
        if sign is not None:
            self._write(sign)
        self._ticking = self._loop.call_later(TICK_SECONDS, self._tick)

    def _lose(self, reason: str) -> None:
        if self.lost is not None:
            return
        self.lost = reason
        self._writable.set()
        if self._ticking is not None:
            self._ticking.cancel()
        if self._transport is not None:
            self._transport.abort()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionLost(reason))


class AsyncLink:
    """A connection to the gateway of ``options``, made at first use, for one event loop; for another loop
    once that loop has closed."""

    def __init__(self, options: ClientOptions) -> None:
        self.options = options
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()
        self._connection: AsyncConnection | None = None
        self._closed = asyncio.Event()
        self._told = False

    async def connect(self) -> None:
        """Connect now, once. Raises ConnectionLost, and QotGateError if the key cannot be read."""
        await self._connected(self._now() + self.options.connect_timeout)

    async def close(self) -> None:
        """Close; later questions raise ConnectionLost."""
        self._now()
        self._closed.set()
        if self._connection is not None:
            await self._connection.close()

    async def pause(self, seconds: float) -> None:
        """Wait. Raises ConnectionLost if the link is closed meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            return
        raise ConnectionLost(CLOSED)

    async def wait(self, seconds: float) -> None:
        """Wait for the allowance, with a message the first time. Raises as :meth:`pause`."""
        if not self._told:
            self._told = True
            log.warning(WAITS, self.options.address, seconds)
        await self.pause(seconds)

    async def ask(self, question: Question[T]) -> T:
        """The answer. Raises ConnectionLost, Timeout, ProtocolError and the errors of
        :meth:`Question.answer`."""
        responses = await self._repeat([(question.proto_id, question.request)])
        return question.answer(responses[0])

    async def ask_all(self, questions: Sequence[Question[T]]) -> list[T]:
        """The answers to many questions, sent together; waits when the allowance is used up.

        Raises as :meth:`ask`.
        """
        batch = Batch(questions)
        while sent := batch.send():
            responses = await self._repeat([(question.proto_id, question.request) for question in sent])
            wait = batch.receive(responses)
            if wait:
                await self.wait(wait)
        return batch.answers()

    async def _repeat(self, requests: Sequence[Outgoing]) -> list[Any]:
        """Ask on a connection, and on another one if it is lost, until time is up. The time restarts if a
        lost connection had brought answers."""
        timeout = self.options.timeout
        responses: list[Any] = []
        done = -1
        back_off = BACK_OFF
        reason: ConnectionLost | None = None
        while True:
            now = self._now()
            if len(responses) > done:
                done, back_off, reason, deadline = len(responses), BACK_OFF, None, now + timeout
            try:
                connection = await self._connected(deadline)
                await connection.ask(requests[done:], responses, deadline, timeout)
            except ConnectionLost as error:
                left = deadline - self._now()
                never = isinstance(error, NoGateway) and self._connection is None
                if never or (left <= 0 and len(responses) == done):
                    if reason is not None:
                        # As in qotgate.client.link.
                        raise reason from error
                    raise
                reason = error
                await self.pause(min(back_off, max(left, 0.0)))
                back_off = min(2 * back_off, BACK_OFF_MOST)
            except TimeoutError as error:
                raise Timeout(f"The gateway at {self.options.address} did not answer in time.") from error
            else:
                return responses

    async def _connected(self, deadline: float) -> AsyncConnection:
        connection = self._connection
        if connection is not None and connection.lost is None:
            return connection
        try:
            async with asyncio.timeout_at(max(deadline, self._now() + LEAST_SECONDS)), self._lock:
                if self._closed.is_set():
                    raise ConnectionLost(CLOSED)
                if self._connection is None or self._connection.lost is not None:
                    self._connection = await AsyncConnection.open(self.options)
                if self._closed.is_set():
                    await self._connection.close()
                    raise ConnectionLost(CLOSED)
                return self._connection
        except TimeoutError as error:
            raise ConnectionLost(f"Nothing at {self.options.address} answers InitConnect.") from error

    def _now(self) -> float:
        """The loop's time. Raises QotGateError in a loop other than the link's own."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None and not self._loop.is_closed():
                raise QotGateError("This client belongs to another event loop; make one for each loop.")
            if self._loop is not None:
                # Its lock and connection belong to the closed loop.
                self._lock, self._connection = asyncio.Lock(), None
            self._loop = loop
        return loop.time()
