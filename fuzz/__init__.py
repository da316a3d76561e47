"""Coverage-guided fuzzing of whatever reads bytes from elsewhere.

A target is a function of bytes that raises where a promise is broken: an error outside the family of
QotGateError, an answer that reads otherwise in pieces, a round trip that loses something. libFuzzer (through
atheris) looks for such bytes; what it found, and what it learnt on the way, is kept in ``corpus`` and
replayed by the tests. ``make fuzz SECONDS=...`` runs all of them.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
TARGETS = {
    "frame": "wire",
    "envelope": "wire",
    "cipher": "wire",
    "rsa": "wire",
    "body": "bodies",
    "session": "sessions",
    "answers": "answers",
    "cursor": "asked",
    "options": "asked",
    "http": "web",
    "words": "files",
    "text": "files",
    "json": "files",
    "same_table": "files",
    "parquet": "files",
    "xls": "files",
    "xlsx": "files",
    "archive": "files",
    "identity": "loads",
    "unload": "loads",
}
"""The targets, and the modules that they are in under their own names."""


def target(name: str) -> Callable[[bytes], None]:
    """The target ``name``, ready to be fed."""
    found: Callable[[bytes], None] = getattr(import_module(f"fuzz.{TARGETS[name]}"), f"take_{name}")
    return found
