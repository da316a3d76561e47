"""Tickers as feeds of analyst notes write them, to securities.

Feeds name the listing in a prefix (``TSX:SHOP``), in a suffix (``SHOP.TO``), or not at all, which means the
US. Class shares come as ``BRK.B``, ``BRK/B`` and ``BRK-B``; the market's own form has the dot.
"""

import re

from qotgate.model import Market, Security

_EXCHANGES = {
    **dict.fromkeys(
        ("NASDAQ", "NYSE", "AMEX", "NYSEAMERICAN", "NYSEARCA", "ARCA", "BATS", "CBOE"), Market.US
    ),
    **dict.fromkeys(("OTC", "OTCMKTS", "OTCQB", "OTCQX", "PINK"), Market.US),
    **dict.fromkeys(("TSX", "TSXV", "CVE", "NEO", "CSE"), Market.CA),
    **Market.__members__,
}
_CANADIAN_SUFFIXES = ("TO", "V", "NE", "CN")
_CODE = re.compile(r"[A-Z0-9]+(?:[./-][A-Z0-9]+)*")
_CLASS_SHARE = re.compile(r"(.+)[/-]([A-Z])")


def note_security(text: str) -> Security:
    """The security that a feed's ticker names.

    ``US.TSLA``, ``TSX:SHOP``, ``SHOP.TO``, ``NYSE:BRK.B``, ``BRK/B``; a bare ticker is a US one. A suffix
    of one letter after ``/`` or ``-`` is a share class; other hyphens stay, except before ``.TO`` and the
    like, where Yahoo writes every dot of the exchange as a hyphen (``REI-UN.TO`` is ``CA.REI.UN``).
    Raises ValueError with the end of a sentence that begins with the name of the column.
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
    elif stem and suffix in _CANADIAN_SUFFIXES:
        market, code = Market.CA, stem.replace("-", ".")
    else:
        market, code = Market.US, words
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
