"""Whether two published names may be of one company.

Files write one company in several ways: ``TELADOC HEALTH INC`` and ``TELADOC INC``, or ``HONEYWELL
INTERNATIONAL I``, cut where a column ends. Names agree where the words of one begin the other, words of legal
form and of the kind of share left out.
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
"""Ends of the names of shares that are not registered yet: a private investment in public equity (PIPE), or a
place held for shares to come. They are shares of the listed stock."""


@lru_cache(maxsize=8192)
def words_of(name: str) -> tuple[str, ...]:
    """The words that tell a company, in capitals; all of its words where nothing else is left."""
    words = re.findall(r"[^\W_]+", name.upper().replace("'", ""))
    return tuple(word for word in words if word not in _FORMS) or tuple(words)


@lru_cache(maxsize=8192)
def listed_name(name: str) -> str:
    """The name without the note that the shares are not registered yet; '' where it has no such note."""
    stock, found = _UNLISTED.subn("", name)
    return stock if found else ""


def same_company(one: str, other: str) -> bool:
    """Whether the words of one name begin the other. The last word of either may be cut short, unless it is
    the only one: Alpha is not Alphabet."""
    short, long = sorted((words_of(one), words_of(other)), key=len)
    if not short or short[:-1] != long[: len(short) - 1]:
        return False
    last, there = short[-1], long[len(short) - 1]
    if last == there or len(short) == 1:
        return last == there
    return there.startswith(last) or (len(short) == len(long) and last.startswith(there))
