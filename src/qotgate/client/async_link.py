"""The asyncio shell: one connection for any number of tasks of one event loop, made anew when it is lost.

What the tasks of one turn of the loop send goes out in one write. The rules of :mod:`qotgate.client.link`
apply: what was under way when the connection went is asked again, until a question's time is up.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar, cast

from qotgate.client.connection import TICK_SECONDS, Requests
from qotgate.client.core import ClientCore, ClientOptions, Ticket
from qotgate.client.errors import ConnectionLost, Timeout
from qotgate.client.link import BACK_OFF, BACK_OFF_MOST, CLOSED
from qotgate.client.questions import Batch, Question
from qotgate.model import ProtocolError
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
        """Connect. Raises ConnectionLost, and QotGateError where the key cannot be read."""
        connection = cls(options)
        try:
            await connection._loop.create_connection(lambda: connection, options.host, options.port)
            connection._core.start((await connection._exchange([connection._core.init_connect()]))[0])
        except (OSError, UnicodeError, ProtocolError) as error:
            await connection.close()
            if isinstance(error, ConnectionLost):
                raise
            reason = getattr(error, "strerror", None) or error
            raise ConnectionLost(f"No gateway answers at {options.address}: {reason}.") from error
        except BaseException:
            connection.abort()
            raise
        connection._tick()
        return connection

    async def ask(self, requests: Requests) -> list[Any]:
        """Send requests together and wait for their Responses, in the same order.

        Raises ConnectionLost and ProtocolError; may be cancelled.
        """
        await self._writable.wait()
        packets = await self._exchange(
            [self._core.request(proto_id, request) for proto_id, request in requests]
        )
        return [self._core.open(packet) for packet in packets]

    async def close(self) -> None:
        """Close, and fail what is under way."""
        self._lose(CLOSED)
        if self._transport is not None:
            await asyncio.shield(self._closed)

    def abort(self) -> None:
        """Close at once, and do not wait for it."""
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

    async def _exchange(self, messages: Sequence[tuple[Ticket, bytes]]) -> list[Packet]:
        if self.lost is not None:
            raise ConnectionLost(self.lost)
        futures = []
        for ticket, data in messages:
            self._waiting[ticket] = future = self._loop.create_future()
            futures.append(future)
            self._write(data)
        try:
            return [await future for future in futures]
        finally:
            for ticket, _ in messages:
                future = self._waiting.pop(ticket)
                # An exception that nobody is left to read is none.
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
    """A connection to the gateway of ``options``, made when it is first needed, for one event loop."""

    def __init__(self, options: ClientOptions) -> None:
        self.options = options
        self._lock = asyncio.Lock()
        self._connection: AsyncConnection | None = None
        self._closed = False

    async def connect(self) -> None:
        """Connect now, once. Raises ConnectionLost, and QotGateError where the key cannot be read."""
        try:
            async with asyncio.timeout(self.options.connect_timeout):
                await self._connected()
        except TimeoutError as error:
            raise ConnectionLost(f"Nothing at {self.options.address} answers InitConnect.") from error

    async def close(self) -> None:
        """Close; later questions raise ConnectionLost."""
        self._closed = True
        if self._connection is not None:
            await self._connection.close()

    async def ask(self, question: Question[T]) -> T:
        """The answer. Raises ConnectionLost, Timeout, ProtocolError and what :meth:`Question.answer` does."""
        responses = await self._repeat([(question.proto_id, question.request)])
        return question.answer(responses[0])

    async def ask_all(self, questions: Sequence[Question[T]]) -> list[T]:
        """The answers to many questions, sent together; waits where the allowance wants it.

        Raises what :meth:`ask` does.
        """
        batch = Batch(questions)
        while sent := batch.send():
            responses = await self._repeat([(question.proto_id, question.request) for question in sent])
            await asyncio.sleep(batch.take(responses))
        return batch.answers()

    async def _repeat(self, requests: Requests) -> list[Any]:
        """Ask on a connection, and again on another one where it is lost, until time is up."""
        back_off = BACK_OFF
        lost: ConnectionLost | None = None
        try:
            async with asyncio.timeout(self.options.timeout):
                while True:
                    try:
                        return await (await self._connected()).ask(requests)
                    except ConnectionLost as error:
                        if self._closed:
                            raise
                        lost = error
                    await asyncio.sleep(back_off)
                    back_off = min(2 * back_off, BACK_OFF_MOST)
        except TimeoutError as error:
            if lost is not None:
                raise lost from None
            raise Timeout(f"The gateway at {self.options.address} did not answer in time.") from error

    async def _connected(self) -> AsyncConnection:
        connection = self._connection
        if connection is not None and connection.lost is None:
            return connection
        async with self._lock:
            if self._closed:
                raise ConnectionLost(CLOSED)
            if self._connection is None or self._connection.lost is not None:
                self._connection = await AsyncConnection.open(self.options)
            return self._connection
