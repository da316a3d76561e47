"""Recomputes the lists of the funds' holdings and trades with Polars from ARK's own holdings files.

It takes the trades, the splits and the identities of securities from our database, but none of our code. The
real files have no notice on a day without a file, so notices change no book here.
"""

import csv
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg

from tests.support.recompute import code_of, listings

FUNDS = ["ARKF", "ARKG", "ARKK", "ARKQ", "ARKW", "ARKX"]
HOLIDAYS = {date(2021, 4, 2), date(2021, 5, 31), date(2021, 7, 5), date(2021, 9, 6)}
SESSIONS = [
    day
    for day in (date(2020, 9, 1) + timedelta(days=number) for number in range(400))
    if day.weekday() < 5 and day not in HOLIDAYS
]
CYCLES = {"ONE_DAY": 1, "FIVE_DAY": 5, "TEN_DAY": 10, "THIRTY_DAY": 30, "SIXTY_DAY": 60}
COLUMNS = ["fund", "day", "ticker", "cusip", "name", "shares", "value"]


def opening(day: date) -> date:
    """The trading day whose morning book a file shows; up to 2021-03-11 files are dated the day before."""
    return day if day > date(2021, 3, 11) else next(session for session in SESSIONS if session > day)


def read_lines(folder: Path) -> pl.DataFrame:
    """The lines of every holdings file; if a fund has several files of one day, those of the last."""
    books: dict[tuple[str, date], list[tuple[object, ...]]] = {}
    for path in sorted(folder.rglob("*.csv")):
        book: dict[tuple[str, date], list[tuple[object, ...]]] = {}
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.reader(file):
                if len(row) == 8 and row[1].startswith("ARK"):
                    month, day, year = map(int, row[0].split("/"))
                    key = (row[1], opening(date(year, month, day)))
                    line = (
                        *key,
                        row[3].strip(),
                        row[4].strip(),
                        row[2].strip(),
                        float(row[5]),
                        float(row[6]),
                    )
                    book.setdefault(key, []).append(line)
        books |= book
    return pl.DataFrame([line for book in books.values() for line in book], COLUMNS, orient="row")


def connect(url: str) -> Any:
    """The driver's own connection."""
    if url.startswith("sqlite"):
        return sqlite3.connect(url.removeprefix("sqlite:///"))
    return psycopg.connect(url)


