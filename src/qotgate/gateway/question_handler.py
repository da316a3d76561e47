"""Requests for the interfaces that the gateway answers itself: from the cache, from memory, or by the worker
pool."""

import asyncio
from functools import partial

from qotgate.gateway.allowance import WireAllowance
from qotgate.gateway.answer_cache import AnswerCache, CachedAnswer, RequestKey
from qotgate.gateway.interfaces import INTERFACES
from qotgate.gateway.options import GatewayOptions
from qotgate.gateway.replies import Replies
from qotgate.gateway.request_log import Pending, log_request
from qotgate.gateway.session import Session, State
from qotgate.gateway.work import Work, WorkItem
from qotgate.model import Language
from qotgate.protocol.body import decode_request
from qotgate.protocol.frame import Frame, lead, seal
from qotgate.protocol.messages import ProtoId
from qotgate.service.questions import Questions

REPLY_PARTS = 3
"""Parts of a pending answer: the bytes before the serial number, the number, and the rest."""


class QuestionHandler:
    """Answers from ``questions``, within the ``allowance``."""

    def __init__(self, questions: Questions, allowance: WireAllowance, replies: Replies) -> None:
        self.questions = questions
        self.allowance = allowance
        self._in_languages: dict[Language, Questions] = {}
        self._replies = replies
        self._loop = asyncio.get_running_loop()
        self._watch = questions.store.watch()
        self.cache = AnswerCache(self._moved)
        self._work = Work(self.cache, replies.counts)

    def close(self) -> None:
        """Drop the questions that wait for the worker pool, which get no answer."""
        self._work.stop()
        self._watch.close()

    def change(self, options: GatewayOptions, questions: Questions) -> None:
        """Apply new options. Requests granted so far count towards the new limit."""
        self.questions = questions
        self._in_languages.clear()
        self.cache.forget()
        self.allowance.change(options)

    def log_data(self) -> None:
        """Log a change of the data."""
        self.cache.check(self._loop.time())
        self._replies.data_log.look(self.questions.store, self.cache.epoch)

    def see_commits(self, now: float) -> None:
        """Drop the cached answers if the data has changed; checked once in each turn of the loop, whose time
        is ``now``. A carrier calls it before it has packets answered."""
        if now != self.cache.checked:
            self.cache.check(now)

    def _moved(self) -> bool:
        moved = self._watch.moved()
        if moved and self.questions.columns is not None:
            # Otherwise they would be used without checking for commits.
            self.questions.columns.expire()
        return moved

    def answer_kept(
        self, data: bytes, position: int, end: int, replies: list[bytes], session: Session
    ) -> int:
        """Answer the plain packets in ``data`` from the cache, as :meth:`AnswerCache.reply` does."""
        if session.state is not State.OPEN or self._replies.options.log_requests:
            return position
        if session.lang is not None and self._is_varied(session):
            return position
        before = len(replies)
        position = self.cache.reply(data, position, end, replies, self.allowance.over_limit(session))
        if len(replies) > before:
            self._replies.counts.kept(replies[before::REPLY_PARTS])
        return position

    def ask(self, pending: Pending, proto_id: ProtoId) -> bytes | None:
        """The sealed answer; None if the session gets it later. Raises Refused."""
        frame, session, *_ = pending
        request = self._key(frame, session)
        kept, c2s = self.cache.find(request), None
        if kept is not None:
            counted = kept.counted
        else:
            c2s = decode_request(proto_id, frame.body, frame.body_format).c2s
            counted = proto_id if self.allowance.counts(session, proto_id, c2s) else None
        if counted is not None:
            if self.allowance.elsewhere:
                self._later(pending, self._loop.create_task(self._ask_granted(pending, request)))
                return None
            self.allowance.count(session, counted)
        if kept is not None:
            self._replies.counts.kept((request.lead,))
            return kept.sealed
        question = WorkItem(proto_id, INTERFACES[proto_id], frame.body_format, c2s, request, counted)
        questions = self._questions_of(session)
        sealed = self._at_hand(question, questions)
        if sealed is None:
            self._later(pending, self._work.put(question, questions, session))
        else:
            self._replies.counts.answered(proto_id)
        return sealed

    async def _ask_granted(self, pending: Pending, request: RequestKey) -> bytes | CachedAnswer:
        """Ask the limit backend, then answer the question."""
        frame = pending.frame
        proto_id = ProtoId(frame.proto_id)
        await self.allowance.count_elsewhere(proto_id)
        # The data, and with it a cached answer, may have changed meanwhile.
        self.see_commits(self._loop.time())
        kept = self.cache.find(request)
        if kept is not None:
            return kept
        c2s = decode_request(proto_id, frame.body, frame.body_format).c2s
        question = WorkItem(proto_id, INTERFACES[proto_id], frame.body_format, c2s, request, proto_id)
        questions = self._questions_of(pending.session)
        sealed = self._at_hand(question, questions)
        if sealed is not None:
            return sealed
        return await self._work.put(question, questions, pending.session)

    def _is_varied(self, session: Session) -> bool:
        """Whether a client gets names in another language than the gateway's default."""
        return session.lang not in (None, self.questions.lang)

    def _questions_of(self, session: Session) -> Questions:
        """The questions, with names in the client's language."""
        lang = session.lang or self.questions.lang
        if lang == self.questions.lang:
            return self.questions
        if lang not in self._in_languages:
            self._in_languages[lang] = self.questions.varied(lang=lang)
        return self._in_languages[lang]

    def _key(self, frame: Frame, session: Session) -> RequestKey:
        """The cache key of a request; a request in another language has another key."""
        rest = seal(frame.body)
        if self._is_varied(session):
            rest += f"{session.lang}".encode()
        return RequestKey(lead(frame.proto_id, frame.body_format), rest)

    def _at_hand(self, question: WorkItem, questions: Questions) -> bytes | None:
        # The request log calls every answer given at once a cached one.
        return None if self._replies.options.log_requests else self._work.at_hand(question, questions)

    def _later(
        self, pending: Pending, future: "asyncio.Future[bytes] | asyncio.Future[bytes | CachedAnswer]"
    ) -> None:
        pending.session.under_way += 1
        future.add_done_callback(partial(self._settle, pending))

    def _settle(self, pending: Pending, done: "asyncio.Future[bytes | CachedAnswer]") -> None:
        """Deliver the answer to a pending question."""
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is not None:
            sealed = self._replies.failed(pending, error)
        else:
            result, frame = done.result(), pending.frame
            kept = isinstance(result, CachedAnswer)
            if isinstance(result, CachedAnswer):
                sealed = result.sealed
                self._replies.counts.kept((lead(frame.proto_id, frame.body_format),))
            else:
                sealed = result
                self._replies.counts.answered(frame.proto_id)
            log_request(self._replies.options, pending, "kept" if kept else "answered")
        self._replies.deliver(pending, sealed)
