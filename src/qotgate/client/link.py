"""A link to a gateway: a connection that is made anew when it is lost.

All questions only read, so one that was under way when the connection went is asked again. Between attempts
to connect the wait grows, up to some seconds; a question's own time limit ends them all.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from threading import RLock
from typing import Any, TypeVar

from qotgate.client.connection import Connection, Requests
from qotgate.client.core import ClientOptions
from qotgate.client.errors import ConnectionLost
from qotgate.client.questions import Batch, Question

T = TypeVar("T")
BACK_OFF = 0.05
BACK_OFF_MOST = 2.0
"""The least and the longest time between two attempts, in seconds."""
CLOSED = "The client was closed."


class Link:
    """A connection to the gateway of ``options``, made when it is first needed. Any thread may use it, and
    a child process after a fork, which gets a connection of its own."""

    def __init__(self, options: ClientOptions, *, daemon: bool = True) -> None:
        self.options = options
        self._daemon = daemon
        self._lock = RLock()
        self._connection: Connection | None = None
        self._closed = False
        self._process = os.getpid()

    def connect(self) -> None:
        """Connect now, once. Raises ConnectionLost, and QotGateError where the key cannot be read."""
        self._connected(self.options.connect_timeout)

    def close(self) -> None:
        """Close; later questions raise ConnectionLost."""
        self._closed = True
        self._leave_parent()
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def response(self, question: Question[Any], patience: float | None = None) -> Any:
        """The gateway's Response; a lost connection is tried anew for ``patience`` seconds, as long as the
        answer may take unless told otherwise. Raises ConnectionLost, Timeout and ProtocolError."""
        return self._repeat([(question.proto_id, question.request)], patience)[0]

    def ask(self, question: Question[T]) -> T:
        """The answer. Raises those, and what :meth:`Question.answer` does."""
        return question.answer(self.response(question))

    def ask_all(self, questions: Sequence[Question[T]]) -> list[T]:
        """The answers to many questions, sent together; waits where the allowance wants it.

        Raises what :meth:`ask` does.
        """
        batch = Batch(questions)
        while sent := batch.send():
            responses = self._repeat([(question.proto_id, question.request) for question in sent])
            wait = batch.take(responses)
            if wait:
                time.sleep(wait)
        return batch.answers()

    def _repeat(self, requests: Requests, patience: float | None = None) -> list[Any]:
        """Ask on a connection, and again on another one where it is lost, until time is up."""
        until = time.monotonic() + (self.options.timeout if patience is None else patience)
        back_off = BACK_OFF
        while True:
            try:
                connection = self._connected(until - time.monotonic())
                return connection.ask(requests, self.options.timeout)
            except ConnectionLost:
                if self._closed or time.monotonic() + back_off >= until:
                    raise
            time.sleep(back_off)
            back_off = min(2 * back_off, BACK_OFF_MOST)

    def _connected(self, seconds: float) -> Connection:
        connection = self._connection
        if connection is not None and not connection.lost and self._process == os.getpid():
            return connection
        self._leave_parent()
        # Others wait here while one connects, no longer than their own questions may.
        if not self._lock.acquire(timeout=max(seconds, 0.0)):
            raise ConnectionLost(f"The gateway at {self.options.address} cannot be reached in time.")
        try:
            if self._closed:
                raise ConnectionLost(CLOSED)
            if self._connection is None or self._connection.lost:
                limit = min(seconds, self.options.connect_timeout)
                options = replace(self.options, connect_timeout=limit)
                self._connection = Connection(options, daemon=self._daemon)
            return self._connection
        finally:
            self._lock.release()

    def _leave_parent(self) -> None:
        """After a fork the connection is still the parent's, and so is whoever holds the lock."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._lock = RLock()
            self._connection = None
