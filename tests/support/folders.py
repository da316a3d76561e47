"""Folders of a test run: for its temporary files, and for files shared by its processes."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
MEMORY_LEAST = 4 << 30
"""Bytes of free memory required: a run with the real data needs less than one GiB."""


def keep_files_in_memory() -> None:
    """Put temporary files in memory if the system has room, unless TMPDIR is set: a small test spends most of
    its time on a disk that syncs each transaction."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    if shutil.disk_usage(MEMORY).free >= MEMORY_LEAST:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder ``name``, filled by ``make`` in the first process of the run that needs it."""
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
