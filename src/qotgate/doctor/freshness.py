"""The freshness of the data, by the exchanges' calendar."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from qotgate.doctor.finding import Finding, ok, warn
from qotgate.service.calendar import NEW_YORK, ark_sessions
from qotgate.store import Store, reads

LATE_SESSIONS = 2
"""Missing trading days after which a fund's files are late: a day's file comes in the evening."""
LATE_NOTES = timedelta(days=7)


def freshness(store: Store, funds: Sequence[str], now: datetime | None = None) -> Iterator[Finding]:
    """The last day of each of ``funds``, and of the notes. Raises StoreError."""
    today = (now or datetime.now(UTC)).astimezone(NEW_YORK).date()
    with store.reading() as connection:
        spans = reads.files.spans(connection)
    latest: dict[str, date] = {}
    for row in (*spans["holdings"], *spans["notices"]):
        latest[row["fund"]] = max(row["last_day"], latest.get(row["fund"], date.min))
    if not latest:
        yield warn("ARK", "No holdings or notices are loaded.", "qotgate fetch ark, or qotgate load FOLDER")
    else:
        yield from _funds(latest, funds, today)
    notes = [row["last_day"] for row in spans["notes"] if row["last_day"] is not None]
    if not notes:
        yield warn(
            "notes",
            "No analyst notes are loaded.",
            "qotgate load FOLDER, or qotgate fetch ratings --symbols US.AAPL",
        )
    elif today - max(notes) > LATE_NOTES:
        yield warn(
            "notes",
            f"The newest analyst note is of {max(notes)}, {(today - max(notes)).days} days ago.",
            "Load newer notes, or fetch them: qotgate fetch ratings",
        )
    else:
        yield ok("notes", f"The newest analyst note is of {max(notes)}.")


def _funds(latest: dict[str, date], funds: Sequence[str], today: date) -> Iterator[Finding]:
    late = {}
    for fund in funds:
        if fund not in latest:
            yield warn(
                "ARK",
                f"Nothing of {fund} is loaded.",
                f"qotgate fetch ark --funds {fund}, or leave it out of --funds",
            )
            continue
        missing = len(ark_sessions(latest[fund] + timedelta(days=1), today))
        if missing >= LATE_SESSIONS:
            late[fund] = missing
    for fund, missing in late.items():
        yield warn(
            "ARK",
            f"{fund} ends on {latest[fund]}, {missing} trading days ago.",
            "qotgate fetch ark; where ARK has renamed the fund's file: --funds FUND=FILE.csv",
        )
    known = [fund for fund in funds if fund in latest and fund not in late]
    if known:
        first = min(latest[fund] for fund in known)
        yield ok("ARK", f"{', '.join(known)} are known to {first} or later.")
