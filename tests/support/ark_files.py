"""ARK files as texts: small books, notices, a split."""

HEADER = "date,fund,company,ticker,cusip,shares,market value($),weight(%)"


NOTICE_HEADER = "FUND,Date,Direction,Ticker,CUSIP,Name,Shares,% of ETF"


LINES = {
    "TSLA": "TESLA INC,TSLA,88160R101",
    "ROKU": "ROKU INC,ROKU,77543R102",
    "ZM": "ZOOM,ZM,98980L101",
    "COIN": "COINBASE,COIN,19260Q107",
    "U": "UNITY SOFTWARE INC,U,91332U101",
}


BOOK = {"TSLA": 1000, "ROKU": 2000, "ZM": 3000, "COIN": 4000}


# A fund large enough for its creation basket to be visible: UNITS units outstanding.
UNITS = 500
LINES |= {f"X{number}": f"TEST {number} INC,X{'ABCDEFGH'[number]},TESTCO10{number}" for number in range(8)}


LARGE_BOOK = {code: 60_013 + 17_771 * place for place, code in enumerate(LINES) if code != "U"}


def holdings(day: str, book: dict[str, float], fund: str = "ARKK", price: float = 10.0) -> str:
    """A complete book: the weights add up to 100%."""
    percent = 100 / (sum(book.values()) * price + 5000.5)
    rows = [
        f"{day},{fund},{LINES[code]},{n},{n * price},{n * price * percent:.4f}" for code, n in book.items()
    ]
    cash = f"{day},{fund},U.S. DOLLAR,,USD,5000.5,5000.5,{5000.5 * percent:.4f}"
    return "\n".join([HEADER, *rows, cash, ""])


def notice(day: str, trades: dict[str, int], fund: str = "ARKK") -> str:
    rows = []
    for code, n in trades.items():
        name, ticker, cusip = LINES[code].split(",")
        rows.append(f"{fund},{day},{'Buy' if n > 0 else 'Sell'},{ticker},{cusip},{name},{abs(n)},0.1")
    return "\n".join([NOTICE_HEADER, *rows, ""])


def created(units: int) -> dict[str, float]:
    """The large book after the creation of ``units``."""
    return {code: n + units * round(n / UNITS) for code, n in LARGE_BOOK.items()}


def split_files(fund: str, days: str) -> dict[str, str]:
    """A fund's files around a 5:1 split of TSLA, effective on the 16th; only those of ``days``."""
    old, new = BOOK | {"TSLA": 1100}, BOOK | {"TSLA": 5500}
    texts = {
        "15": holdings("6/15/2026", BOOK, fund),
        "16": holdings("6/16/2026", old, fund),
        "17": holdings("6/17/2026", new, fund).replace("5500,55000.0", "5500,11000.0"),
        "18": holdings("6/18/2026", new, fund).replace("5500,55000.0", "5500,11000.0"),
    }
    return {f"{fund}{day}": texts[day] for day in days.split()}
