"""A link to a gateway: a connection that is restored when lost.

Questions only read data, so a question pending on a lost connection is sent again. The wait between attempts
to connect grows to some seconds; a question's own timeout ends the attempts.
"""

import logging
import os
import time
import weakref
from collections.abc import Sequence
from dataclasses import replace
from threading import Event, RLock
from typing import Any, TypeVar

from qotgate.client.connection import LEAST_SECONDS, Connection, Outgoing
from qotgate.client.core import ClientOptions
from qotgate.client.errors import ConnectionLost, NoGateway
from qotgate.client.questions import Batch, Question

T = TypeVar("T")
BACK_OFF = 0.05
BACK_OFF_MOST = 2.0
"""The shortest and the longest time between two attempts, in seconds."""
CLOSED = "The client was closed."
WAITS = (
    "The allowance of the gateway at %s is used up, and this call waits for it, %.1f s at first. "
    "The option --rate-limit of `qotgate serve` sets it."
)
log = logging.getLogger("qotgate.client")


class Link:
    """A connection to the gateway of ``options``, made at first use. Any thread may use it. A child process
    gets its own connection after a fork."""

    def __init__(self, options: ClientOptions, *, daemon: bool = True) -> None:
        self.options = options
        self._daemon = daemon
        self._lock = RLock()
        self._connection: Connection | None = None
        self._closed = Event()
        self._told = False
        _LINKS.add(self)

    def connect(self) -> None:
        """Connect now, once. Raises ConnectionLost, and QotGateError if the key cannot be read."""
        self._connected(self.options.connect_timeout)

    def close(self) -> None:
        """Close; later questions raise ConnectionLost."""
        self._closed.set()
        connection = self._connection
        if connection is not None:
            connection.close()

    def pause(self, seconds: float) -> None:
        """Wait. Raises ConnectionLost if the link is closed meanwhile."""
        if self._closed.wait(seconds):
            raise ConnectionLost(CLOSED)

    def wait(self, seconds: float) -> None:
        """Wait for the allowance, with a message the first time. Raises as :meth:`pause`."""
        if not self._told:
            self._told = True
            log.warning(WAITS, self.options.address, seconds)
        self.pause(seconds)

    def response(self, question: Question[Any], patience: float | None = None) -> Any:
        """The gateway's Response; a lost connection is retried for ``patience`` seconds (by default the
        timeout of an answer). Raises ConnectionLost, Timeout and ProtocolError."""
        return self._repeat([(question.proto_id, question.request)], patience)[0]

    def ask(self, question: Question[T]) -> T:
        """The answer. Raises the errors of :meth:`response` and of :meth:`Question.answer`."""
        return question.answer(self.response(question))

    def ask_all(self, questions: Sequence[Question[T]]) -> list[T]:
        """The answers to many questions, sent together; waits when the allowance is used up.

        Raises as :meth:`ask`.
        """
        batch = Batch(questions)
        while sent := batch.send():
            wait = batch.receive(self._repeat([(question.proto_id, question.request) for question in sent]))
            if wait:
                self.wait(wait)
        return batch.answers()

    def _repeat(self, requests: Sequence[Outgoing], patience: float | None = None) -> list[Any]:
        """Ask on a connection, and on another one if it is lost, until time is up. The time restarts if a
        lost connection had brought answers."""
        timeout = self.options.timeout
        patience = timeout if patience is None else patience
        responses: list[Any] = []
        done = -1
        back_off = BACK_OFF
        reason: ConnectionLost | None = None
        while True:
            if len(responses) > done:
                done, back_off, reason = len(responses), BACK_OFF, None
                deadline = time.monotonic() + timeout
                until = time.monotonic() + min(patience, timeout)
            try:
                connection = self._connected(until - time.monotonic())
                connection.ask(requests[done:], responses, deadline, timeout)
            except ConnectionLost as error:
                left = until - time.monotonic()
                # No gateway was ever there, so do not wait for it to return.
                never = isinstance(error, NoGateway) and self._connection is None
                if never or (left <= 0 and len(responses) == done):
                    if reason is not None:
                        # The end of the time cuts the last attempt short; the one before it says more.
                        raise reason from error
                    raise
                reason = error
                self.pause(min(back_off, max(left, 0.0)))
                back_off = min(2 * back_off, BACK_OFF_MOST)
            else:
                return responses

    def _connected(self, seconds: float) -> Connection:
        connection = self._connection
        if connection is not None and not connection.lost and not self._closed.is_set():
            return connection
        try:
            # Other threads wait here while one connects, no longer than their own questions may take.
            if not self._lock.acquire(timeout=max(seconds, LEAST_SECONDS)):
                raise ConnectionLost(f"The gateway at {self.options.address} cannot be reached in time.")
            if self._closed.is_set():
                raise ConnectionLost(CLOSED)
            if self._connection is None or self._connection.lost:
                limit = min(max(seconds, LEAST_SECONDS), self.options.connect_timeout)
                options = replace(self.options, connect_timeout=limit)
                self._connection = Connection(options, daemon=self._daemon)
            if self._closed.is_set():
                self._connection.close()
                raise ConnectionLost(CLOSED)
            return self._connection
        finally:
            # An interrupt may come right after the lock was taken. The lock knows whether this thread has it.
            try:  # noqa: SIM105 - a call before the release would let an interrupt in
                self._lock.release()
            except RuntimeError:
                pass

    def leave_parent(self) -> None:
        """Start over in a child process: the connection and the holder of the lock belong to the parent."""
        self._lock = RLock()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()


_LINKS: "weakref.WeakSet[Link]" = weakref.WeakSet()


def _leave_parents() -> None:
    for link in list(_LINKS):
        link.leave_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_parents)
