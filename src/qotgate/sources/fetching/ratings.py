"""Analyst notes over HTTP: Financial Modeling Prep and Benzinga, one security for each request.

Both take the key in a header, which appears in no log and no address. Sources:
https://site.financialmodelingprep.com/developer/docs/stable (grades, price-target-news) and
https://docs.benzinga.com/benzinga-apis/calendar/get-ratings.
"""

import json
from collections.abc import Iterable
from typing import Any

from qotgate.model import Market, QotGateError, Security
from qotgate.sources.fetching.client import FetchError, Key
from qotgate.sources.fetching.files import Count, Wanted, refuse_page

FMP = "https://financialmodelingprep.com"
BENZINGA = "https://api.benzinga.com"

FMP_PAGE = 100
BENZINGA_PAGE = 1000
_JSON = "application/json"


def fmp_key(value: str) -> Key:
    return Key("apikey", value)


def benzinga_key(value: str) -> Key:
    return Key("Authorization", f"token {value}")


def yahoo_symbol(security: Security) -> str:
    """The Yahoo symbol, which FMP uses too: ``BRK-B`` for US.BRK.B, ``REI-UN.TO`` for CA.REI.UN."""
    return security.code.replace(".", "-") + (".TO" if security.market is Market.CA else "")


def fmp_wanted(securities: Iterable[Security], base_url: str = FMP) -> list[Wanted]:
    """Two files for each security: its grades, and its price targets in pages."""
    found = []
    for security in securities:
        symbol = yahoo_symbol(security)
        for title, interface, size in (
            ("grades", "grades", None),
            ("price targets", "price-target-news", FMP_PAGE),
        ):
            found.append(
                Wanted(
                    title=f"{security} {title}",
                    name=f"{interface}-{symbol}.json",
                    url=f"{base_url.rstrip('/')}/stable/{interface}",
                    count=_list_of("symbol"),
                    accept=_JSON,
                    params={"symbol": symbol} | ({"limit": str(size)} if size else {}),
                    page_size=size,
                )
            )
    return found


def benzinga_wanted(securities: Iterable[Security], base_url: str = BENZINGA) -> list[Wanted]:
    """A security's ratings, in pages. Raises QotGateError for a security that is not a US one."""
    found = []
    for security in securities:
        if security.market is not Market.US:
            raise QotGateError(f"Benzinga is asked for US securities alone; leave out {security}.")
        found.append(
            Wanted(
                title=f"{security} ratings",
                name=f"ratings-{security.code}.json",
                url=f"{base_url.rstrip('/')}/api/v2.1/calendar/ratings",
                count=_list_of("ticker", within="ratings"),
                accept=_JSON,
                params={"parameters[tickers]": security.code, "pagesize": str(BENZINGA_PAGE)},
                page_size=BENZINGA_PAGE,
            )
        )
    return found


def _list_of(column: str, within: str = "") -> Count:
    """Counts the rows of a JSON list, or of the list under ``within``; each row has ``column``."""

    def count(content: bytes) -> int:
        refuse_page(content)
        try:
            found: Any = json.loads(content)
        except (ValueError, RecursionError):
            raise FetchError("its answer is not JSON, or is cut short") from None
        rows = found.get(within) if isinstance(found, dict) else found
        if not isinstance(rows, list) or not all(isinstance(row, dict) and column in row for row in rows):
            raise FetchError(f"its answer is not a list of rows with a {column}")
        return len(rows)

    return count
