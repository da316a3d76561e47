"""Successive loads, the answers before and after each, and clients that keep asking."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from qotgate.model import Market, Security
from qotgate.protocol.answers import write_dynamic, write_list
from qotgate.protocol.body import encode
from qotgate.protocol.interface import RATING_CHANGES
from qotgate.protocol.messages import ProtoId
from qotgate.protocol.names import CHANGE_TYPE_OF
from qotgate.service.ark.dynamics import ark_stock_dynamic
from qotgate.service.questions import Questions
from qotgate.service.ratings.changes import rating_changes
from qotgate.service.reference import Reference
from qotgate.store import Store
from tests.support.wire import Wire

DYNAMIC = ProtoId.Qot_GetArkStockDynamic


RATINGS = ProtoId.Qot_GetRatingChange


GENERATIONS = 5


def files_of(folder: Path, generation: int) -> list[Path]:
    """A notice that changes 3424, and notes that change 3426."""
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
    """The answers to QUESTIONS, asked one by one without the gateway."""
    store = Store.open(url)
    questions = Questions(store, reference)
    found = []
    for proto_id, fields in QUESTIONS:
        if proto_id == DYNAMIC:
            code = fields["security"]["code"]
            answer = write_dynamic(ark_stock_dynamic(questions, Security(Market.US, code)))
        else:
            kind = CHANGE_TYPE_OF[fields["changeType"]]
            answer = write_list(RATING_CHANGES, rating_changes(questions, Market.US, kind, fields["count"]))
        found.append(encode(answer, 0))
    store.close()
    return found


@contextmanager
def asking(port: int, wanted: list[list[bytes]]) -> Iterator[set[int]]:
    """Keep asking: each answer has to be of one generation, and never older than the previous answer. Yields
    the generations seen."""
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


def ask_all(wire: Wire) -> Iterator[tuple[int, bytes]]:
    """Ask all QUESTIONS three times in one go. Yields the position of each and its answer."""
    packets = [wire.request(proto_id, **fields) for _ in range(3) for proto_id, fields in QUESTIONS]
    wire.send(b"".join(packets))
    first = int.from_bytes(packets[0][8:12], "little")
    for frame in [wire.receive() for _ in packets]:
        yield (frame.serial - first) % len(QUESTIONS), frame.body