class Lists:
    """The lists of a database loaded from ``data``."""

    def __init__(self, data: Path, tables: Path, url: str) -> None:
        def read(query: str) -> pl.DataFrame:
            with closing(connect(url)) as connection:
                return pl.read_database(query, connection)

        known = listings(tables)
        spelled = read("SELECT ticker, identifier, name, security_id FROM spelling").iter_rows()
        ids = {tuple(line): security for *line, security in spelled}
        lines = read_lines(data / "ark" / "holdings")
        found = []
        for ticker, cusip, name in lines.select("ticker", "cusip", "name").iter_rows():
            if not ticker and cusip.startswith("X9"):
                found.append((0, ""))  # the money-market fund, without code and name
                continue
            cash = not ticker and len(cusip) == 3
            code = code_of(ticker, cusip, known)
            found.append((None if cash else ids[ticker, cusip, " ".join(name.split())], code or name))
        self.lines = pl.concat(
            [lines, pl.DataFrame(found, {"id": pl.Int64, "key": pl.String}, orient="row")], how="horizontal"
        )
        self.files = self.lines.select("fund", "day").unique()
        funds = ", ".join(f"'{fund}'" for fund in FUNDS)
        days = [pl.col(name).str.to_date() for name in ("day", "through")]
        query = "SELECT security_id AS id, fund, CAST(day AS TEXT) AS day, "
        query += f"CAST(through AS TEXT) AS through, shares FROM trade WHERE fund IN ({funds})"
        self.trades = read(query).with_columns(days)
        query = "SELECT DISTINCT security_id AS id, CAST(day AS TEXT) AS split_day, "
        query += "CAST(through AS TEXT) AS split_through, "
        query += f"CAST(numerator AS FLOAT) / denominator AS ratio FROM split WHERE fund IN ({funds})"
        self.splits = read(query).with_columns(
            pl.col("split_day").str.to_date(), pl.col("split_through").str.to_date()
        )

    def cycle(self, as_of: date, cycle: str) -> tuple[date, date]:
        """The day before the cycle, and the day of the next file."""
        past = [day for day in SESSIONS if day <= as_of]
        return past[-1 - CYCLES[cycle]], next(day for day in SESSIONS if day > as_of)

    def units(self, rows: pl.DataFrame, as_of: date, *, day_itself: bool) -> pl.Series:
        """The shares of ``as_of`` for one share on the day of each row; ``day_itself`` tells whether a split
        on that day still applies to it."""
        late = pl.col("split_day") >= pl.col("day") if day_itself else pl.col("split_day") > pl.col("day")
        counts = late & (pl.col("split_through") <= as_of)
        return (
            rows.with_row_index("row")
            .join(self.splits, on="id", how="left")
            .group_by("row", maintain_order=True)
            .agg(pl.when(counts).then("ratio").otherwise(1.0).product().alias("units"))
            .sort("row")["units"]
        )

    def book(self, days: pl.DataFrame, as_of: date) -> tuple[pl.DataFrame, float]:
        """Shares, value, weight and key of each security in the files of ``days``; and the total value."""
        lines = days.join(self.lines, on=["fund", "day"]).sort("fund", maintain_order=True)
        total = lines["value"].sum()
        lines = lines.filter(pl.col("id").is_not_null())
        lines = lines.with_columns(self.units(lines, as_of, day_itself=True))
        named = pl.col("key").filter(pl.col("key").str.contains(r"^[A-Z]{2}\.")).first()
        return lines.group_by("id").agg(
            (pl.col("shares") * pl.col("units")).sum().round().cast(pl.Int64),
            pl.col("value").sum(),
            ((100 * 100 * pl.col("value").sum() / total).round(7).floor() / 100).alias("weight"),
            pl.coalesce(named, pl.col("key").first()).alias("key"),
        ), total

    def changes(self, as_of: date, cycle: str) -> pl.DataFrame:
        """One row a security: the position at both ends, its kind, and the trades between."""
        before, next_day = self.cycle(as_of, cycle)
        start = next(day for day in SESSIONS if day > before)
        latest = self.files.filter(pl.col("day") <= next_day).group_by("fund").agg(pl.col("day").max())
        earlier = self.files.filter(pl.col("day") <= start).group_by("fund").agg(pl.col("day").max())
        first = self.files.group_by("fund").agg(pl.col("day").min())
        then_days = (
            latest.select("fund")
            .join(earlier, on="fund", how="left")
            .join(first, on="fund")
            .select("fund", day=pl.coalesce("day", "day_right"))
        )
        now, _ = self.book(latest, as_of)
        then, _ = self.book(then_days, as_of)
        both = now.join(then, on="id", how="full", coalesce=True, suffix="_then").with_columns(
            pl.col("shares", "value", "weight", "shares_then", "weight_then", "value_then").fill_null(0),
            key=pl.coalesce("key", "key_then"),
        )
        shares, then_shares = pl.col("shares"), pl.col("shares_then")
        kind = (
            pl.when(shares == then_shares)
            .then(pl.lit(""))
            .when(then_shares == 0)
            .then(pl.lit("NEW"))
            .when(shares == 0)
            .then(pl.lit("SOLD_OUT"))
            .when(shares > then_shares)
            .then(pl.lit("INCREASE"))
            .otherwise(pl.lit("DECREASE"))
        )
        both = both.with_columns(
            kind=kind,
            shares_change=shares - then_shares,
            weight_change=(pl.col("weight") - pl.col("weight_then")).round(2),
        )
        return both.join(self.traded(before, as_of, both), on="id", how="left")

    def traded(self, before: date, as_of: date, both: pl.DataFrame) -> pl.DataFrame:
        """Shares and USD of the trades that became known in the cycle. The price is from the fund's next
        file, or else from its last one, from the book at the end of the cycle, or from the book before it."""
        trades = self.trades.filter(pl.col("through").is_between(before, as_of, closed="right"))
        trades = trades.with_columns(self.units(trades, as_of, day_itself=False))
        price = self.lines.filter(pl.col("id").is_not_null() & (pl.col("value") > 0)).select(
            "id", "fund", "day", price=pl.col("value") / pl.col("shares")
        )
        files = self.files.sort("day")
        for name, on, strategy in (("after", "through", "forward"), ("upto", "day", "backward")):
            found = files.select("fund", pl.col("day").alias(name))
            trades = trades.sort("fund", on).join_asof(
                found.sort("fund", name),
                left_on=on,
                right_on=name,
                by="fund",
                strategy=strategy,
                allow_exact_matches=name == "upto",
                check_sortedness=False,
            )
            trades = trades.join(
                price.rename({"day": name, "price": f"price_{name}"}), on=["id", "fund", name], how="left"
            )
        rest = both.select(
            "id",
            price_now=pl.when(pl.col("value") > 0).then(pl.col("value") / pl.col("shares")),
            price_then=pl.when(pl.col("value_then") > 0).then(pl.col("value_then") / pl.col("shares_then")),
        )
        shares = pl.col("shares") * pl.col("units")
        own, end = pl.coalesce("price_after", "price_upto"), pl.coalesce("price_now", "price_then")
        amount = pl.coalesce(pl.col("shares") * own, shares * end)
        return (
            trades.join(rest, on="id")
            .group_by("id")
            .agg(
                shares.sum().round().cast(pl.Int64).alias("change_shares"),
                pl.when(amount.is_not_null().all()).then(amount.sum()).alias("change_amount"),
            )
        )
