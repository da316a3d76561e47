"""Serves HTTP within the gateway's event loop, by uvicorn."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import uvicorn

from qotgate.gateway import Gateway
from qotgate.service.questions import Questions
from qotgate.web.app import make_app
from qotgate.web.site import Site, WebOptions

STOP_SECONDS = 3
CONNECTIONS_MOST = 256


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The gateway has its own way to stop."""
        yield


class WebServer:
    """Serves the API and the pages over ``questions``, and what ``gateway`` has counted."""

    def __init__(self, questions: Questions, options: WebOptions, gateway: Gateway) -> None:
        self.url = ""
        self._options = options
        self._site = Site(questions, options, gateway)
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, at ``url`` from then on. Raises OSError."""
        listening = await asyncio.to_thread(_listen, self._options.host, self._options.port)
        config = uvicorn.Config(
            make_app(self._site),
            http=cast(type[asyncio.Protocol], self._site.connections),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            ws="none",
            limit_concurrency=CONNECTIONS_MOST,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve([listening]))
        host, port = listening.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def stop(self) -> None:
        """Answer what is under way, and close."""
        await self._site.live.stop()
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving


def _listen(host: str, port: int) -> socket.socket:
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
