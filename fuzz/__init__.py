"""Coverage-guided fuzzing of all code that reads bytes from outside.

A target is a function of bytes that raises if a promise is broken: an error outside the family of
QotGateError, an answer that reads differently in pieces, a round trip that loses something. libFuzzer
(through atheris) searches for such bytes. Its findings, and the inputs that reach new code, are stored in
``corpus``, and the tests replay them. ``make fuzz SECONDS=...`` runs all targets.
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
"""The targets, and the module of each."""


def target(name: str) -> Callable[[bytes], None]:
    """The target ``name``, as a function of bytes."""
    found: Callable[[bytes], None] = getattr(import_module(f"fuzz.{TARGETS[name]}"), f"take_{name}")
    return found
