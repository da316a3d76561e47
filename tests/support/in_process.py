"""A gateway, or its pages, in the test's own process, on an existing database, with any options."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from qotgate.gateway import Gateway, GatewayOptions
from qotgate.service.columns.cache import ColumnCache
from qotgate.service.questions import Questions
from qotgate.service.reference import load_reference
from qotgate.serving.listening import listen_for
from qotgate.store import Store
from qotgate.testing.thread import LoopThread
from qotgate.web.app import make_app
from qotgate.web.options import WebOptions
from qotgate.web.site import Site

T = TypeVar("T")


@dataclass
class InProcess:
    """A gateway in this process; ``gateway`` belongs to its own thread."""

    gateway: Gateway
    host: str
    port: int
    websocket: str | None


@contextmanager
def in_process(url: str, **options: Any) -> Iterator[InProcess]:
    """Run a gateway on the database at ``url``, by default in English and without a limit; ``options`` are
    those of GatewayOptions."""
    wanted = GatewayOptions(**{"port": 0, "lang": "en", "rate_limit": None} | options)
    store = Store.open(url)

    @asynccontextmanager
    async def run() -> AsyncIterator[InProcess]:
        columns = ColumnCache(store)
        questions = Questions(store, load_reference(), lang=wanted.lang, columns=columns)
        gateway = Gateway(questions, wanted)
        try:
            listening = listen_for(wanted)
            first, *others = await gateway.start(listening.tcp, listening.websocket)
            host, _, port = first.rpartition(":")
            yield InProcess(gateway, host, int(port), next(iter(others), None))
        finally:
            await gateway.stop()
            columns.close()

    try:
        thread = LoopThread(run())
        try:
            yield thread.started
        finally:
            thread.stop()
    finally:
        store.close()


@asynccontextmanager
async def web_in_process(url: str, **options: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Site]]:
    """The pages and the HTTP API on the database at ``url``, in this event loop, and a client; ``options``
    are those of WebOptions."""
    store = Store.open(url)
    questions = Questions(store, load_reference(), lang="en")
    gateway = Gateway(questions, GatewayOptions(port=0, rate_limit=None, lang="en"))
    try:
        await gateway.start([])
        site = Site(questions, WebOptions(**options), gateway)
        transport = httpx.ASGITransport(make_app(site))
        headers = {"Accept-Language": "en"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", headers=headers
        ) as client:
            yield client, site
    finally:
        await gateway.stop()
        store.close()


def run_alone(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, in an event loop in a new thread: the browser's tests leave one running in this
    thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
