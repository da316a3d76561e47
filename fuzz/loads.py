"""Loads: for any lines in any order, no load fails, two securities in use stay two, and unloaded files leave
nothing behind."""

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import select

from qotgate.service.loading import load
from qotgate.service.loading.unloading import unload
from qotgate.service.reference import Reference, load_reference
from qotgate.store import Store, tables
from qotgate.store.contents import DERIVED

NOTICES = "FUND,Date,Direction,Ticker,CUSIP,Name,Shares,% of ETF"
HOLDINGS = "date,fund,company,ticker,cusip,shares,market value($),weight(%)"
NOTES = "ticker,name,firm,rating,price_target,date"
TICKERS = ("TSLA", "ROKU", "", "9923HK", "9923 HK", "RTP", "TSLA UW", "2330")
IDENTIFIERS = ("", "88160R101", "77543R102", "G7484L106", "46185L103", "81750R102", "6889106", "CCTUSD")
NAMES = ("TESLA INC", "ROKU INC", "YEAHKA LTD", "REINVENT TECHNOLOGY-CLASS A", "U.S. DOLLAR", "X" * 600)
DAYS = ("2021-08-02", "2021-08-03", "2021-08-04", "2021-08-05")
FIRMS, WORDS = ("UBS", "Citi"), ("Buy", "Hold", "Sell", "Odd")
LIVE = (("TSLA", "88160R101", "TESLA INC"), ("ROKU", "77543R102", "ROKU INC"))
"""Two securities that are in use on each day, each with a code and an identifier of its own."""
MAX_LINES = 24
STEP = 4
UNTOLD = {"id", "file_id", "security_id", "history_id", "note_id", "since", "until", "state"}
UNTOLD |= {"generation", "loaded_at", "load_id"}
"""Numbers that rows have by the order of loading; what they point to is compared instead."""


def contents_of(store: Store) -> dict[str, list[str]]:
    """All rows derived from files, by table, without their ids."""
    found = {}
    with store.reading() as connection:
        names = {row.id: f"{row.code} {row.name}" for row in connection.execute(select(tables.security))}
        paths = {row.id: row.path for row in connection.execute(select(tables.file))}
        for table in [*DERIVED, tables.file, tables.content]:
            rows = []
            for row in connection.execute(select(table)).mappings():
                told: dict[str, Any] = {name: row[name] for name in row if name not in UNTOLD}
                told |= {"security": names.get(row.get("security_id")), "path": paths.get(row.get("file_id"))}
                if table is tables.rating_change:
                    told["holds"] = row["until"] == tables.FOREVER
                    if not told["holds"]:
                        continue
                rows.append(repr(sorted(told.items())))
            found[table.name] = sorted(rows)
    return found


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp())
    Store.open(f"sqlite:///{folder / 'empty.db'}").close()
    return folder


@cache
def _reference() -> Reference:
    return load_reference()


def _store(name: str) -> Store:
    """An empty database, which replaces the last one of this name."""
    path = _folder() / f"{name}.db"
    for old in _folder().glob(f"{name}.db*"):
        old.unlink()
    shutil.copyfile(_folder() / "empty.db", path)
    return Store.open(f"sqlite:///{path}")


def _write(name: str, text: str) -> Path:
    path = _folder() / name
    path.write_text(text)
    return path


