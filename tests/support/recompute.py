"""Recomputes answers from the real files by other means: pandas and plain dictionaries, without our code."""

import csv
import re
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from python_calamine import CalamineWorkbook

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
        lines = (line for line in file if not line.startswith("#"))
        return {row["identifier"]: row["code"] for row in csv.DictReader(lines)}


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
        for part in (lambda line: code_of(line[0], line[1], known), lambda line: line[1]):
            smallest: dict[str, str] = {}
            for line in lines:
                if name := part(line):
                    smallest[name] = min(smallest.get(name, key[line]), key[line])
            for line in lines:
                if (name := part(line)) and key[line] != smallest[name]:
                    key[line], changed = smallest[name], True
    return key


def dynamics(data: Path, tables: Path) -> dict[str, dict[str, Any]]:
    """The published client's answer for each code in the notices, as of their last day, from the notices
    alone."""
    known = listings(tables)
    told = read_notices(data / "ark" / "trades")
    lines = list(zip(told.ticker, told.cusip, strict=True))
    keys = share_keys(set(lines), known)
    told["key"] = [keys[line] for line in lines]
    daily: dict[str, Counter[pd.Timestamp]] = defaultdict(Counter)
    for day, key, shares in zip(told.day, told.key, told.shares, strict=True):
        daily[key][day] += int(shares)
    codes = {code_of(*line, known): keys[line] for line in lines}
    codes.pop("", None)
    last = max(told.day)
    splits = pd.read_csv(tables / "splits.csv", parse_dates=["day"], comment="#")
    for code, day, new, old in splits.itertuples(index=False):
        if code in codes and day <= last:
            days = daily[codes[code]]
            days.update({traded: days[traded] * new // old - days[traded] for traded in days if traded < day})
    return {code: answer(daily[key], last) for code, key in codes.items()}


def answer(days: Counter[pd.Timestamp], last: datetime) -> dict[str, Any]:
    sums = [(day, days[day]) for day in sorted(days) if days[day]]
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
