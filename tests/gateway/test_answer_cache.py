"""Cached answers: only for equal requests, dropped when the data changes, and bounded in size."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from qotgate.gateway.answer_cache import AnswerCache, CachedAnswer, RequestKey
from qotgate.gateway.server import SWEEP_SECONDS
from qotgate.protocol.frame import Frame, lead, seal
from qotgate.protocol.messages import ProtoId
from qotgate.service.columns.trades import TradeColumns
from qotgate.service.loading import find_files, load
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.support.generations import DYNAMIC, GENERATIONS, ask_all, asking, bodies, files_of
from tests.support.in_process import in_process
from tests.support.paths import SAMPLE
from tests.support.serving import QOTGATE, Serving, serving_process, until
from tests.support.wire import Wire


class Data:
    moved = False

    def has_moved(self) -> bool:
        moved, self.moved = self.moved, False
        return moved


def request(body: bytes, proto_id: int = 3424) -> RequestKey:
    return RequestKey(lead(proto_id, 0), seal(body))


def kept(
    cache: AnswerCache, data: bytes, refuses: Callable[[ProtoId], bool] | None = None
) -> tuple[int, bytes]:
    replies: list[bytes] = []
    position = cache.reply(data, 0, len(data), replies, refuses)
    return position, b"".join(replies)


def test_a_known_packet_is_answered_as_it_would_be_packed() -> None:
    cache = AnswerCache(Data().has_moved)
    cache.keep(request(b"one"), CachedAnswer(seal(b"1"), None), cache.epoch)
    cache.keep(request(b"one", 3426), CachedAnswer(seal(b"other"), None), cache.epoch)
    packets = [Frame(3424, 0, 7, b"one"), Frame(3426, 0, 8, b"one"), Frame(3424, 0, 2**32 - 1, b"one")]
    stream = b"".join(packet.encode() for packet in packets)
    wanted = [Frame(3424, 0, 7, b"1"), Frame(3426, 0, 8, b"other"), Frame(3424, 0, 2**32 - 1, b"1")]
    assert kept(cache, stream) == (len(stream), b"".join(frame.encode() for frame in wanted))


@pytest.mark.parametrize("place", range(44 + 3))
def test_a_packet_that_differs_in_one_byte_is_not_known(place: int) -> None:
    cache = AnswerCache(Data().has_moved)
    cache.keep(request(b"one"), CachedAnswer(seal(b"1"), None), cache.epoch)
    packet = bytearray(Frame(3424, 0, 7, b"one").encode())
    packet[place] ^= 1
    serial = 8 <= place < 12
    assert kept(cache, bytes(packet))[0] == (len(packet) if serial else 0)


def test_a_packet_that_is_not_there_in_full_is_not_known() -> None:
    cache = AnswerCache(Data().has_moved)
    for body in (b"", b"on", b"one"):
        cache.keep(request(body), CachedAnswer(seal(b"1"), None), cache.epoch)
    packet = Frame(3424, 0, 7, b"one").encode()
    for end in range(len(packet)):
        assert kept(cache, packet[:end]) == (0, b"")
        assert kept(cache, packet + packet[:end])[0] == len(packet)


def test_what_is_over_the_allowance_is_left_to_the_caller() -> None:
    cache = AnswerCache(Data().has_moved)
    cache.keep(request(b"one"), CachedAnswer(seal(b"1"), DYNAMIC), cache.epoch)
    packet = Frame(3424, 0, 7, b"one").encode()
    left = [2]

    def refuses(proto_id: ProtoId) -> bool:
        assert proto_id == DYNAMIC
        left[0] -= 1
        return left[0] < 0

    assert kept(cache, packet * 5, refuses)[0] == 2 * len(packet)


def test_answers_are_dropped_when_the_data_moves_and_late_ones_are_not_kept() -> None:
    data = Data()
    cache = AnswerCache(data.has_moved)
    epoch = cache.epoch
    cache.keep(request(b"one"), CachedAnswer(seal(b"1"), None), epoch)
    cache.check(1.0)
    assert cache.find(request(b"one"))
    data.moved = True
    cache.check(2.0)
    assert cache.find(request(b"one")) is None
    cache.keep(request(b"one"), CachedAnswer(seal(b"1"), None), epoch)
    assert cache.find(request(b"one")) is None


def test_memory_is_bounded_and_what_is_asked_for_stays() -> None:
    cache = AnswerCache(Data().has_moved, most=100_000)
    for number in range(10_000):
        cache.keep(request(b"%d" % number), CachedAnswer(seal(bytes(100)), None), cache.epoch)
        assert cache.find(request(b"0"))
    known = sum(cache.find(request(b"%d" % number)) is not None for number in range(10_000))
    assert 50 < known < 300
    cache.keep(request(bytes(5000)), CachedAnswer(seal(b"1"), None), cache.epoch)
    assert cache.find(request(bytes(5000))) is None


def test_a_wrong_digest_of_a_known_question_is_refused(sample_gateway: Serving) -> None:
    with Wire(sample_gateway.port) as wire:
        question = wire.request(DYNAMIC, security={"market": 11, "code": "TSLA"})
        wire.send(question * 2)
        assert [wire.answer().s2c.netShares for _ in range(2)] == [76041, 76041]
        wrong = bytearray(question)
        wrong[16] ^= 1
        wire.send(bytes(wrong) + question)
        assert [wire.answer().retType for _ in range(2)] == [-500, 0]
        reserved = bytearray(question)
        reserved[43] ^= 1
        wire.send(bytes(reserved))
        assert wire.answer().s2c.netShares == 76041


def test_the_time_is_never_a_kept_one(sample_gateway: Serving) -> None:
    with Wire(sample_gateway.port) as wire:
        times = [wire.ask(ProtoId.GetGlobalState, userID=0).s2c.localTime for _ in range(3)]
        assert times[0] < times[1] < times[2]


@pytest.fixture
def generations(
    tmp_path: Path, reference: Reference, new_url: Callable[[], str], copied: Callable[[str], str]
) -> tuple[str, list[list[Path]], list[list[bytes]]]:
    """A database, the next loads, and the answers before and after each of them."""
    live = new_url()
    store = Store.open(live)
    load(store, reference, find_files([SAMPLE]))
    store.close()
    # The same database, including the secret, a few loads ahead.
    ahead = copied(live)
    loads = [files_of(tmp_path, generation) for generation in range(1, GENERATIONS + 1)]
    wanted = [bodies(ahead, reference)]
    for paths in loads:
        store = Store.open(ahead)
        load(store, reference, find_files(paths))
        store.close()
        wanted.append(bodies(ahead, reference))
    return live, loads, wanted


def test_an_idle_gateway_sees_a_load_within_a_second(
    sample_url: str, reference: Reference, copied: Callable[[str], str], tmp_path: Path
) -> None:
    assert SWEEP_SECONDS <= 1.0
    url = copied(sample_url)
    with in_process(url) as running:
        engine = running.gateway.engine
        columns = engine.questions.columns
        assert columns is not None
        assert columns.prepared(TradeColumns) is not None
        with Wire(running.port) as wire:
            wire.dynamic()
            assert engine.counts.requests()["Qot_GetArkStockDynamic", "answered"] == 1
            epoch, known = engine.cache.epoch, columns.epoch
            store = Store.open(url)
            load(store, reference, find_files(files_of(tmp_path, 1)[:1]))
            store.close()
            # No questions meanwhile.
            until(lambda: engine.cache.epoch > epoch and columns.epoch > known)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_each_answer_is_of_a_whole_generation_while_loads_run(
    generations: tuple[str, list[list[Path]], list[list[bytes]]], workers: int
) -> None:
    url, loads, wanted = generations
    options = ("--rate-limit", "off", "--workers", str(workers))
    with serving_process(url, *options) as gateway, asking(gateway.port, wanted) as seen:
        for paths in loads:
            command = [*QOTGATE, "load", "--db", url, *map(os.fspath, paths)]
            subprocess.run(command, check=True, capture_output=True)
        with Wire(gateway.port) as late:
            # A question after the end of a load gets the new data at once.
            assert all(body == wanted[-1][place] for place, body in ask_all(late))
    assert seen >= {0, GENERATIONS}
    assert len({answers[0] for answers in wanted}) == len({answers[-1] for answers in wanted}) == len(wanted)
