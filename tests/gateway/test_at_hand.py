"""Questions that memory can answer are answered at once; the pool answers the others, and those beyond a
turn's share."""

from collections.abc import Iterator
from typing import Any

import pytest

from qotgate.gateway import work
from qotgate.gateway.worker_pool import Job, WorkerPool
from qotgate.protocol.messages import ProtoId
from qotgate.service.columns.cache import KINDS
from qotgate.service.columns.source import NotAtHand
from tests.support.in_process import InProcess, in_process
from tests.support.wire import Wire

TESLA = {"market": 11, "code": "TSLA"}
DAYS = [f"2026-06-{day:02}" for day in range(16, 23)]


@pytest.fixture
def pooled(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs submitted to the pool."""
    jobs: list[Job] = []
    put = WorkerPool.put

    def noted(self: WorkerPool, job: Job, asker: Any) -> None:
        jobs.append(job)
        put(self, job, asker)

    monkeypatch.setattr(WorkerPool, "put", noted)
    return jobs


@pytest.fixture
def gateway(sample_url: str) -> Iterator[InProcess]:
    with in_process(sample_url) as running:
        yield running


def ask(gateway: InProcess) -> list[Any]:
    with Wire(gateway.port) as wire:
        return [wire.ask(ProtoId.Qot_GetArkStockDynamic, security=TESLA, asOf=day) for day in DAYS]


def prepare(gateway: InProcess) -> None:
    columns = gateway.gateway.engine.questions.columns
    assert columns is not None
    for kind in KINDS:
        assert columns.prepared(kind) is not None


def test_memory_answers_without_a_thread_and_as_the_database_does(
    gateway: InProcess, pooled: list[Job]
) -> None:
    columns = gateway.gateway.engine.questions.columns
    assert columns is not None
    columns.change(0)
    before = ask(gateway)
    assert len(pooled) == len(DAYS)
    columns.change(1 << 20)
    prepare(gateway)
    engine = gateway.gateway.engine
    engine.loop.call_soon_threadsafe(engine.cache.forget)
    assert ask(gateway) == before
    assert len(pooled) == len(DAYS)
    counts = engine.counts
    assert counts.requests()["Qot_GetArkStockDynamic", "answered"] == 2 * len(DAYS)
    assert sum(counts.times()["Qot_GetArkStockDynamic"][0]) == 2 * len(DAYS)
    # They are cached, like all answers.
    assert ask(gateway) == before
    assert counts.requests()["Qot_GetArkStockDynamic", "kept"] == len(DAYS)


def test_a_refusal_from_memory_is_that_of_the_pool(gateway: InProcess, pooled: list[Job]) -> None:
    prepare(gateway)
    with Wire(gateway.port) as wire:
        answer = wire.ask(ProtoId.Qot_GetArkStockDynamic, security=TESLA, asOf="2014-01-01")
    assert (answer.retType, len(pooled)) == (-1, 0)
    assert "asOf" in answer.retMsg or "as_of" in answer.retMsg


def test_beyond_its_share_of_a_turn_the_pool_answers(
    gateway: InProcess, pooled: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "AT_HAND_SECONDS", 0.0)
    prepare(gateway)
    assert all(answer.retType == 0 for answer in ask(gateway))
    assert len(pooled) == len(DAYS)


def test_what_takes_the_database_is_never_answered_within_the_loop(gateway: InProcess) -> None:
    prepare(gateway)
    at_hand = gateway.gateway.engine.questions.at_hand()
    assert at_hand is not None
    for questions in (at_hand, at_hand.varied(lang="zh", funds=["ARKK"])):
        with pytest.raises(NotAtHand):
            _ = questions.store
