"""Analyst notes through yfinance, an optional package that queries Yahoo: a table, stored as CSV.

The columns are yfinance's own (GradeDate, Firm, ToGrade, FromGrade, Action, priceTargetAction,
currentPriceTarget, priorPriceTarget), after ``ticker``, which the table itself does not have.
"""

import importlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential, wait_random

from qotgate.model import QotGateError, Security
from qotgate.sources.fetching.client import PAUSE, FetchError, Version
from qotgate.sources.fetching.files import Job, Outcome, Status
from qotgate.sources.fetching.folder import FetchFolder
from qotgate.sources.fetching.ratings import yahoo_symbol

ATTEMPTS = 3
BACK_OFF = wait_exponential(multiplier=5, max=60) + wait_random(0, 5)


def jobs(securities: list[Security], sleep: Callable[[float], None] = time.sleep) -> list[Job]:
    """One job for each security. Raises QotGateError if yfinance is not installed."""
    try:
        yfinance = importlib.import_module("yfinance")
    except ImportError as error:
        raise QotGateError(
            "--provider yfinance needs a package that is not installed: pip install 'qotgate[yfinance]'."
        ) from error
    return [_job(yfinance, security, sleep) for security in securities]


def _job(yfinance: Any, security: Security, sleep: Callable[[float], None]) -> Job:
    symbol = yahoo_symbol(security)
    title = f"{security} ratings"

    def fetch(kept: FetchFolder) -> Iterator[Outcome]:
        try:
            table = _table(yfinance, symbol, sleep)
            content = None if table is None else _csv(table, symbol)
        except FetchError as error:
            yield Outcome(title, Status.FAILED, reason=str(error))
            return
        finally:
            sleep(PAUSE)
        if content is None:
            yield Outcome(title, Status.EMPTY)
            return
        path, new = kept.keep(f"yfinance:{symbol}", f"upgrades_downgrades-{symbol}.csv", content, Version())
        yield Outcome(title, Status.FETCHED if new else Status.UNCHANGED, path)

    return fetch


def _table(yfinance: Any, symbol: str, sleep: Callable[[float], None]) -> Any:
    """``Ticker.upgrades_downgrades``, None if Yahoo has no notes on the symbol. Raises FetchError.

    yfinance raises any error of its transport, so every error is retried.
    """
    retrying = Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=BACK_OFF,
        retry=retry_if_exception(lambda error: not _says_none(error)),
        sleep=sleep,
        reraise=True,
    )
    try:
        return retrying(lambda: yfinance.Ticker(symbol).upgrades_downgrades)
    except Exception as error:
        if _says_none(error):
            return None
        raise FetchError(f"yfinance failed {ATTEMPTS} times ({type(error).__name__})") from error


def _says_none(error: BaseException) -> bool:
    """Whether an error of yfinance means that there are no notes."""
    return type(error).__name__ == "YFDataException" and str(error).startswith("No upgrade/downgrade history")


def _csv(table: Any, symbol: str) -> bytes:
    """The table with its index and the ticker. Raises FetchError."""
    # Imported late: it is slow to import, and would delay every command.
    import pandas as pd

    if not isinstance(table, pd.DataFrame) or table.empty:
        # yfinance returns an empty table for a failed request, which it only logs.
        raise FetchError("yfinance found nothing: Yahoo does not know the symbol, or did not answer")
    if "ToGrade" not in table:
        raise FetchError("yfinance did not answer with upgrades_downgrades")
    table = table.reset_index()
    table.insert(0, "ticker", symbol)
    return str(table.to_csv(index=False, lineterminator="\n")).encode()
