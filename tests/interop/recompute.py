"""What the real files say, computed again by other means: pandas and plain dictionaries, no code of ours."""

import csv
import re
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
from python_calamine import CalamineWorkbook

FUNDS = ["ARKF", "ARKG", "ARKK", "ARKQ", "ARKW", "ARKX"]
SPLITS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 35, 40, 50, 1.5)
LEVELS = {
    "Buy": 4,
    "Outperform": 4,
    "Overweight": 4,
    "Hold": 3,
    "Neutral": 3,
    "Market Perform": 3,
    "Sell": 2,
    "Underperform": 2,
    "Underweight": 2,
}


def listings(tables: Path) -> dict[str, str]:
    with (tables / "listings.csv").open(encoding="utf-8") as file:
        return {row["identifier"]: row["code"] for row in csv.DictReader(file)}


def code_of(ticker: str, cusip: str, known: dict[str, str]) -> str:
    if cusip in known:
        return known[cusip]
    if match := re.fullmatch(r"(\d+)(HK|JP)", ticker):
        return f"HK.{match[1]:0>5}" if match[2] == "HK" else f"JP.{match[1]}"
    symbol, _, exchange = ticker.partition(" ")
    if not symbol or (exchange and exchange[0] != "U") or (len(cusip) == 7 and not exchange):
        return ""
    return f"US.{symbol.replace('/', '.')}"


def cusip_of(cell: Any) -> str:
    return (
        f"{int(cell):09d}"
        if isinstance(cell, float) and cell < 1e9
        else ""
        if isinstance(cell, float)
        else cell
    )


def read_holdings(folder: Path) -> pd.DataFrame:
    frames = [pd.read_csv(path, dtype=str, skipfooter=0) for path in sorted(folder.rglob("*.csv"))]
    frame = pd.concat(frames)
    frame.columns = ["date", "fund", "name", "ticker", "cusip", "shares", "value", "weight"]
    frame = frame[frame.date.str.fullmatch(r"\d+/\d+/\d+", na=False) & frame.fund.isin(FUNDS)].fillna("")
    frame = frame[~((frame.ticker == "") & (frame.cusip.str.startswith("X9") | (frame.cusip.str.len() == 3)))]
    frame["day"] = pd.to_datetime(frame.date, format="%m/%d/%Y")
    frame["ticker"] = frame.ticker.str.split().str.join(" ")
    frame["shares"] = frame.shares.astype(float)
    frame["value"] = frame.value.astype(float)
    return frame


def read_notices(folder: Path) -> pd.DataFrame:
    rows = []
    for path in sorted(folder.rglob("*.xls*")):
        sheet = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
        for fund, day, side, ticker, cusip, _, shares, _ in sheet[4:]:
            parsed = pd.Timestamp(day) if "-" in day else pd.to_datetime(day, format="%m/%d/%Y")
            rows.append((fund, parsed, ticker, cusip_of(cusip), shares if side == "Buy" else -shares))
    return pd.DataFrame(rows, columns=["fund", "day", "ticker", "cusip", "shares"])


def share_keys(lines: set[tuple[str, str]], known: dict[str, str]) -> dict[tuple[str, str], str]:
    """One key for the lines (ticker, CUSIP) that share a code or a CUSIP."""
    key = {line: f"{code_of(*line, known)}|{line[1]}" for line in lines}
    changed = True
    while changed:
        changed = False
        for part in (lambda line: code_of(*line, known), lambda line: line[1]):
            smallest: dict[str, str] = {}
            for line in lines:
                if name := part(line):
                    smallest[name] = min(smallest.get(name, key[line]), key[line])
            for line in lines:
                if (name := part(line)) and key[line] != smallest[name]:
                    key[line], changed = smallest[name], True
    return key


def difference(old: dict[str, tuple[float, float]], new: dict[str, tuple[float, float]]) -> tuple[dict, dict]:
    """Trades and splits between two books of (shares, value)."""
    ratios = [new[key][0] / old[key][0] for key in old if key in new]
    counts = Counter(round(ratio, 4) for ratio in ratios)
    common, times = min(counts.items(), key=lambda item: (-item[1], abs(item[0] - 1), -item[0]))
    flow = pd.Series([r for r in ratios if round(r, 4) == common]).median() if times > 1 else 1.0
    trades, splits = {}, {}
    for key in {*old, *new}:
        before, after = old.get(key), new.get(key)
        if before and after:
            if before[0] == after[0]:
                continue
            grown = after[0] / before[0] / flow
            fallen = (before[1] / before[0]) / (after[1] / after[0]) if before[1] and after[1] else 1
            sizes = [
                size
                for split in SPLITS
                for size in (split, 1 / split)
                if abs(grown / size - 1) <= 0.03 and abs(fallen / size - 1) <= 0.2
            ]
            size = sizes[0] if sizes else 1
            if sizes:
                splits[key] = size
            shares = after[0] / size - before[0] * flow
            least = 1 if flow == 1 and not sizes else max(1, 0.0005 * before[0])
            if abs(shares) <= least:
                continue
        else:
            shares = after[0] if after else -before[0]
        trades[key] = round(shares)
    return trades, splits


