"""Whether a database has the tables of this version."""

from collections.abc import Iterator

from qotgate.doctor.finding import Finding, fail, ok, warn
from qotgate.store.database import HEAD

CHECK = "database"


def revision_findings(name: str, revision: str | None) -> Iterator[Finding]:
    """``revision`` is the revision stored in the database ``name``, None if it has none."""
    if revision is None:
        yield fail(CHECK, f"{name} is not a database of qotgate.", "Name another one with --db.")
    elif revision == HEAD:
        yield ok(CHECK, f"{name} is of revision {revision}, which is this version's.")
    elif revision < HEAD:
        yield warn(
            CHECK,
            f"{name} is of revision {revision}; this version brings it to {HEAD} when it opens it.",
            "Make a backup with the older version first: qotgate backup FILE",
        )
    else:
        yield fail(
            CHECK,
            f"{name} is of revision {revision}, made by a newer qotgate; this one knows {HEAD}.",
            "Upgrade qotgate.",
        )
