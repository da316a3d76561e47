"""A load in a separate process that starts within milliseconds, so that it can be killed many times."""

import multiprocessing
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Event
from pathlib import Path

from qotgate.service.loading import load
from qotgate.service.reference import load_reference
from qotgate.store import Store

REFERENCE = load_reference()
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.support.killed", "psycopg"])


def start_load(url: str, files: list[Path]) -> ForkServerProcess:
    """A process that has just started to load."""
    begun = PROCESSES.Event()
    process = PROCESSES.Process(target=_load, args=(url, files, begun))
    process.start()
    assert begun.wait(60)
    return process


def _load(url: str, files: list[Path], begun: Event) -> None:
    store = Store.open(url)
    begun.set()
    load(store, REFERENCE, files)