def dynamics(data: Path, tables: Path) -> dict[str, dict[str, Any]]:
    """The published client's answer for each code in the notices, as of the last covered day."""
    known = listings(tables)
    held, told = read_holdings(data / "ark" / "holdings"), read_notices(data / "ark" / "trades")
    lines = set(zip(held.ticker, held.cusip, strict=True)) | set(zip(told.ticker, told.cusip, strict=True))
    keys = share_keys(lines, known)
    held["key"] = [keys[line] for line in zip(held.ticker, held.cusip, strict=True)]
    told["key"] = [keys[line] for line in zip(told.ticker, told.cusip, strict=True)]
    daily: dict[str, Counter[pd.Timestamp]] = defaultdict(Counter)
    for (day, key), shares in told.groupby(["day", "key"]).shares.sum().items():
        daily[key][day] += int(shares)
    covered = set(zip(told.fund, told.day, strict=True))
    splits: dict[str, dict[pd.Timestamp, float]] = defaultdict(dict)
    last = max(told.day)
    for fund, book in held.groupby("fund"):
        books = {
            day: {
                key: (line.shares, line.value)
                for key, line in rows.groupby("key")[["shares", "value"]].sum().iterrows()
                if line.shares > 0
            }
            for day, rows in book.groupby("day")
        }
        days = sorted(books)
        for day, following in pairwise(days):
            start = dict(books[day])
            if (fund, day) in covered:
                for key, shares in (
                    told[(told.fund == fund) & (told.day == day)].groupby("key").shares.sum().items()
                ):
                    n, value = start.get(key, (0.0, 0.0))
                    price = value / n if n else 0.0
                    start[key] = (n + shares, (n + shares) * price)
                start = {key: pair for key, pair in start.items() if pair[0] > 0}
            trades, found = difference(start, books[following])
            for key, size in found.items():
                splits[key][following] = size
            if (fund, day) not in covered:
                for key, shares in trades.items():
                    daily[key][day] += shares
            last = max(last, day)
    codes = {code_of(*line, known): keys[line] for line in zip(told.ticker, told.cusip, strict=True)}
    codes.pop("", None)
    return {code: answer(daily[key], splits[key], last) for code, key in codes.items()}


def answer(days: Counter, splits: dict, last: datetime) -> dict[str, Any]:
    sums = []
    for day in sorted(days):
        total = float(days[day])
        for moment, size in splits.items():
            total *= size if day < moment <= last else 1
        if round(total):
            sums.append((day, round(total)))
    recent = [total for day, total in sums if day > last - timedelta(days=30)]
    if not sums:
        kind, count, net = "NO_DYNAMIC", 0, 0
    elif not recent:
        kind, count, net = "LAST_TRANSACTION", 1, sums[-1][1]
    else:
        run = next((n for n, total in enumerate(recent[::-1]) if total * recent[-1] < 0), len(recent))
        count = run if run > 1 else len(recent)
        kind = "CONSECUTIVE_SAME_DIRECTION" if run > 1 else "RECENT_TRANSACTION"
        net = sum(recent[-count:])
    return {
        "dynamic_type": kind,
        "transaction_count": count,
        "net_shares": net,
        "last_transaction_time": f"{sums[-1][0]:%Y-%m-%d}" if sums else "N/A",
    }


def institutions(tables: Path) -> dict[str, str]:
    names = {}
    with (tables / "institutions.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for spelling in [row["name"], *row["spellings"].split("|")]:
                names["".join(c for c in spelling.casefold() if c.isalnum())] = row["name"]
    return names


def rating_changes(data: Path, tables: Path) -> dict[str, list[tuple[str, str, str]]]:
    """(day, code, institution) of each upgrade, downgrade and new rating in the real notes."""
    houses = institutions(tables)
    notes = pd.read_csv(data / "ratings" / "us_large_caps.csv")
    notes["house"] = [houses["".join(c for c in firm.casefold() if c.isalnum())] for firm in notes.firm]
    notes["level"] = notes.rating.map(LEVELS)
    notes = notes.drop_duplicates(["ticker", "house", "date"], keep="last")
    notes["step"] = notes["level"] - notes.groupby(["ticker", "house"])["level"].shift()
    kinds = {"UPGRADE": notes.step > 0, "DOWNGRADE": notes.step < 0, "NEW_RATING": notes.step.isna()}
    return {
        kind: [
            (day, f"US.{ticker}", house)
            for day, ticker, house in notes[chosen][["date", "ticker", "house"]].values
        ]
        for kind, chosen in kinds.items()
    }
