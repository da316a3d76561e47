"""A database failure and its remedy, in one sentence."""

from sqlalchemy.exc import DBAPIError

_WRITABLE = "its file, folder and disk must be there and writable, also for reading"
_BUSY = "another load is at work on it: load again when that has ended"
_FULL = "free some space on its disk"
_DAMAGED = "put a backup in its place, or delete it and load all files anew"
_RUNS = "see that the server runs and takes connections"
_ADVICE = {
    # SQLite's primary result codes; extended codes start with them.
    "SQLITE_FULL": _FULL,
    "SQLITE_IOERR": "see that its disk is there, sound, and has space",
    "SQLITE_READONLY": _WRITABLE,
    "SQLITE_CANTOPEN": _WRITABLE,
    "SQLITE_PERM": _WRITABLE,
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _DAMAGED,
    "SQLITE_BUSY": _BUSY,
    # PostgreSQL's SQLSTATE.
    # lock_not_available
    "55P03": "another load, or a lock on its tables, is in the way: try again when that has ended",
    "53100": _FULL,  # disk_full
    "53300": "raise its max_connections, or have fewer gateways and workers",  # too_many_connections
    "25006": "this server takes no writing, as a standby does: load into the primary",
    # insufficient_privilege
    "42501": "have the tables' owner load and upgrade, or GRANT the user what it lacks; gateways take SELECT",
    "3F000": "make the schema that search_path names, and let the user create in it",  # invalid_schema_name
    "22P05": "make a database of the encoding UTF8",  # untranslatable_character
    "XX001": "restore a backup",  # data_corrupted
    "XX002": "rebuild the index with REINDEX, or restore a backup",  # index_corrupted
}


def unwritten(error: DBAPIError) -> str:
    """The sentence for a database that cannot be written."""
    return f"The database cannot be written: {told(error)}"


def told(error: DBAPIError) -> str:
    """The end of a sentence: the engine's message about ``error``, and the remedy."""
    said = reason(error)
    name = str(getattr(error.orig, "sqlite_errorname", ""))
    state = getattr(error.orig, "sqlstate", None)
    advice = _ADVICE.get(state or "_".join(name.split("_")[:2]))
    if advice is None and (error.connection_invalidated or str(error.orig).rstrip().endswith("?")):
        advice = _RUNS
    return f"{said}; {advice}." if advice else f"{said}."


def reason(error: DBAPIError) -> str:
    """The engine's message, on one line."""
    diag = getattr(error.orig, "diag", None)
    if diag is not None and diag.message_primary:
        # The rest contains our statement.
        said = [diag.message_primary, diag.message_detail or ""]
    else:
        # libpq adds guesses, phrased as questions, about why no server answers.
        said = [line for line in str(error.orig).splitlines() if not line.endswith("?")]
    return " ".join(" ".join(said).split()).rstrip(".")
