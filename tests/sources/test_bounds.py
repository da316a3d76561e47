"""Files that are large in one direction, deep, or full of errors are refused alone, and in little time."""

import json
import socket
import time
from collections.abc import Callable

import pytest

from qotgate.model import Unreadable
from qotgate.sources import read
from qotgate.sources.layout import MAX_FUNDS, MAX_REJECTS
from qotgate.sources.lines import MAX_COLUMNS
from qotgate.sources.opening import REFUSED, Opener, opener

HEADER = "date,fund,company,ticker,cusip,shares,market value($),weight(%)\n"
LINE = "2021-08-03,ARKK,TESLA INC,TSLA,88160R101,1000,700000,99\n"
MAX_TIME = 15.0

HOSTILE: dict[str, tuple[Callable[[], str], str]] = {
    "wide lines": (lambda: ("," * 300_000 + "\n") * 20, "no known format"),
    "wide tabs": (lambda: ("a\t" * 300_000 + "\n") * 20, "no known format"),
    "empty records": (lambda: "{}\n" * 6_000_000, "more than 1,000,000 lines"),
    "records of nothing": (lambda: json.dumps([1] * 1_000_000), "no known format|cannot be read"),
    "deep lists": (lambda: "[" * 900 + "]" * 900, "no known format"),
    "very deep lists": (lambda: "[" * 200_000 + "]" * 200_000, "nested too deep"),
    "many columns": (lambda: json.dumps([{f"a{n}": 1 for n in range(10_000)}] * 2), f"{MAX_COLUMNS} columns"),
    "bad lines": (
        lambda: HEADER + "x,ARKK,A,A,,1,1,1\n" * 500_000,
        f"more than {MAX_REJECTS:,} of its lines",
    ),
    "many funds": (
        lambda: HEADER + "".join(LINE.replace("ARKK", f"F{n}") for n in range(20_000)),
        f"more than {MAX_FUNDS} funds",
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_is_refused_soon(what: str) -> None:
    make, reason = HOSTILE[what]
    content = make().encode()
    started = time.process_time()
    with pytest.raises(Unreadable, match=reason):
        read(content)
    assert time.process_time() - started < MAX_TIME


def test_a_wide_line_costs_itself_alone() -> None:
    found = read((HEADER + LINE + "," * 1000 + "\n" + LINE.replace("08-03", "08-04")).encode())
    assert (len(found.records), [reject.line for reject in found.rejects]) == (2, [3])


@pytest.mark.slow
def test_a_process_that_ends_costs_its_file_alone() -> None:
    records = json.dumps([{"ticker": "A", "firm": "UBS", "rating": "Buy", "date": "2026-06-01"}]).encode()
    assert len(read(records).records) == 1
    assert opener._process is not None
    opener._process.kill()
    with pytest.raises(Unreadable, match=REFUSED[:20]):
        read(records)
    assert len(read(records).records) == 1


def test_a_process_that_ends_is_missed_where_another_has_its_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process forked between two lines keeps the link open: the link alone would show the end only after
    two minutes."""
    plain, copies = socket.socketpair, []

    def copied() -> tuple[socket.socket, socket.socket]:
        ours, its = plain()
        copies.append(its.dup())
        return ours, its

    monkeypatch.setattr("qotgate.sources.opening.MAX_SECONDS", 3600)
    monkeypatch.setattr(socket, "socketpair", copied)
    one = Opener()
    with pytest.raises(Unreadable, match="no records"):
        one.read(b"[]", "")
    assert one._process is not None
    one._process.kill()
    with pytest.raises(Unreadable, match=REFUSED[:20]):
        one.read(b"[]", "")
    for copy in copies:
        copy.close()
    one.close()


def test_the_name_is_asked_for_once_where_it_is_needed() -> None:
    yahoo = b"GradeDate,Firm,ToGrade,FromGrade,Action\n2024-01-02,UBS,Buy,Hold,up\n"
    assert read(yahoo, name="AAPL.csv").named
    assert not read((HEADER + LINE).encode(), name="AAPL.csv").named
