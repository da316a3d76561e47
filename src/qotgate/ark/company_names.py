"""Compares published company names.

Files write one company in several ways: ``TELADOC HEALTH INC`` and ``TELADOC INC``, or ``HONEYWELL
INTERNATIONAL I``, cut at the width of a column. Names match if the words of one are the first words of the
other, ignoring words of legal form and share class.
"""

import re
from functools import lru_cache

_FORMS = frozenset(
    [
        "THE",
        "INC",
        "INCORPORATED",
        "CORP",
        "CORPORATION",
        "CO",
        "COMPANY",
        "LTD",
        "LIMITED",
        "PLC",
        "LLC",
        "LP",
        "SA",
        "SE",
        "AG",
        "NV",
        "AB",
        "ASA",
        "OYJ",
        "SPA",
        "KGAA",
        "BHD",
        "JSC",
        "PJSC",
        "PBC",
        "HOLDING",
        "HOLDINGS",
        "GROUP",
        "TRUST",
        "COMMON",
        "STOCK",
        "COM",
        "ORD",
        "SHARES",
        "SHS",
        "NEW",
        "WI",
        "WHEN",
        "ISSUED",
        "ADR",
        "ADS",
        "GDR",
        "SPON",
        "SPONS",
        "SPONSORED",
        "UNS",
        "UNSPONS",
        "UNSPONSORED",
        "SP",
        "REG",
        "REGS",
        "CL",
        "CLASS",
        "A",
        "B",
        "C",
        "S",
        "H",
        "UNIT",
        "UNITS",
        "SUB",
        "VOTE",
    ]
)
_UNLISTED = re.compile(
    r"[\s-]+(?:UNREGISTERED(?: SHARES?)?|UNREG(?:D)?|UNR|RESTRICTED(?: SHARES?)?|PIPE(?: SHARES?)?"
    r"|PRIVATE PLACEMENT|PLACE ?HOLDER ?SHARES?|PLACE HOLDERSHARES?|PLACE)\s*$",
    re.IGNORECASE,
)
"""Suffixes of the names of unregistered shares: a private investment in public equity (PIPE), or a
placeholder for future shares. They are shares of the listed stock."""


@lru_cache(maxsize=8192)
def words_of(name: str) -> tuple[str, ...]:
    """The distinctive words of a name, in capitals; all of its words if none is distinctive."""
    words = re.findall(r"[^\W_]+", name.upper().replace("'", ""))
    return tuple(word for word in words if word not in _FORMS) or tuple(words)


@lru_cache(maxsize=8192)
def listed_name(name: str) -> str:
    """The name without the note that its shares are unregistered; '' if it has no such note."""
    stock, found = _UNLISTED.subn("", name)
    return stock if found else ""


def same_company(one: str, other: str) -> bool:
    """Whether the words of one name are the first words of the other. The last word of either may be cut,
    unless it is the only one: Alpha is not Alphabet."""
    short, long = sorted((words_of(one), words_of(other)), key=len)
    if not short or short[:-1] != long[: len(short) - 1]:
        return False
    last, there = short[-1], long[len(short) - 1]
    if last == there or len(short) == 1:
        return last == there
    return there.startswith(last) or (len(short) == len(long) and last.startswith(there))
