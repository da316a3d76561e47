"""``/mcp`` of the web server: streamable HTTP without sessions, each POST answered by one JSON body."""

import asyncio
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from qotgate.mcp.tools import Services

PATH = "/mcp"


class Endpoint:
    """Answers agents from ``services``. Imports and creates everything when the first agent comes."""

    def __init__(self, services: "Services") -> None:
        self._services = services
        self._stopping = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._made: asyncio.Future[StreamableHTTPSessionManager] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._made is None:
            self._made = asyncio.get_running_loop().create_future()
            self._serving = asyncio.create_task(self._serve(self._made))
        # Shielded: if one caller disconnects, the others still get it.
        manager = await asyncio.shield(self._made)
        await manager.handle_request(scope, receive, send)

    async def stop(self) -> None:
        """End the calls under way."""
        self._stopping.set()
        if self._serving is not None:
            await self._serving

    async def _serve(self, made: "asyncio.Future[StreamableHTTPSessionManager]") -> None:
        try:
            manager = await asyncio.to_thread(self._make)
            async with manager.run():
                made.set_result(manager)
                await self._stopping.wait()
        except Exception as error:
            if made.done():
                raise
            made.set_exception(error)

    def _make(self) -> "StreamableHTTPSessionManager":
        from mcp.server.transport_security import TransportSecuritySettings

        from qotgate.mcp.server import make_server

        server = make_server(self._services)
        # The web server has already checked Host, Origin and the size of the body.
        unchecked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        server.streamable_http_app(stateless_http=True, json_response=True, transport_security=unchecked)
        return server.session_manager
