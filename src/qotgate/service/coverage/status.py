"""What is loaded: files, rows, days, and unreadable files."""

from dataclasses import dataclass

from qotgate.service.coverage.provenance import Hole, holes
from qotgate.store import Store, loads, reads
from qotgate.store.database import generation
from qotgate.store.tables import Row

REJECTS_SHOWN = 10
LOADS_SHOWN = 5
CONTRADICTIONS_SHOWN = 50


@dataclass(frozen=True)
class Status:
    """The state of the data. ``spans`` has row counts and first and last days, by kind and fund; its
    ``ark_days`` counts the fund days covered by notices and holdings. ``rejects`` are the latest rejected
    lines, ``unread`` the latest unreadable files, ``loads`` the latest loads. ``reiterations`` counts the
    notes that changed nothing (an institution's notes on a security on one day count once),
    ``prior_disagreements`` the notes whose prior rating differs from the previous note. ``contradicted``
    counts the spellings whose identifier is not believed, ``contradictions`` has the latest of them.
    ``holes`` are periods in which too many of a fund's holdings files are missing."""

    database: str
    generation: int
    files: list[Row]
    spans: dict[str, list[Row]]
    rejected_lines: int
    rejects: list[Row]
    unread_files: int
    unread: list[Row]
    loads: list[Row]
    unknown_grades: dict[str, int]
    reiterations: int
    prior_disagreements: int
    contradicted: int
    contradictions: list[Row]
    holes: tuple[Hole, ...]


def status(store: Store, contradictions: int = CONTRADICTIONS_SHOWN) -> Status:
    """Read the state of the data in one transaction, with ``contradictions`` of those at most."""
    with store.reading() as connection:
        _, rejected = reads.files.last_load(connection)
        rejects = reads.files.rejects(connection, None, REJECTS_SHOWN)
        unread = loads.unread_files(connection, None, REJECTS_SHOWN)
        spans = reads.files.spans(connection)
        days, disagreements = reads.ratings.note_days(connection)
        return Status(
            database=store.name,
            generation=generation(connection),
            files=reads.files.kinds(connection),
            spans=spans,
            rejected_lines=rejected,
            rejects=[{name: row[name] for name in ("path", "line", "reason")} for row in rejects],
            unread_files=loads.count_unread(connection),
            unread=[{name: row[name] for name in ("load_id", "path", "reason")} for row in unread],
            loads=loads.loads(connection, None, LOADS_SHOWN),
            unknown_grades={row["word"]: row["notes"] for row in reads.ratings.unknown_grades(connection)},
            reiterations=days - sum(row["rows"] for row in spans["rating_changes"]),
            prior_disagreements=disagreements,
            contradicted=reads.securities.count_contradictions(connection),
            contradictions=reads.securities.contradictions(connection, None, contradictions)[0]
            if contradictions
            else [],
            holes=holes(connection),
        )
