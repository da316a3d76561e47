"""Questions in a few threads, the sessions in turn: who asks a thousand does not hold up who asks one. And
turns with the private key."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qotgate.gateway.session import Session

THREADS = 2
"""They wait for the disk, else for one another: with more, the event loop waits for its turn among them, and
nothing is answered sooner."""


class KeyTurns:
    """The private key, once in a turn of the event loop: its work is long, and others are served between."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def wait(self, use: Callable[[], None]) -> None:
        """Have ``use`` called when its turn comes."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._next)
        self._waiting.append(use)

    def _next(self) -> None:
        try:
            self._waiting[0]()
        finally:
            self._waiting.popleft()
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._next)


class Question:
    """A question under way: what works it out, the future of the sealed answer, and who waits for it."""

    __slots__ = ("askers", "future", "started", "work")

    def __init__(self, work: Callable[[], bytes], asker: "Session") -> None:
        self.work = work
        self.askers = [asker]
        self.started = False
        self.future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()


class Turns:
    """Works questions out, a session's own in the order of asking."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "question")
        self._free = THREADS
        self._waiting: dict[Session, deque[Question]] = {}

    def put(self, question: Question, asker: "Session") -> None:
        """Work a question out when the turn of one of its askers comes, whosever is the first."""
        self._waiting.setdefault(asker, deque()).append(question)
        self._start()

    def stop(self) -> None:
        """Leave what was not started."""
        self._waiting.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        while self._free and self._waiting:
            session = next(iter(self._waiting))
            questions = self._waiting.pop(session)
            question = questions.popleft()
            if questions:
                self._waiting[session] = questions
            if question.started or question.future.cancelled():
                continue
            if all(asker.ended for asker in question.askers):
                question.future.cancel()
                continue
            question.started = True
            self._free -= 1
            running = asyncio.get_running_loop().run_in_executor(self._threads, question.work)
            running.add_done_callback(partial(self._done, question))

    def _done(self, question: Question, done: "asyncio.Future[bytes]") -> None:
        self._free += 1
        if done.cancelled():
            question.future.cancel()
        elif error := done.exception():
            question.future.set_exception(error)
        else:
            question.future.set_result(done.result())
        self._start()
