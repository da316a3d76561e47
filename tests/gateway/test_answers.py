"""Kept answers: given only to the same request, dropped with the data, and never more than fit."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from qotgate.gateway.answers import Answers, Kept, Request
from qotgate.model import Market, Security
from qotgate.protocol.answers import write_dynamic, write_rating_changes
from qotgate.protocol.body import encode
from qotgate.protocol.frame import Frame, lead, seal
from qotgate.protocol.messages import ProtoId
from qotgate.protocol.names import CHANGE_TYPE_OF
from qotgate.service.loading import find_files, load
from qotgate.service.questions import Questions
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.conftest import SAMPLE
from tests.serving import QOTGATE, Serving, serving
from tests.wire import Wire

DYNAMIC = ProtoId.Qot_GetArkStockDynamic
RATINGS = ProtoId.Qot_GetRatingChange


class Data:
    moved = False

    def has_moved(self) -> bool:
        moved, self.moved = self.moved, False
        return moved


def request(body: bytes, proto_id: int = 3424) -> Request:
    return Request(lead(proto_id, 0), seal(body))


def kept(
    answers: Answers, data: bytes, refuses: Callable[[ProtoId], bool] | None = None
) -> tuple[int, bytes]:
    replies: list[bytes] = []
    position = answers.reply(data, 0, len(data), replies, refuses)
    return position, b"".join(replies)


def test_a_known_packet_is_answered_as_it_would_be_packed() -> None:
    answers = Answers(Data().has_moved)
    answers.keep(request(b"one"), Kept(seal(b"1"), None), answers.epoch)
    answers.keep(request(b"one", 3426), Kept(seal(b"other"), None), answers.epoch)
    packets = [Frame(3424, 0, 7, b"one"), Frame(3426, 0, 8, b"one"), Frame(3424, 0, 2**32 - 1, b"one")]
    stream = b"".join(packet.encode() for packet in packets)
    wanted = [Frame(3424, 0, 7, b"1"), Frame(3426, 0, 8, b"other"), Frame(3424, 0, 2**32 - 1, b"1")]
    assert kept(answers, stream) == (len(stream), b"".join(frame.encode() for frame in wanted))


@pytest.mark.parametrize("place", range(44 + 3))
def test_a_packet_that_differs_in_one_byte_is_not_known(place: int) -> None:
    answers = Answers(Data().has_moved)
    answers.keep(request(b"one"), Kept(seal(b"1"), None), answers.epoch)
    packet = bytearray(Frame(3424, 0, 7, b"one").encode())
    packet[place] ^= 1
    serial = 8 <= place < 12
    assert kept(answers, bytes(packet))[0] == (len(packet) if serial else 0)


def test_a_packet_that_is_not_there_in_full_is_not_known() -> None:
    answers = Answers(Data().has_moved)
    for body in (b"", b"on", b"one"):
        answers.keep(request(body), Kept(seal(b"1"), None), answers.epoch)
    packet = Frame(3424, 0, 7, b"one").encode()
    for end in range(len(packet)):
        assert kept(answers, packet[:end]) == (0, b"")
        assert kept(answers, packet + packet[:end])[0] == len(packet)


def test_what_is_over_the_allowance_is_left_to_the_caller() -> None:
    answers = Answers(Data().has_moved)
    answers.keep(request(b"one"), Kept(seal(b"1"), DYNAMIC), answers.epoch)
    packet = Frame(3424, 0, 7, b"one").encode()
    left = [2]

    def refuses(proto_id: ProtoId) -> bool:
        assert proto_id == DYNAMIC
        left[0] -= 1
        return left[0] < 0

    assert kept(answers, packet * 5, refuses)[0] == 2 * len(packet)


def test_answers_are_dropped_when_the_data_moves_and_late_ones_are_not_kept() -> None:
    data = Data()
    answers = Answers(data.has_moved)
    epoch = answers.epoch
    answers.keep(request(b"one"), Kept(seal(b"1"), None), epoch)
    answers.check(1.0)
    assert answers.find(request(b"one"))
    data.moved = True
    answers.check(2.0)
    assert answers.find(request(b"one")) is None
    answers.keep(request(b"one"), Kept(seal(b"1"), None), epoch)
    assert answers.find(request(b"one")) is None


def test_memory_is_bounded_and_what_is_asked_for_stays() -> None:
    answers = Answers(Data().has_moved, most=100_000)
    for number in range(10_000):
        answers.keep(request(b"%d" % number), Kept(seal(bytes(100)), None), answers.epoch)
        assert answers.find(request(b"0"))
    known = sum(answers.find(request(b"%d" % number)) is not None for number in range(10_000))
    assert 50 < known < 300
    answers.keep(request(bytes(5000)), Kept(seal(b"1"), None), answers.epoch)
    assert answers.find(request(bytes(5000))) is None


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


GENERATIONS = 5


def files_of(folder: Path, generation: int) -> list[Path]:
    """A notice that moves 3424 and notes that move 3426."""
    notice, notes = folder / f"notice{generation}.csv", folder / f"notes{generation}.csv"
    notice.write_text(
        "FUND,Date,Direction,Ticker,CUSIP,Name,Shares,% of ETF\n"
        f"ARKK,06/23/2026,Buy,TSLA,88160R101,TESLA INC,{generation * 1000},0.1\n"
    )
    lines = (
        f"T{number},Name {number},UBS,{'Buy' if generation % 2 else 'Sell'},{generation * 10 + number},"
        f"2026-07-{generation:02}"
        for number in range(400)
    )
    notes.write_text("ticker,name,firm,rating,price_target,date\n" + "\n".join(lines) + "\n")
    return [notice, notes]


QUESTIONS: list[tuple[ProtoId, dict[str, Any]]] = [
    (DYNAMIC, {"security": {"market": 11, "code": "TSLA"}}),
    (DYNAMIC, {"security": {"market": 11, "code": "ROKU"}}),
    *(
        (RATINGS, {"market": 11, "changeType": kind, "count": count})
        for kind in (1, 2, 3)
        for count in (3, 20)
    ),
]


def bodies(url: str, reference: Reference) -> list[bytes]:
    """The answers to QUESTIONS, asked for one by one and past the gateway."""
    store = Store.open(url)
    questions = Questions(store, reference)
    found = []
    for proto_id, fields in QUESTIONS:
        if proto_id == DYNAMIC:
            code = fields["security"]["code"]
            answer = write_dynamic(questions.ark_stock_dynamic(Security(Market.US, code)))
        else:
            kind = CHANGE_TYPE_OF[fields["changeType"]]
            answer = write_rating_changes(questions.rating_changes(Market.US, kind, fields["count"]))
        found.append(encode(answer, 0))
    store.close()
    return found


@pytest.fixture
def generations(
    tmp_path: Path, reference: Reference, new_url: Callable[[], str], copied: Callable[[str], str]
) -> tuple[str, list[list[Path]], list[list[bytes]]]:
    """A database, the loads to come, and the answers before and after each of them."""
    live = new_url()
    store = Store.open(live)
    load(store, reference, find_files([SAMPLE]))
    store.close()
    # The same database, secret and all, a few loads ahead.
    ahead = copied(live)
    loads = [files_of(tmp_path, generation) for generation in range(1, GENERATIONS + 1)]
    wanted = [bodies(ahead, reference)]
    for paths in loads:
        store = Store.open(ahead)
        load(store, reference, find_files(paths))
        store.close()
        wanted.append(bodies(ahead, reference))
    return live, loads, wanted


@contextmanager
def asking(port: int, wanted: list[list[bytes]]) -> Iterator[set[int]]:
    """Ask all the while: each answer is what one generation says, and none is of an older one than the answer
    before. Gives the generations that were seen."""
    done = Event()
    problems: list[str] = []
    seen: set[int] = set()

    def ask_on() -> None:
        with Wire(port) as wire:
            newest = 0
            while not done.wait(0.005) and not problems:
                known = newest
                for place, body in ask_all(wire):
                    fits = [n for n, answers in enumerate(wanted) if answers[place] == body]
                    if not fits:
                        problems.append(f"{QUESTIONS[place]} got what no generation says")
                    elif max(fits) < known:
                        problems.append(f"{QUESTIONS[place]} went back from {known} to {fits}")
                    else:
                        newest = max(newest, min(fits))
                seen.add(newest)

    threads = [Thread(target=ask_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        done.set()
        for thread in threads:
            thread.join(30)
    assert not problems


@pytest.mark.parametrize("workers", [1, 2])
def test_each_answer_is_of_a_whole_generation_while_loads_run(
    generations: tuple[str, list[list[Path]], list[list[bytes]]], workers: int
) -> None:
    url, loads, wanted = generations
    options = ("--rate-limit", "off", "--workers", str(workers))
    with serving(url, *options) as gateway, asking(gateway.port, wanted) as seen:
        for paths in loads:
            command = [*QOTGATE, "load", "--db", url, *map(os.fspath, paths)]
            subprocess.run(command, check=True, capture_output=True)
        with Wire(gateway.port) as late:
            # Who asks after a load has ended gets the new data at once.
            assert all(body == wanted[-1][place] for place, body in ask_all(late))
    assert seen >= {0, GENERATIONS}
    assert len({answers[0] for answers in wanted}) == len({answers[-1] for answers in wanted}) == len(wanted)


def ask_all(wire: Wire) -> Iterator[tuple[int, bytes]]:
    """Ask all QUESTIONS three times over in one go: the place of each and its answer."""
    packets = [wire.request(proto_id, **fields) for _ in range(3) for proto_id, fields in QUESTIONS]
    wire.send(b"".join(packets))
    first = int.from_bytes(packets[0][8:12], "little")
    for frame in [wire.receive() for _ in packets]:
        yield (frame.serial - first) % len(QUESTIONS), frame.body
