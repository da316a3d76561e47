"""The application: the API, the pages, and the middleware around them."""

import time
from collections.abc import Mapping
from importlib.resources import files
from threading import Lock
from types import MappingProxyType
from typing import Any, ClassVar

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qotgate.model import QotGateError, StoreError
from qotgate.model.version import __version__
from qotgate.web import (
    api,
    data_pages,
    finding,
    follow_pages,
    fund_pages,
    help_pages,
    list_api,
    list_pages,
    loads_api,
    markets_api,
    opinions_api,
    pages,
    preferences,
    request_ids,
    research_api,
)
from qotgate.web.bodies import Bodies
from qotgate.web.downloads import Downloads
from qotgate.web.formats import Suffixes
from qotgate.web.problems import PROBLEMS, Problem, answer_with_problem, problem, status_of
from qotgate.web.render import error_page
from qotgate.web.safety import Safety
from qotgate.web.shapes import Health
from qotgate.web.site import Endpoint, Site, TheSite

DESCRIPTION = """
How the ARK funds trade a stock, and how analysts change their ratings, from data you own.

Answers are JSON, CSV or Parquet, by the Accept header or by a suffix of the path (`.csv`). Errors are problem
details (RFC 9457). An ETag names the state of the data: sent back in If-None-Match, it gets 304 until a load
changes the data.

The API has its own allowance for each path, as large as the gateway's. RateLimit tells the remaining requests
(`r`) and the seconds until there are more (`t`). Later pages, 304 and the pages of the site do not count.
"""

FOR_PROGRAMS = ("/api/", "/healthz", "/readyz", "/metrics", "/events", "/mcp", "/static/")
"""Paths whose errors are problem details; other paths have error pages."""
NONE: Mapping[str, Endpoint] = MappingProxyType({})

log = structlog.get_logger()


class Watched:
    """Request id, metrics, logging, and the last-resort 500 handler. HEAD is GET without the body, which the
    server leaves out."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        self._site = site
        self._metrics = site.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status = 0
        started = time.perf_counter()
        request_id = request_ids.id_of(scope)
        request_ids.current.set(request_id)

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[request_ids.HEADER] = request_id
                if self._site.gateway.door.draining:
                    # So that the client opens a new connection for its next request, to the successor.
                    headers["Connection"] = "close"
                path = getattr(inner.get("route"), "path", "other")
                self._metrics.requests.labels(path, str(status)).inc()
                self._metrics.seconds.labels(path).observe(time.perf_counter() - started)
            await send(message)

        inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else dict(scope)
        about = {"request": request_id, "peer": request_ids.peer_of(scope)}
        with self._metrics.streams.track_inprogress(), structlog.contextvars.bound_contextvars(**about):
            try:
                await self._app(inner, receive, send_counted)
            except Exception as error:
                if status and isinstance(error.__cause__, QotGateError):
                    # A streamed answer failed. The connection closes before the answer's end.
                    log.warning("answer broken off", path=scope["path"], reason=str(error.__cause__))
                else:
                    log.exception("request failed", path=scope["path"])
                if not status:
                    await problem(500, "The gateway failed on this request; its log has the details.")(
                        inner, receive, send_counted
                    )
            finally:
                self._log(scope, status, time.perf_counter() - started)

    def _log(self, scope: Scope, status: int, seconds: float) -> None:
        """Log a request if it was slow or the options ask for it; without its query, which may contain
        anything."""
        options = self._site.gateway.engine.options
        # A stream of events lasts as long as its page is open.
        slow = 0 < options.slow_seconds <= seconds and scope["path"] != "/events"
        if slow or options.log_requests:
            tell = log.warning if slow else log.debug
            tell(
                "slow request" if slow else "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                ms=round(seconds * 1000, 3),
            )


def make_app(site: Site, endpoints: Mapping[str, Endpoint] = NONE) -> ASGIApp:
    """The application for ``site``, with ``endpoints`` that answer POST at their paths. Call it within the
    event loop that serves it."""
    return surrounded(make_routes(site, endpoints), site)


def surrounded(routes: FastAPI, site: Site) -> ASGIApp:
    """The ``routes`` with the middleware around them."""
    return Watched(Bodies(Safety(Downloads(Suffixes(routes)), site)), site)


def make_routes(site: Site, endpoints: Mapping[str, Endpoint] = NONE) -> FastAPI:
    """The API, the pages and ``endpoints``."""
    app = _App(
        title="qotgate",
        version=__version__,
        description=DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        # Their pages load scripts from other sites.
        docs_url=None,
        redoc_url=None,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    app.state.site = site
    for api_module in (api, opinions_api, list_api, research_api, markets_api, loads_api):
        app.include_router(api_module.router)
    for module in (pages, list_pages, fund_pages, data_pages, follow_pages, help_pages, finding, preferences):
        app.include_router(module.router, include_in_schema=False)
    app.add_api_route("/healthz", healthz, tags=["Operation"])
    app.add_api_route("/readyz", readyz, tags=["Operation"], responses={503: PROBLEMS[503]})
    app.add_api_route("/metrics", metrics, tags=["Operation"], response_class=PlainTextResponse)
    app.add_api_route("/events", events, include_in_schema=False)
    for path, endpoint in endpoints.items():
        app.router.routes.append(Route(path, endpoint, methods=["POST"], include_in_schema=False))
    app.mount("/static", StaticFiles(directory=str(files("qotgate.web") / "static")))
    for kind in (HTTPException, RequestValidationError, QotGateError, Exception):
        app.add_exception_handler(kind, _answer_error)
    return app


async def healthz() -> Health:
    """Whether the process answers."""
    # In the event loop: all threads may be waiting for a hung database, which a restart would not fix.
    return Health(status="ok", generation=None)


def readyz(site: TheSite) -> Health:
    """Whether the database can be read, and the gateway is not about to stop."""
    if site.gateway.door.draining:
        raise HTTPException(503, "The gateway is stopping")
    return Health(status="ready", generation=site.generation())


def metrics(site: TheSite) -> Response:
    """Metrics for Prometheus."""
    return Response(site.metrics.text(), media_type="text/plain; version=0.0.4")


async def events(site: TheSite) -> Response:
    """Server-sent events: ``state``, now and whenever a load has moved it."""
    if site.live.full:
        raise HTTPException(503, "Too many pages are open")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(site.live.events(), media_type="text/event-stream", headers=headers)


async def _answer_error(request: Request, error: Exception) -> Response:
    site: Site = request.app.state.site
    if isinstance(error, StoreError):
        log.error("data cannot be read", path=request.scope["path"], reason=str(error))
    if request.url.path.startswith(FOR_PROGRAMS):
        return answer_with_problem(request, error, getattr(request.state, "lang", site.lang))
    return error_page(request, site, error, status_of(error))


class _App(FastAPI):
    _document: ClassVar[dict[str, Any] | None] = None
    _lock: ClassVar[Lock] = Lock()

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, with our errors instead of FastAPI's own.

        It is made once in a process, whose applications have the same API. Requests in several threads ask
        for it, and FastAPI's own method is not thread-safe.
        """
        with self._lock:
            if _App._document is None:
                document = super().openapi()
                schemas = document["components"]["schemas"]
                schemas.pop("HTTPValidationError", None)
                schemas.pop("ValidationError", None)
                schemas["Problem"] = Problem.model_json_schema()
                _App._document = document
            return _App._document