def _lines(data: bytes) -> list[bytes]:
    """Four bytes a line."""
    return [data[at : at + STEP] for at in range(0, min(len(data) // STEP, MAX_LINES) * STEP, STEP)]


def _spelled(line: bytes) -> tuple[str, str, str]:
    """Ticker, identifier and name."""
    ticker, identifier, name, _ = line
    return (
        TICKERS[ticker % len(TICKERS)],
        IDENTIFIERS[identifier % len(IDENTIFIERS)],
        NAMES[name % len(NAMES)],
    )


def _notice(spelled: Sequence[str], day: str, shares: int) -> str:
    ticker, identifier, name = spelled
    return f"ARKK,{day},{'Buy' if shares % 2 else 'Sell'},{ticker},{identifier},{name},{shares + 1},0.1"


def _notices(lines: Sequence[bytes]) -> str:
    rows = (_notice(_spelled(line), DAYS[line[3] % len(DAYS)], line[3]) for line in lines)
    return "\n".join((NOTICES, *rows, ""))


def take_identity(data: bytes) -> None:
    """Lines of notices, four bytes each, in one file and in several, forwards and backwards: the securities
    are the same."""
    lines = _lines(data)
    live = (_notice(spelled, day, 1) for day in DAYS for spelled in LIVE)
    first = _write("live.csv", "\n".join((NOTICES, *live, "")))
    one = [first, _write("all.csv", _notices(lines))]
    several = [_write(f"line-{number}.csv", _notices([line])) for number, line in enumerate(lines)]
    found = []
    for number, loads in enumerate(([one], [[path] for path in [*reversed(several), first]])):
        with closing(_store(f"identity-{number}")) as store:
            for files in loads:
                report = load(store, _reference(), files)
                assert not report.rejects, report.rejects
            found.append(_securities(store))
    assert found[0] == found[1]
    tesla, roku = ({of for of in found[0] if spelled in of} for spelled in LIVE)
    assert tesla
    assert roku
    assert tesla.isdisjoint(roku)


def _securities(store: Store) -> frozenset[frozenset[tuple[str, ...]]]:
    """The spellings of each security."""
    found: dict[int, set[tuple[str, ...]]] = {}
    spelling = tables.spelling.c
    with store.reading() as connection:
        for security_id, *spelled in connection.execute(
            select(spelling.security_id, spelling.ticker, spelling.identifier, spelling.name)
        ):
            found.setdefault(security_id, set()).add(tuple(spelled))
    return frozenset(map(frozenset, found.values()))


def take_unload(data: bytes) -> None:
    """Two files, cut in the middle, whose first bytes choose their kinds: the second is loaded after the
    first or before it, and unloaded."""
    order, half = data[:1] or b"\0", (len(data) + 1) // 2
    kept, taken = _file(data[1:half]), _file(data[half:])
    if kept == taken:
        return
    paths = [_write("kept.csv", kept), _write("taken.csv", taken)]
    with closing(_store("with")) as store, closing(_store("without")) as other:
        for path in paths if order[0] % 2 else reversed(paths):
            load(store, _reference(), [path])
        load(other, _reference(), paths[:1])
        with store.reading() as connection:
            loaded = connection.execute(select(tables.file).where(tables.file.c.path.endswith("taken.csv")))
            was_loaded = loaded.first() is not None
        if was_loaded:
            unload(store, _reference(), paths[1:])
            assert contents_of(store) == contents_of(other)


def _file(data: bytes) -> str:
    kind, lines = data[:1] or b"\0", _lines(data[1:])
    match kind[0] % 3:
        case 0:
            return _notices(lines)
        case 1:
            return _book(lines, DAYS[kind[0] // 3 % len(DAYS)])
        case _:
            return "\n".join((NOTES, *map(_note, lines), ""))


def _book(lines: Sequence[bytes], day: str) -> str:
    """A complete book of the lines' securities: the weights add up to 100%."""
    rows = [HOLDINGS]
    for line in lines:
        ticker, identifier, name = _spelled(line)
        shares, weight = line[3] + 1, 100 / len(lines)
        rows.append(f"{day},ARKK,{name},{ticker},{identifier},{shares},{weight * 10:.2f},{weight:.4f}")
    return "\n".join((*rows, ""))


def _note(line: bytes) -> str:
    ticker, name, target, day = line
    firm, word = FIRMS[name % len(FIRMS)], WORDS[target % len(WORDS)]
    return f"{TICKERS[ticker % 2]},{NAMES[ticker % 2]},{firm},{word},{target},{DAYS[day % len(DAYS)]}"
