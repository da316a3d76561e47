"""Data for measurements: as many securities, trades, holdings and notes as wanted, the same in each run.

Notes go through ``qotgate load``. ARK rows are written directly into the tables, as a load would leave them:
loading thousands of generated holdings files would take an hour and measure something else.
"""

import random
import sqlite3
import subprocess
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from gateway.processes import QOTGATE
from qotgate.model import ACTIVE_FUNDS
from qotgate.store import Store

LAST_DAY = date(2026, 6, 22)
GRADES = ("Sell", "Hold", "Buy")
FIRMS = ("UBS", "Barclays", "Citigroup", "Jefferies", "Mizuho", "Evercore ISI", "Wedbush", "Needham")


def codes(securities: int) -> list[str]:
    """Tickers, three letters each."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return [letters[n // 676 % 26] + letters[n // 26 % 26] + letters[n % 26] for n in range(securities)]


def make(path: Path, *, securities: int = 500, days: int = 250, notes: int = 20_000) -> str:
    """Create a database at ``path``. Returns its URL."""
    url = f"sqlite:///{path}"
    Store.open(url).close()
    with sqlite3.connect(path) as connection:
        _add_ark(connection, securities, days, securities)
    load_notes(url, path.with_suffix(".csv"), notes, securities)
    return url


def load_notes(url: str, file: Path, notes: int, securities: int, seed: int = 1) -> None:
    """Write a file of notes and load it."""
    write_notes(file, notes, securities, seed)
    subprocess.run([*QOTGATE, "load", str(file), "--db", url], check=True, stdout=subprocess.DEVNULL)


def write_notes(file: Path, notes: int, securities: int, seed: int) -> None:
    """A file of notes on the first ``securities`` tickers."""
    chance = random.Random(seed)
    tickers = codes(securities)
    with file.open("w") as lines:
        lines.write("ticker,name,firm,rating,price_target,date\n")
        for _ in range(notes):
            ticker = chance.choice(tickers)
            day = LAST_DAY - timedelta(days=chance.randrange(1500))
            lines.write(
                f"{ticker},Company {ticker},{chance.choice(FIRMS)},{chance.choice(GRADES)},"
                f"{chance.randrange(10, 900)},{day}\n"
            )


def make_history(path: Path, holdings: int, *, securities: int = 240) -> tuple[str, int]:
    """Create a database whose funds hold 40 positions each, for enough days to have ``holdings`` rows.
    Returns its URL and the days."""
    url = f"sqlite:///{path}"
    Store.open(url).close()
    days = holdings // (len(ACTIVE_FUNDS) * 40)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        _add_ark(connection, securities, days, 40, with_holdings=True)
    return url, days


def _add_ark(
    connection: sqlite3.Connection, securities: int, days: int, held: int, *, with_holdings: bool = False
) -> None:
    """``days`` weekdays of six funds that hold ``held`` of the securities and trade a third of them a day."""
    tickers = codes(securities)
    connection.executemany(
        "INSERT INTO security VALUES (?, ?, ?)",
        ((n, f"US.{ticker}", f"Company {ticker}") for n, ticker in enumerate(tickers)),
    )
    connection.executemany(
        "INSERT INTO spelling VALUES (?, ?, '', ?, ?, ?, '2014-01-01', '2014-01-01', 1, NULL)",
        ((n, ticker, f"Company {ticker}", f"US.{ticker}", n) for n, ticker in enumerate(tickers)),
    )
    weekdays = list(_weekdays(days))
    connection.executemany(
        "INSERT INTO ark_day VALUES (?, ?, 'notice', ?, NULL, NULL, NULL)",
        ((fund, day, day) for fund in ACTIVE_FUNDS for day in weekdays),
    )
    funds = list(enumerate(sorted(ACTIVE_FUNDS)))
    connection.executemany(
        "INSERT INTO trade (security_id, day, fund, shares, through) VALUES (?, ?, ?, ?, ?)",
        (
            ((place + offset) % securities, day, fund, (number * 37 + place) % 2001 - 1000, day)
            for number, day in enumerate(weekdays)
            for offset, fund in ((number * held, fund) for number, fund in funds)
            for place in range(number % 3, held, 3)
        ),
    )
    if with_holdings:
        connection.execute("INSERT INTO file VALUES (1, 'generated', 'generated', 'ark_holdings', 1, '', 0)")
        connection.executemany(
            "INSERT INTO holding (fund, day, security_id, ticker, identifier, name, shares, market_value,"
            " weight, file_id, line) VALUES (?, ?, ?, ?, '', ?, ?, ?, 2.5, 1, ?)",
            (
                (fund, day, n, tickers[n], tickers[n], 1000 + place, 50000.0, place)
                for day in weekdays
                for number, fund in funds
                for place in range(held)
                for n in ((place + number * held) % securities,)
            ),
        )
    connection.execute("UPDATE state SET value = '1' WHERE key = 'generation'")


def _weekdays(days: int) -> Iterator[str]:
    """The last ``days`` weekdays up to LAST_DAY, oldest first."""
    start = LAST_DAY - timedelta(days=days * 7 // 5 + 7)
    found = [
        day for n in range((LAST_DAY - start).days + 1) if (day := start + timedelta(days=n)).weekday() < 5
    ]
    return (day.isoformat() for day in found[-days:])
