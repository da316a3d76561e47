"""The database that the options name, whatever engine keeps it, and what is in it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from qotgate.doctor import sqlite
from qotgate.doctor.finding import Finding, Level, fail
from qotgate.doctor.freshness import freshness
from qotgate.store import Store


def database(url: str, funds: Sequence[str], *, thorough: bool = False) -> Iterator[Finding]:
    """The database at ``url``, and where nothing is wrong with it, how fresh the data of ``funds`` is."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.drivername != "sqlite" or not parsed.database:
        yield fail("database", "--db names no database.", "--db takes sqlite:///FILE")
        return
    findings = list(sqlite.database(Path(parsed.database), thorough=thorough))
    yield from findings
    if all(finding.level is Level.OK for finding in findings if finding.check == "database"):
        store = Store.open(url)
        try:
            yield from freshness(store, funds)
        finally:
            store.close()
