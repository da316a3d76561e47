"""Parses tickers of analyst notes to securities.

Feeds give the listing in a prefix (``TSX:SHOP``), in a suffix (``SHOP.TO``), in a column of exchanges, or not
at all, which means the US. Share classes are written ``BRK.B``, ``BRK/B`` and ``BRK-B``; the market's own
form has the dot.
"""

import re
from functools import lru_cache
from pathlib import PurePath

from qotgate.model import Market, Security

_EXCHANGES = {
    **dict.fromkeys(
        ("NASDAQ", "NYSE", "AMEX", "NYSEAMERICAN", "NYSEARCA", "ARCA", "BATS", "CBOE"), Market.US
    ),
    **dict.fromkeys(("OTC", "OTCMKTS", "OTCQB", "OTCQX", "PINK"), Market.US),
    **dict.fromkeys(("TSX", "TSXV", "CVE", "NEO", "CSE", "TOR", "TORONTO"), Market.CA),
    **Market.__members__,
}
_EXCHANGE_CODES = {
    **dict.fromkeys(("NMS", "NGM", "NCM", "NYQ", "ASE", "PCX", "BTS", "PNK"), Market.US),  # Yahoo's
    **dict.fromkeys(("XNAS", "XNYS", "XASE", "ARCX"), Market.US),  # ISO 10383
    **dict.fromkeys(("VAN", "CNQ", "XTSE", "XTSX", "XCNQ", "NEOE"), Market.CA),  # both
}
_EXCHANGE_NAMES = re.compile(
    r"(NASDAQ|NYSE|NEWYORKSTOCK|AMERICANSTOCK|OTC)|(TSX|TORONTO|CANADIAN|CBOECANADA)"
)
"""First letters of exchange names: NASDAQ Global Select, TSX Venture. The US exchanges come first."""

_SUFFIXES = {**dict.fromkeys(("TO", "V", "NE", "CN"), Market.CA), "HK": Market.HK, "US": Market.US}
_HK_DIGITS = 5
_CODE = re.compile(r"[A-Z0-9]+(?:[./-][A-Z0-9]+)*")
_CLASS_SHARE = re.compile(r"(.+)[/-]([A-Z])")
_ENDINGS = ("csv", "tsv", "txt", "json", "jsonl", "ndjson", "parquet", "pq", "xls", "xlsx", "xlsm")
SUFFIXES = frozenset(f".{ending}" for ending in _ENDINGS)
"""File name extensions of data files."""
_FILE_ENDING = re.compile(rf"(?:\.(?:{'|'.join(_ENDINGS)}))+$", re.IGNORECASE)
_TICKER_IN_NAME = re.compile(r"(?<![A-Za-z0-9])[A-Z][A-Z0-9]*(?:[.-][A-Z0-9]+)*(?![A-Za-z0-9])")
_DAY_IN_NAME = re.compile(r"[-_]?[0-9]{4}-[0-9]{2}-[0-9]{2}")


def exchange_market(text: str) -> Market | None:
    """The market of an exchange column's text (``NYSE``, ``TSX``, ``Toronto``, ``NASDAQ Global Select``,
    ``NMS``, ``XTSE``), None for blank.

    ``TSE`` is refused: it may mean Toronto or Tokyo. Raises ValueError with the end of a sentence that begins
    with the name of the column.
    """
    words = "".join(filter(str.isalnum, text.upper()))
    if not words:
        return None
    market = _EXCHANGES.get(words) or _EXCHANGE_CODES.get(words)
    if market is None:
        named = _EXCHANGE_NAMES.match(words)
        if named is None:
            raise ValueError(f"is {text[:60]!r}, other than {', '.join(_EXCHANGES)}")
        market = Market.US if named[1] else Market.CA
    return market


@lru_cache(maxsize=16)
def file_security(name: str) -> Security | None:
    """The security whose ticker a file is named after (``AAPL.csv``, ``US.AAPL_upgrades.json``,
    ``upgrades_downgrades-BRK-B.parquet``). None if the name has no ticker in capitals, or several: a wrong
    security would be worse than none."""
    stem = _DAY_IN_NAME.sub("", _FILE_ENDING.sub("", PurePath(name).name))
    tickers = _TICKER_IN_NAME.findall(stem)
    if len(tickers) != 1:
        return None
    try:
        return note_security(tickers[0])
    except ValueError:
        return None


def note_security(text: str, listed: Market = Market.US) -> Security:
    """The security of a feed's ticker.

    ``US.TSLA``, ``TSX:SHOP``, ``SHOP.TO``, ``0700.HK``, ``NYSE:BRK.B``, ``BRK/B``; a bare ticker belongs to
    the market ``listed``. A suffix of one letter after ``/`` or ``-`` is a share class. Other hyphens stay,
    except in Canada, where codes have no hyphens and Yahoo writes every dot as one: ``REI-UN.TO`` is
    ``CA.REI.UN``. Raises ValueError with the end of a sentence that begins with the name of the column.
    """
    words = text.upper().replace(" ", "")
    exchange, colon, code = words.partition(":")
    prefix, dot, rest = words.partition(".")
    stem, _, suffix = words.rpartition(".")
    if colon:
        market = _EXCHANGES.get(exchange)
        if market is None:
            raise ValueError(f"is {text!r}, on an exchange other than {', '.join(_EXCHANGES)}")
    elif dot and prefix in Market.__members__:
        market, code = Market[prefix], rest
    elif stem and suffix in _SUFFIXES:
        market, code = _SUFFIXES[suffix], stem
    else:
        market, code = listed, words
    if market is Market.CA:
        code = code.replace("-", ".")
    if market is Market.HK and code.isascii() and code.isdecimal():
        code = code.zfill(_HK_DIGITS)
    class_share = _CLASS_SHARE.fullmatch(code)
    if class_share:
        code = ".".join(class_share.groups())
    if (
        len(code) > 24
        or not _CODE.fullmatch(code)
        or (market in (Market.US, Market.CA) and code[0].isdigit())
    ):
        raise ValueError(f"is {text[:60]!r}, not a ticker such as TSLA, TSX:SHOP or CA.SHOP")
    return Security(market, code)
