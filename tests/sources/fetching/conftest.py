"""A publisher on loopback, a client for it, and a clock that advances only by sleeping."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from qotgate.sources.fetching import ark
from qotgate.sources.fetching.client import Client
from qotgate.sources.fetching.files import Outcome, fetch
from qotgate.sources.fetching.folder import FetchFolder
from tests.support.publishing import AGENT, Publisher, Time, publishing

DAY = date(2026, 6, 23)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing() as publisher:
        yield publisher


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def polite(publisher: Publisher, time: Time) -> Iterator[Client]:
    now = datetime(2026, 6, 23, 12, tzinfo=UTC)
    with Client(publisher.url, AGENT, sleep=time.sleep, clock=time.clock, now=lambda: now) as polite:
        yield polite


@pytest.fixture
def fetch_arkk(publisher: Publisher, polite: Client, tmp_path: Path) -> Callable[..., Outcome]:
    """Fetches ARKK's file into its own folder, on a day, and returns the outcome."""

    def run(day: date = DAY) -> Outcome:
        (wanted,) = ark.wanted(["ARKK"], publisher.url)
        (outcome,) = fetch(polite, wanted, FetchFolder(tmp_path, lambda: day))
        return outcome

    return run
