"""Fairness: many requests of one client do not delay another client's answer."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from qotgate.gateway import Gateway, GatewayOptions
from qotgate.gateway.answer_cache import CachedAnswer, RequestKey
from qotgate.gateway.session import MAX_UNDER_WAY, Session, State
from qotgate.gateway.tcp import STEP_BYTES, TURN_BYTES, TURN_REPLY_BYTES, TcpSession
from qotgate.gateway.worker_pool import THREADS, Job, WorkerPool
from qotgate.protocol.body import encode
from qotgate.protocol.frame import Frame, FrameParser, lead, seal
from qotgate.protocol.messages import REQUESTS, ProtoId
from qotgate.service.questions import Questions
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.support.transport import Transport

PACKET = Frame(3424, 0, 7, b"one").encode()
PIPELINED = 10_000
SHARE = TURN_BYTES // len(PACKET) + 1


@pytest.fixture
def questions(sample_url: str, reference: Reference) -> Iterator[Questions]:
    store = Store.open(sample_url)
    yield Questions(store, reference)
    store.close()


def connect(gateway: Gateway) -> tuple[TcpSession, Transport]:
    session, transport = TcpSession(gateway.tcp), Transport()
    transport.session = session
    session.connection_made(transport)
    session.state = State.OPEN
    return session, transport


def with_a_known_answer(questions: Questions) -> Gateway:
    gateway = Gateway(questions, GatewayOptions(rate_limit=None))
    gateway.engine.cache.keep(
        RequestKey(lead(3424, 0), seal(b"one")), CachedAnswer(seal(b"1"), None), gateway.engine.cache.epoch
    )
    return gateway


def test_ten_thousand_at_once_take_turns_with_one(questions: Questions) -> None:
    async def scenario() -> None:
        gateway = with_a_known_answer(questions)
        greedy, flood = connect(gateway)
        patient, quiet = connect(gateway)
        greedy.data_received(PACKET * PIPELINED)
        assert not flood.reading
        for turn in range(1, PIPELINED // SHARE):
            assert flood.answers() <= turn * SHARE
            patient.data_received(PACKET)
            assert quiet.answers() == turn
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        assert flood.answers() == PIPELINED
        assert flood.reading
        await gateway.stop()

    asyncio.run(scenario())


def test_a_client_that_does_not_read_is_answered_no_further(questions: Questions) -> None:
    async def scenario() -> None:
        gateway = with_a_known_answer(questions)
        session, transport = connect(gateway)
        transport.full = True
        session.data_received(PACKET * PIPELINED)
        for _ in range(50):
            await asyncio.sleep(0)
        assert transport.answers() <= SHARE
        transport.full = False
        session.resume_writing()
        for _ in range(100):
            await asyncio.sleep(0)
        assert transport.answers() == PIPELINED
        await gateway.stop()

    asyncio.run(scenario())


def test_long_answers_end_a_turn_as_well(questions: Questions) -> None:
    async def scenario() -> None:
        gateway = Gateway(questions, GatewayOptions(rate_limit=None))
        sealed = seal(bytes(35_000))
        gateway.engine.cache.keep(
            RequestKey(lead(3424, 0), seal(b"one")), CachedAnswer(sealed, None), gateway.engine.cache.epoch
        )
        session, transport = connect(gateway)
        transport.full = True
        session.data_received(PACKET * 1000)
        for _ in range(50):
            await asyncio.sleep(0)
        step = (STEP_BYTES // len(PACKET) + 1) * (len(sealed) + 12)
        assert 0 < len(transport.written) <= TURN_REPLY_BYTES + step
        transport.full = False
        session.resume_writing()
        while transport.answers() < 1000:
            await asyncio.sleep(0)
        await gateway.stop()

    asyncio.run(scenario())


def test_a_client_that_reads_slowly_is_not_silent(questions: Questions) -> None:
    async def scenario() -> None:
        gateway = with_a_known_answer(questions)
        session, transport = connect(gateway)
        transport.full = True
        session.data_received(PACKET * PIPELINED)
        session.last_received = 0.0
        session.resume_writing()
        assert session.last_received == pytest.approx(gateway.loop.time(), abs=60)
        assert not transport.reading
        await gateway.stop()

    asyncio.run(scenario())


def test_who_joins_a_question_gets_it_in_the_own_turn(questions: Questions) -> None:
    async def scenario() -> None:
        gateway = Gateway(questions, GatewayOptions(rate_limit=None))
        greedy, patient = connect(gateway)[0], connect(gateway)[0]
        pool, go, order = WorkerPool(), threading.Event(), []

        def question(name: int) -> Job:
            def work() -> bytes:
                go.wait(10)
                order.append(name)
                return b""

            return Job(work, greedy)

        asked = [question(number) for number in range(200)]
        for one in asked:
            pool.put(one, greedy)
        asked[-1].askers.append(patient)
        pool.put(asked[-1], patient)
        go.set()
        await asyncio.gather(*(one.future for one in asked))
        assert order.index(199) <= 2 * THREADS
        assert sorted(order) == list(range(200))
        pool.stop()
        await gateway.stop()

    asyncio.run(scenario())


def test_questions_under_way_are_bounded_and_all_answered(questions: Questions) -> None:
    async def scenario() -> None:
        gateway = Gateway(questions, GatewayOptions(rate_limit=None))
        session, transport = connect(gateway)
        wanted = MAX_UNDER_WAY * 3
        bodies = (
            encode(
                REQUESTS[ProtoId.Qot_GetArkStockDynamic](c2s={"security": {"market": 11, "code": f"X{n}"}}), 0
            )
            for n in range(wanted)
        )
        session.data_received(b"".join(Frame(3424, 0, n, body).encode() for n, body in enumerate(bodies)))
        while transport.answers() < wanted:
            assert session.under_way <= MAX_UNDER_WAY
            await asyncio.sleep(0.01)
        serials = {packet.serial for packet in FrameParser().feed(bytes(transport.written))}
        assert serials == set(range(wanted))
        await gateway.stop()

    asyncio.run(scenario())


def test_the_threads_take_sessions_in_turn(questions: Questions) -> None:
    async def scenario() -> None:
        gateway = Gateway(questions, GatewayOptions(rate_limit=None))
        greedy, patient = connect(gateway)[0], connect(gateway)[0]
        pool, go, order = WorkerPool(), threading.Event(), []

        def put(asker: Session, name: str) -> asyncio.Future[bytes]:
            def work() -> bytes:
                go.wait(10)
                order.append(name)
                return b""

            job = Job(work, asker)
            pool.put(job, asker)
            return job.future

        futures = [put(greedy, "greedy") for _ in range(200)]
        futures.append(put(patient, "patient"))
        go.set()
        await asyncio.gather(*futures)
        # Those already in the threads, at most one more of each client, and then its own.
        assert order.index("patient") <= 2 * THREADS
        assert len(order) == 201
        pool.stop()
        await gateway.stop()

    asyncio.run(scenario())


def test_what_a_client_that_left_asked_for_is_not_worked_out(questions: Questions) -> None:
    async def scenario() -> None:
        gateway = Gateway(questions, GatewayOptions(rate_limit=None))
        gone, stays = connect(gateway)[0], connect(gateway)[0]
        pool, go, worked = WorkerPool(), threading.Event(), []

        def work() -> bytes:
            go.wait(10)
            worked.append(1)
            return b""

        asked = [Job(work, gone) for _ in range(100)]
        asked[50].askers.append(stays)
        for question in asked:
            pool.put(question, gone)
        gone.connection_lost(None)
        go.set()
        await asyncio.wait([question.future for question in asked])
        assert len(worked) == THREADS + 1
        assert asked[50].future.result() == b""
        pool.stop()
        await gateway.stop()

    asyncio.run(scenario())
