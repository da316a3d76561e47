"""What is loaded: files, rows, days, and what could not be read."""

from dataclasses import dataclass

from qotgate.store import Store, queries
from qotgate.store.database import generation
from qotgate.store.queries import Row

REJECTS_SHOWN = 10


@dataclass(frozen=True)
class Status:
    """The state of the data. ``spans`` holds rows and first and last days, by kind and fund; ``ark_days``
    in it counts the fund days that notices and holdings cover; ``rejects`` are the latest."""

    database: str
    generation: int
    files: list[Row]
    spans: dict[str, list[Row]]
    rejected_lines: int
    rejects: list[Row]
    unknown_grades: dict[str, int]


def status(store: Store) -> Status:
    """Read the state of the data in one transaction."""
    with store.reading() as connection:
        rejected, rejects = queries.rejects(connection, REJECTS_SHOWN)
        return Status(
            database=store.engine.url.render_as_string(hide_password=True),
            generation=generation(connection),
            files=queries.files(connection),
            spans=queries.spans(connection),
            rejected_lines=rejected,
            rejects=list(rejects),
            unknown_grades=queries.unknown_grades(connection),
        )
