"""Serves HTTP within the gateway's event loop, through uvicorn."""

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Thread
from types import MappingProxyType
from typing import cast

import uvicorn
from fastapi import FastAPI

from qotgate.gateway import Gateway
from qotgate.gateway.addresses import shown_address
from qotgate.service.questions import Questions
from qotgate.web.app import make_routes, surrounded
from qotgate.web.connections import MAX_HEADER_BYTES
from qotgate.web.options import WebOptions
from qotgate.web.render import prepare
from qotgate.web.site import Endpoint, Site
from qotgate.web.webhook import Webhook

TICK_SECONDS = 1.0


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopping = asyncio.Event()

    async def main_loop(self) -> None:
        """Update the Date header of answers once a second. Uvicorn's own loop wakes ten times as often, only
        to check whether to stop."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), TICK_SECONDS)

    def end(self) -> None:
        """Make :meth:`serve` return once the pending requests are answered."""
        self.should_exit = True
        self._stopping.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: the gateway handles signals itself."""
        yield


def _prepare(routes: FastAPI) -> None:
    """Prepare what the first readers would wait for: templates, and the OpenAPI document, by which the API
    checks parameters."""
    prepare()
    routes.openapi()


class WebServer:
    """Serves the API and the pages over ``questions``, with the counts of ``gateway``; ``endpoints`` create
    the handlers of other paths."""

    def __init__(
        self,
        questions: Questions,
        options: WebOptions,
        gateway: Gateway,
        endpoints: Mapping[str, Callable[[Site], Endpoint]] = MappingProxyType({}),
    ) -> None:
        self.url = ""
        self._gateway = gateway
        self._site = Site(questions, options, gateway)
        self._endpoints = {path: make(self._site) for path, make in endpoints.items()}
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._webhook: asyncio.Task[None] | None = None

    async def start(self, listening: socket.socket) -> None:
        """Serve on ``listening``; ``url`` is its address from then on."""
        routes = make_routes(self._site, self._endpoints)
        config = uvicorn.Config(
            surrounded(routes, self._site),
            http=cast(type[asyncio.Protocol], self._site.connections),
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            ws="none",
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve([listening]))
        self._webhook = asyncio.create_task(Webhook(self._site).run())
        Thread(target=_prepare, args=(routes,), name="prepare pages", daemon=True).start()
        self.url = f"http://{shown_address(listening.getsockname())}"

    def change(self, questions: Questions, options: WebOptions) -> None:
        """Apply new options, on the same port."""
        self._site.change(questions, options)

    def granted(self) -> dict[str, list[float]]:
        """Ages in seconds of the requests that the API granted lately, by path."""
        return self._site.allowance.granted()

    def restore(self, granted: dict[str, list[float]]) -> None:
        """Count requests that another process granted."""
        self._site.allowance.restore(granted)

    async def drain(self) -> None:
        """Accept no more connections, and end each existing one with its next answer: closing it earlier
        could lose a request on its way."""
        if self._server is None:
            return
        for server in self._server.servers:
            server.close()
        await self._site.live.stop()
        gateway = self._gateway
        while self._server.server_state.connections and gateway.loop.time() < gateway.door.deadline:
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Answer pending requests, and close."""
        await self._site.live.stop()
        if self._webhook is not None:
            self._webhook.cancel()
            with suppress(asyncio.CancelledError):
                await self._webhook
        if self._server is not None and self._serving is not None:
            left = self._gateway.door.deadline - self._gateway.loop.time()
            self._server.config.timeout_graceful_shutdown = max(0, left)  # type: ignore[assignment]  # fractions count
            self._server.end()
            await self._serving
        for endpoint in self._endpoints.values():
            await endpoint.stop()
