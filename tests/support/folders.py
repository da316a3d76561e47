"""Folders of a run: where its files are, and those that its processes share."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
MEMORY_LEAST = 4 << 30
"""Bytes that have to be free there: a run with the real data takes less than one."""


def keep_files_in_memory() -> None:
    """Have temporary files in memory where the system has room, unless TMPDIR says where they go: most of the
    time of a small test is that of a disk which makes each transaction safe."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    if shutil.disk_usage(MEMORY).free >= MEMORY_LEAST:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder ``name``, filled by ``make`` in the first process of the run that asks for it."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder = root / name
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            new = root / f"{name}.new"
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            make(new)
            new.rename(folder)
    return folder
