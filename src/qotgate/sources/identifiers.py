"""Security identifiers in files: CUSIP and CINS (9 characters), SEDOL (7), currency (3).

Spreadsheets damage them: a CUSIP of digits becomes a number and loses its leading zeros, and one such as
29355E107 becomes 2.9355 times ten to the 111th. Check digits show the original. If they leave a doubt, the
result is no identifier at all: the ticker identifies too, and a wrong identifier would join two companies for
good.
"""

import math
import re
from decimal import Decimal

from qotgate.sources.lines import Cell

_VALUES = {letter: value for value, letter in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*@#")}
_CUSIP = re.compile(r"[0-9A-Z*@#]{8}[0-9]")
_SEDOL = re.compile(r"[0-9B-DF-HJ-NP-TV-Z]{6}[0-9]")
_AS_TYPED = re.compile(r"(?=.*[0-9])[0-9A-Z*@#]{9}")
_NUMERIC = re.compile(r"[0-9]{5,8}|[0-9]{5,9}\.0*|[0-9](?:\.(?:[0-9]|[0-9]{3,4}|[0-9]{6,}))?E\+?[0-9]{1,3}")
"""Texts that were numbers. Not with two decimals or five before the E: Excel's scientific format rounds to
two, its general format to five, and it saves a CSV as displayed."""

_CURRENCIES = re.compile(
    "USD|EUR|GBP|JPY|CHF|CAD|AUD|NZD|HKD|SGD|CNY|CNH|KRW|TWD|INR|ILS|ZAR|SEK|NOK|DKK|PLN|CZK|HUF|TRY|"
    "BRL|MXN|CLP|COP|PEN|ARS|AED|SAR|QAR|KWD|EGP|THB|MYR|IDR|PHP|VND|RUB|RON|BGN|ISK"
)
"""A list (ISO 4217), because NAN and TBD also have three letters, and occur where a CUSIP is missing."""

_LETTERS = re.compile(r"(?!UNDEFINED|AVAILABLE)[A-Z]{9}")
"""The custodian's own numbers for shares without a CUSIP may consist of letters: ``PIPEACHRU``."""
_CASH = re.compile(rf"CCT({_CURRENCIES.pattern})")
"""The custodian's numbers for currency holdings: ``CCTUSD``."""

_FEWEST_DIGITS = 5  # with fewer, the issuer's six characters would be nearly all zeros


def is_cusip(text: str) -> bool:
    """Whether ``text`` is a CUSIP or CINS by its check digit: modulus 10 "double add double", letters
    counting from A = 10, then * @ # as 36 to 38 (ANSI X9.6, CUSIP Global Services)."""
    if not _CUSIP.fullmatch(text):
        return False
    doubled = (_VALUES[letter] * (1 + index % 2) for index, letter in enumerate(text[:8]))
    return -sum(value // 10 + value % 10 for value in doubled) % 10 == int(text[8])


def is_sedol(text: str) -> bool:
    """Whether ``text`` is a SEDOL by its check digit: weights 1 3 1 7 3 9 1, letters counting from B = 11,
    no vowels (London Stock Exchange, SEDOL Masterfile)."""
    weights = (1, 3, 1, 7, 3, 9, 1)
    return bool(_SEDOL.fullmatch(text)) and not (
        sum(_VALUES[letter] * weight for letter, weight in zip(text, weights, strict=True)) % 10
    )


def clean_identifier(cell: Cell) -> str:
    """The identifier in a cell, with the damage of spreadsheets undone; '' if there is none or it is
    ambiguous.

    Seven digits may be a SEDOL or a CUSIP that lost two zeros. If both check digits fit, a text is a SEDOL,
    which keeps its zeros, and a number is a CUSIP: ARK's spreadsheets contain CUSIP and CINS only. A text of
    nine characters is used as typed, whatever its check digit: the custodian's own, such as X9USDMORS, have
    none. The custodian's number of a currency, such as CCTUSD, becomes the currency.
    """
    if isinstance(cell, (int, float)):
        return _from_number(float(cell)) if 0 < cell < 1e308 else ""
    text = re.sub(r"[\s'\"=]", "", cell).upper() if isinstance(cell, str) else ""
    if not text.strip("0"):
        return ""
    if cash := _CASH.fullmatch(text):
        return cash[1]
    if is_sedol(text) or _CURRENCIES.fullmatch(text) or _LETTERS.fullmatch(text):
        return text
    if _NUMERIC.fullmatch(text):
        return _from_number(float(text))
    return text if _AS_TYPED.fullmatch(text) else ""


def _from_number(value: float) -> str:
    """The one identifier that a number can have been, judged by check digits, else ''.

    Up to nine digits are read as digits only. 8073108E0 also reads as 8073108 and has a valid check digit,
    like 008073108. But a share's issue number is two digits (CUSIP Global Services), so a share's E is in the
    issuer, before three more digits, and the number is above 1e9.
    """
    if value == math.inf or not value.is_integer():
        return ""
    if value < 1e9:
        digits = str(int(value))
        if len(digits) < _FEWEST_DIGITS:
            return ""
        cusip, sedol = digits.zfill(9), digits.zfill(7)
        return cusip if is_cusip(cusip) else sedol if is_sedol(sedol) else ""
    possible = _with_exponent(value)
    fitting = [text for text in possible if is_cusip(text)] if len(possible) > 1 else possible
    return fitting[0] if len(fitting) == 1 else ""


def _with_exponent(value: float) -> list[str]:
    """Every string of digits, E, digits with nine characters that reads as ``value``, with leading zeros."""
    digits, exponent = Decimal(repr(value)).normalize().as_tuple()[1:]
    mantissa = int("".join(map(str, digits)))
    found: list[str] = []
    for zeros in range(min(8 - len(digits), int(exponent) + 1)):
        left, right = str(mantissa * 10**zeros), str(int(exponent) - zeros)
        widths = range(len(left), 9 - len(right))
        found += [f"{left.zfill(width)}E{right.zfill(8 - width)}" for width in widths]
    return found
