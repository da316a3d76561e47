"""Questions in a few threads, with sessions in turn: a session with a thousand questions does not delay a
session with one."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from qotgate.gateway.session import Session, State

THREADS = 2
"""Work is bound by the GIL; more than two threads delay the event loop and answer nothing sooner."""


class Job:
    """A pending question: its work, the future of the sealed answer, and the sessions that wait for it."""

    __slots__ = ("askers", "future", "started", "work")

    def __init__(self, work: Callable[[], bytes], asker: Session) -> None:
        self.work = work
        self.askers = [asker]
        self.started = False
        self.future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()


class WorkerPool:
    """Computes answers; the questions of one session run in the order of their arrival."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "question")
        self._free = THREADS
        self._queues: dict[Session, deque[Job]] = {}

    def put(self, job: Job, asker: Session) -> None:
        """Run a job when the turn of one of its askers comes, whichever is first."""
        self._queues.setdefault(asker, deque()).append(job)
        self._start()

    def stop(self) -> None:
        """Drop the jobs that have not started."""
        self._queues.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        while self._free and self._queues:
            session = next(iter(self._queues))
            jobs = self._queues.pop(session)
            job = jobs.popleft()
            if jobs:
                self._queues[session] = jobs
            if job.started or job.future.cancelled():
                continue
            if all(asker.state is State.ENDED for asker in job.askers):
                job.future.cancel()
                continue
            job.started = True
            self._free -= 1
            running = asyncio.get_running_loop().run_in_executor(self._threads, job.work)
            running.add_done_callback(partial(self._done, job))

    def _done(self, job: Job, done: "asyncio.Future[bytes]") -> None:
        self._free += 1
        if done.cancelled():
            job.future.cancel()
        elif error := done.exception():
            job.future.set_exception(error)
        else:
            job.future.set_result(done.result())
        self._start()
