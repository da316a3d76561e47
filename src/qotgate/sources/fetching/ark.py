"""The holdings files that ARK publishes each trading day, by their published names.

A file's name follows the fund's name: the names of ARKF's and ARKX's files changed around the turn of 2025 to
2026. The old address then keeps serving its last file. So if a fund stays unchanged for days, look for the
new name on the fund's page at ark-funds.com.
"""

from collections.abc import Iterable
from functools import partial
from urllib.parse import quote

from qotgate.model import QotGateError
from qotgate.sources.fetching.client import FetchError
from qotgate.sources.fetching.files import Wanted, refuse_page

BASE_URL = "https://assets.ark-funds.com/fund-documents/funds-etf-csv/"

FILES = {
    "ARKB": "ARK_21SHARES_BITCOIN_ETF_ARKB_HOLDINGS.csv",
    "ARKD": "ARK_DIET_Q1_BUFFER_ETF_ARKD_HOLDINGS.csv",
    "ARKE": "ARK_DIET_Q3_BUFFER_ETF_ARKE_HOLDINGS.csv",
    "ARKF": "ARK_BLOCKCHAIN_&_FINTECH_INNOVATION_ETF_ARKF_HOLDINGS.csv",
    "ARKG": "ARK_GENOMIC_REVOLUTION_ETF_ARKG_HOLDINGS.csv",
    "ARKI": "ARK_DIET_Q2_BUFFER_ETF_ARKI_HOLDINGS.csv",
    "ARKK": "ARK_INNOVATION_ETF_ARKK_HOLDINGS.csv",
    "ARKQ": "ARK_AUTONOMOUS_TECH._&_ROBOTICS_ETF_ARKQ_HOLDINGS.csv",
    "ARKT": "ARK_DIET_Q4_BUFFER_ETF_ARKT_HOLDINGS.csv",
    "ARKVX": "ARK_VENTURE_FUND_ARKVX_HOLDINGS.csv",
    "ARKW": "ARK_NEXT_GENERATION_INTERNET_ETF_ARKW_HOLDINGS.csv",
    "ARKX": "ARK_SPACE_&_DEFENSE_INNOVATION_ETF_ARKX_HOLDINGS.csv",
    "IZRL": "ARK_ISRAEL_INNOVATIVE_TECHNOLOGY_ETF_IZRL_HOLDINGS.csv",
    "PRNT": "THE_3D_PRINTING_ETF_PRNT_HOLDINGS.csv",
}
"""The name of each fund's file, as of autumn 2026."""


def wanted(funds: Iterable[str], base_url: str = BASE_URL) -> list[Wanted]:
    """The files of ``funds``; ``FUND=FILE`` gives the file of a fund whose name here is out of date.

    Raises QotGateError for a fund without a file.
    """
    files = dict(_file(text) for text in funds)
    return [
        Wanted(
            title=fund,
            name=name,
            url=f"{base_url.rstrip('/')}/{quote(name)}",
            count=partial(_rows, fund=fund),
            accept="text/csv, */*;q=0.5",
        )
        for fund, name in files.items()
    ]


def _file(text: str) -> tuple[str, str]:
    fund, named, name = (part.strip() for part in text.partition("="))
    fund = fund.upper()
    if not named:
        name = FILES.get(fund, "")
    if not fund or not name or "/" in name or "\\" in name or name.startswith("."):
        raise QotGateError(f"--funds takes {', '.join(FILES)}, or FUND=FILE.csv, not {text.strip()!r}.")
    return fund, name


def _rows(content: bytes, fund: str) -> int:
    """The number of lines of ``fund`` in a table with columns ``fund`` and ``ticker``. Raises FetchError
    otherwise."""
    refuse_page(content)
    header, *lines = content.lower().splitlines()
    rows = sum(fund.lower().encode() in line.replace(b'"', b"").split(b",")[:2] for line in lines)
    if not rows or b"fund" not in header or b"ticker" not in header:
        raise FetchError(f"its answer is not a file of {fund}'s holdings")
    return rows
