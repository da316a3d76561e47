"""A gateway in the event loop of this process, with its pages, from start to stop."""

import asyncio
import gc
import os
import socket
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from qotgate.gateway import Gateway
from qotgate.gateway.door import Phase
from qotgate.model import QotGateError, is_loopback
from qotgate.model.version import __version__
from qotgate.service.questions import Questions
from qotgate.serving.configuration import Configuration
from qotgate.serving.handover import Message
from qotgate.serving.listening import Listening
from qotgate.serving.log import configure_log
from qotgate.serving.migration import arrive, move
from qotgate.serving.secrecy import secrets_of
from qotgate.serving.settings import Settings, misspelt_variables
from qotgate.serving.web_options import web_options
from qotgate.store.database import shown

if TYPE_CHECKING:
    from qotgate.limits.shared_memory import SharedLimits
    from qotgate.web.options import WebOptions
    from qotgate.web.server import WebServer

log = structlog.get_logger()


class Running:
    """The gateway and its pages. Create it within the event loop; ``ended`` is set to the reason when it
    ends."""

    def __init__(
        self,
        questions: Questions,
        configuration: Configuration,
        listening: Listening,
        limits: "SharedLimits | None" = None,
    ) -> None:
        make_upstream = configuration.make_upstream
        upstream = None if make_upstream is None else make_upstream()
        self.gateway = Gateway(questions, configuration.options, limits, upstream)
        self.listening = listening
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._settings = configuration.settings
        self._pages: WebServer | None = None

    async def prepare(self, *, takes_over: bool = False) -> None:
        """Do everything that can fail, and for a process that ``takes_over`` from another gateway everything
        that takes long, before it does so. Raises QotGateError."""
        await self.gateway.engine.prepare()
        if takes_over and self.listening.http:
            self._pages = await self._make_pages()

    async def start(self) -> list[str]:
        """Start serving, the pages last. Returns the addresses. Raises QotGateError."""
        addresses = await self.gateway.start(self.listening.tcp, self.listening.websocket)
        if self.listening.http:
            if self._pages is None:
                self._pages = await self._make_pages()
            await self._pages.start(self.listening.http[0])
            addresses.append(self._pages.url)
        return addresses

    async def _make_pages(self) -> "WebServer":
        """The server of the pages. Their import takes as long as the rest of the start; it runs in a thread,
        so that the gateway answers meanwhile."""
        make = await asyncio.to_thread(_imported_pages)
        return make(self.gateway.engine.questions, web_options(self._settings), self.gateway)

    def end(self, reason: str) -> bool:
        """Ask the gateway to end; False if it was asked before."""
        if self.ended.done():
            return False
        self.ended.set_result(reason)
        return True

    def fail(self, error: QotGateError) -> None:
        """Ask the gateway to end with an error."""
        if not self.ended.done():
            self.ended.set_exception(error)

    def change(self, configuration: Configuration) -> None:
        """Apply new options."""
        self._settings = configuration.settings
        start_log(configuration.settings)
        now = self.gateway.engine.questions
        questions = configuration.questions(now.store, now.columns)
        self.gateway.change(configuration.options, questions)
        if self._pages is not None:
            self._pages.change(questions, web_options(configuration.settings))

    async def pause(self) -> None:
        """Accept no more connections and requests, and count what has been read."""
        self.gateway.pause()
        await self.gateway.settle()

    def granted(self) -> Message:
        """Requests granted lately that are not counted in shared memory."""
        return {
            "gateway": self.gateway.engine.allowance.granted(),
            "pages": self._pages.granted() if self._pages else {},
        }

    def restore(self, granted: Message) -> None:
        self.gateway.engine.allowance.restore(granted.get("gateway", {}))
        if self._pages is not None:
            self._pages.restore(granted.get("pages", {}))

    async def leave(self, channels: list[socket.socket]) -> None:
        """Migrate the wire's connections, let the pages' clients reconnect, and end."""
        moved, _ = await asyncio.gather(move(self.gateway, channels), self._drain_pages())
        log.info("connections moved", number=moved, left=len(self.gateway.door.sessions))
        self.end("another gateway took over")

    def arrive(self, channel: socket.socket) -> None:
        """Serve the connections that arrive through ``channel``."""
        arrive(self.gateway, channel)

    async def stop(self) -> None:
        self.gateway.pause(Phase.CLOSING)
        if self._pages is not None:
            await asyncio.gather(self._pages.stop(), self.gateway.stop())
        else:
            await self.gateway.stop()
        columns = self.gateway.engine.questions.columns
        if columns is not None:
            columns.close()

    async def _drain_pages(self) -> None:
        if self._pages is not None:
            await self._pages.drain()


def _imported_pages() -> "Callable[[Questions, WebOptions, Gateway], WebServer]":
    from qotgate.mcp import endpoint
    from qotgate.web.server import WebServer

    return partial(WebServer, endpoints={endpoint.PATH: endpoint.Endpoint})


def freeze_memory() -> None:
    """Exempt the current objects from garbage collection: they stay, and scanning them would only cause
    pauses. For a process that does nothing but serve."""
    gc.freeze()


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run ``main`` in the fastest event loop that the platform has."""
    loop_factory = None
    if sys.platform != "win32":
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main)


def start_log(settings: Settings, *, background: bool = True) -> None:
    """Log as the options say."""
    configure_log(settings.log_level, settings.log_format, secrets_of(settings), background=background)


def log_started(addresses: list[str], settings: Settings) -> None:
    for name, near in misspelt_variables(os.environ):
        log.warning("variable without effect", variable=name, did_you_mean=near)
    log.info("gateway started", addresses=addresses, version=__version__, workers=settings.workers)


def announce(addresses: list[str], settings: Settings) -> None:
    """Print the addresses of the gateway, and a warning if others on the network may reach it."""
    where = " and ".join(addresses)
    sys.stdout.write(f"qotgate listens on {where} and answers from {shown(settings.db)}; Ctrl-C stops it.\n")
    sys.stdout.flush()
    if (settings.rsa_key is None or settings.allow_plaintext) and not is_loopback(settings.host):
        sys.stderr.write(
            f"qotgate: warning: {settings.host} is open to other machines, and not all is encrypted: "
            "any that reaches the port can ask, and any on the way can read and change answers. "
            "Name a key with --rsa-key, and leave out --allow-plaintext.\n"
        )
