"""Makes the synthetic sample in src/qotgate/sample: holdings and notices in ARK's layouts, analyst notes in
the plain layout.

Every number in it is invented; the sample reproduces the answers of the reference documents. Run it after a
change and commit its output; a test compares the two.
"""

import csv
from datetime import date
from io import StringIO
from pathlib import Path

TARGET = Path(__file__).parents[1] / "src" / "qotgate" / "sample"

DAYS = [
    date(2026, 4, 20),
    date(2026, 4, 21),
    date(2026, 6, 15),
    date(2026, 6, 16),
    date(2026, 6, 17),
    date(2026, 6, 18),
    date(2026, 6, 22),
    date(2026, 6, 23),
]
NOTICE_DAY = date(2026, 6, 22)

# Fund: ticker -> (name, CUSIP, price in USD, shares in the first file).
BOOKS = {
    "ARKK": {
        "TSLA": ("TESLA INC", "88160R101", 310.0, 2_400_000),
        "ROKU": ("ROKU INC-CLASS A", "77543R102", 80.0, 5_000_000),
        "COIN": ("COINBASE GLOBAL INC -CLASS A", "19260Q107", 250.0, 1_200_000),
        "ZM": ("ZOOM COMMUNICATIONS INC-A", "98980L101", 85.0, 3_000_000),
        "TDOC": ("TELADOC HEALTH INC", "87918A105", 9.0, 7_000_000),
    },
    "ARKW": {
        "TSLA": ("TESLA INC", "88160R101", 310.0, 800_000),
        "ROKU": ("ROKU INC-CLASS A", "77543R102", 80.0, 1_600_000),
        "COIN": ("COINBASE GLOBAL INC -CLASS A", "19260Q107", 250.0, 400_000),
        "ZM": ("ZOOM COMMUNICATIONS INC-A", "98980L101", 85.0, 1_000_000),
    },
}
# Each fund's trades of a day: visible in its next holdings file, or in the notice of the day.
TRADES = {
    ("ARKK", date(2026, 4, 20)): {"ZM": -120_000},
    ("ARKK", date(2026, 6, 17)): {"TSLA": -20_000, "ROKU": 45_000},
    ("ARKK", date(2026, 6, 18)): {"TSLA": 30_000, "ROKU": -15_500},
    ("ARKW", date(2026, 6, 18)): {"TSLA": 6_041},
    ("ARKK", NOTICE_DAY): {"TSLA": 28_000},
    ("ARKW", NOTICE_DAY): {"TSLA": 12_000},
}
# The fund creates new shares on this day: every holding grows, without trades.
FLOWS = {("ARKK", date(2026, 6, 16)): 1.005}
CASH = 12_345_678.90
DISCLAIMER = "SYNTHETIC SAMPLE. Every number in this file is invented. It was not published by any fund."

NOTES = [
    "US.TSLA,Tesla,Morgan Stanley,Overweight,410,2026-03-02",
    "US.NUE,Nucor,Morgan Stanley,Overweight,215,2026-04-24",
    "US.MU,Micron Technology,Bernstein,Outperform,1100,2026-05-11",
    "US.MU,Micron Technology,BofA Securities,Buy,950,2026-05-13",
    "US.MU,Micron Technology,Needham,Buy,1200,2026-05-14",
    "US.AAPL,Apple,Goldman Sachs,Neutral,230,2026-05-20",
    "CA.SHOP,Shopify,RBC Capital,Outperform,190,2026-05-21",
    "US.TSLA,Tesla,Morgan Stanley,Equal-Weight,410,2026-06-02",
    "US.INTC,Intel,BofA Securities,Buy,135,2026-06-11",
    "CA.SHOP,Shopify,RBC Capital,Outperform,205,2026-06-15",
    "US.AAPL,Apple,Goldman Sachs,Sell,210,2026-06-16",
    "US.COIN,Coinbase,Jefferies,Hold,240,2026-06-17",
    "US.NUE,Nucor,Morgan Stanley,Overweight,258,2026-06-22",
    "US.MU,Micron Technology,Bernstein,Outperform,1300,2026-06-22",
    "US.MU,Micron Technology,Needham,Buy,1550,2026-06-22",
    "US.INTC,Intel,BofA Securities,Buy,160,2026-06-23",
    "US.MU,Micron Technology,BofA Securities,Buy,1500,2026-06-23",
]


def us_date(day: date) -> str:
    return f"{day.month:02d}/{day.day:02d}/{day.year}"


def holdings(fund: str, day: date, shares: dict[str, int]) -> str:
    """A holdings file in ARK's layout; ``shares`` by ticker."""
    out = StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    write(["date", "fund", "company", "ticker", "cusip", "shares", "market value ($)", "weight (%)"])
    lines = [
        (*BOOKS[fund][ticker][:2], ticker, n, n * BOOKS[fund][ticker][2]) for ticker, n in shares.items()
    ]
    total = sum(value for *_, value in lines) + CASH
    for name, cusip, ticker, n, value in lines:
        weight = f"{100 * value / total:.2f}%"
        write([us_date(day), fund, name, ticker, cusip, f"{n:,}", f"${value:,.2f}", weight])
    cash = f"{CASH:,.2f}"
    write([us_date(day), fund, "U.S. DOLLAR", "", "USD", cash, f"${cash}", ""])
    write([])
    write([DISCLAIMER])
    return out.getvalue()


def notice(trades: dict[str, dict[str, int]]) -> str:
    """A trade notice of NOTICE_DAY in ARK's layout; ``trades`` by fund and ticker."""
    out = StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    write([DISCLAIMER])
    write([])
    write(["FUND", "Date", "Direction", "Ticker", "CUSIP", "Name", "Shares", "% of ETF"])
    for fund, moves in trades.items():
        for ticker, n in moves.items():
            name, cusip = BOOKS[fund][ticker][:2]
            side = "Buy" if n > 0 else "Sell"
            write([fund, us_date(NOTICE_DAY), side, ticker, cusip, name, abs(n), "0.1000"])
    return out.getvalue()


def sample() -> dict[str, str]:
    """The files of the sample, by their path in it."""
    files = {}
    for fund, book in BOOKS.items():
        shares = {ticker: line[3] for ticker, line in book.items()}
        for day in DAYS:
            files[f"ark/SYNTHETIC_{fund}_HOLDINGS_{day}.csv"] = holdings(fund, day, shares)
            flow = FLOWS.get((fund, day), 1)
            moves = TRADES.get((fund, day), {})
            shares = {ticker: round(n * flow) + moves.get(ticker, 0) for ticker, n in shares.items()}
    told = {fund: moves for (fund, day), moves in TRADES.items() if day == NOTICE_DAY}
    files[f"ark/SYNTHETIC_TRADES_{NOTICE_DAY}.csv"] = notice(told)
    header = "ticker,name,firm,rating,price_target,date"
    files["ratings/SYNTHETIC_notes.csv"] = "\n".join([header, *NOTES, ""])
    return files


def main() -> None:
    for name, text in sample().items():
        path = TARGET / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
