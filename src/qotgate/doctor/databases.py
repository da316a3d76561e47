"""The configured database, on either engine, and its contents."""

from collections.abc import Iterator, Sequence

from qotgate.doctor import postgresql, sqlite
from qotgate.doctor.finding import Finding, Level, fail
from qotgate.doctor.freshness import freshness
from qotgate.store import Store
from qotgate.store.database import ESCAPES, TAKES, parsed_url
from qotgate.store.postgresql import DRIVERNAMES
from qotgate.store.sqlite import file_of


def database(url: str, funds: Sequence[str], *, thorough: bool = False) -> Iterator[Finding]:
    """The database at ``url``, and if nothing is wrong with it, the freshness of the data of ``funds``."""
    parsed = parsed_url(url)
    file = file_of(parsed)
    if file is not None:
        findings = list(sqlite.database(file, thorough=thorough))
    elif parsed is not None and parsed.drivername in DRIVERNAMES:
        findings = list(postgresql.database(parsed))
    else:
        yield fail("database", "--db names no database.", f"{TAKES}{ESCAPES}.")
        return
    yield from findings
    if all(finding.level is Level.OK for finding in findings if finding.check == "database"):
        store = Store.open(url)
        try:
            yield from freshness(store, funds)
        finally:
            store.close()
