"""Computes answers: in the event loop if memory has the data, otherwise in the worker pool. Identical
questions asked meanwhile share one computation."""

import asyncio
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

from qotgate.gateway.answer_cache import AnswerCache, CachedAnswer, RequestKey
from qotgate.gateway.counts import Counts
from qotgate.gateway.interfaces import Interface
from qotgate.gateway.session import Session
from qotgate.gateway.worker_pool import Job, WorkerPool
from qotgate.protocol.body import encode
from qotgate.protocol.frame import seal
from qotgate.protocol.messages import ProtoId
from qotgate.service.columns.source import NotAtHand
from qotgate.service.questions import Questions

AT_HAND_SECONDS = 0.002
"""Time in one turn of the loop after which questions that memory can answer go to the pool too, in
seconds."""


class WorkItem(NamedTuple):
    """A request to be computed: its interface, the format of its body, its C2S, its key in the cache, and the
    interface whose allowance it counts towards (None for none)."""

    proto_id: ProtoId
    interface: Interface
    body_format: int
    c2s: Any
    request: RequestKey
    counted: ProtoId | None


class Work:
    """Computes answers and caches them; ``counts`` gets the seconds that each takes."""

    def __init__(self, cache: AnswerCache, counts: Counts) -> None:
        self._cache = cache
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._jobs: dict[RequestKey, tuple[int, Job]] = {}
        self._pool = WorkerPool()
        self._turn = -1.0
        self._turn_seconds = 0.0
        """Seconds of this turn of the loop spent on questions that memory answers."""
        self._columns_epoch = -1
        """The epoch of the columns at the cache's last check because of them."""

    def stop(self) -> None:
        """Drop the jobs that have not started."""
        self._pool.stop()

    def at_hand(self, question: WorkItem, questions: Questions) -> bytes | None:
        """The sealed answer to a question that memory answers at once, faster than a thread could. None if
        the question needs the pool, or if this turn of the loop has answered enough of them. Raises
        Refused."""
        now, interface, in_memory = self._loop.time(), question.interface, questions.at_hand()
        if now != self._turn:
            self._turn, self._turn_seconds = now, 0.0
        if in_memory is None or self._turn_seconds >= AT_HAND_SECONDS or not interface.lasts:
            return None
        epoch, started = self._cache.epoch, perf_counter()
        try:
            sealed = _work_out(question, in_memory)
        except NotAtHand:
            return None
        finally:
            seconds = perf_counter() - started
            self._turn_seconds += seconds
        self._counts.worked(question.proto_id, seconds)
        columns = questions.columns
        if columns is not None and columns.epoch != self._columns_epoch:
            # Columns read again may be newer than the cached answers.
            self._columns_epoch = columns.epoch
            self._cache.check(now)
        self._cache.keep(question.request, CachedAnswer(sealed, question.counted), epoch)
        return sealed

    def put(self, question: WorkItem, questions: Questions, session: Session) -> "asyncio.Future[bytes]":
        """Have the pool compute an answer. Returns the future of the sealed answer, which identical questions
        share."""
        epoch = self._cache.epoch
        job_epoch, job = self._jobs.get(question.request, (None, None))
        # The pool cancels a job when its turn comes if no session waits for it any more.
        if job is not None and job_epoch == epoch and not job.future.cancelled():
            job.askers.append(session)
            if not job.started:
                self._pool.put(job, session)
            return job.future
        job = Job(partial(_work_out, question, questions), session)
        put_at, proto_id = self._loop.time(), question.proto_id
        job.future.add_done_callback(lambda _done: self._counts.worked(proto_id, self._loop.time() - put_at))
        if question.interface.lasts:
            self._jobs[question.request] = epoch, job
            job.future.add_done_callback(partial(self._keep, question, epoch))
        self._pool.put(job, session)
        return job.future

    def _keep(self, question: WorkItem, epoch: int, done: "asyncio.Future[bytes]") -> None:
        request = question.request
        if self._jobs.get(request, (None,))[0] == epoch:
            del self._jobs[request]
        self._cache.check(self._loop.time())
        if not done.cancelled() and done.exception() is None:
            self._cache.keep(request, CachedAnswer(done.result(), question.counted), epoch)


def _work_out(question: WorkItem, questions: Questions) -> bytes:
    return seal(encode(question.interface.answer(questions, question.c2s), question.body_format))
