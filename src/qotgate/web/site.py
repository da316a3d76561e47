"""The state shared by the API and the pages: the services in each language, the state of the data, the
allowance."""

import hmac
from asyncio import run_coroutine_threadsafe
from functools import partial
from hashlib import sha256
from math import ceil
from typing import Annotated, Protocol, get_args

from fastapi import Depends, Request
from starlette.types import Receive, Scope, Send

from qotgate.gateway import Gateway
from qotgate.limits.allowance import Allowance
from qotgate.limits.window import RateLimit, Taken
from qotgate.model import Language, RateLimited
from qotgate.model.version import __version__
from qotgate.service.ark.funds import loaded_funds
from qotgate.service.coverage.provenance import Coverage, coverage
from qotgate.service.coverage.status import Status, status
from qotgate.service.questions import Questions
from qotgate.service.search import Search
from qotgate.store import loads
from qotgate.store.database import generation
from qotgate.web import request_ids
from qotgate.web.connections import Connections
from qotgate.web.live import Live
from qotgate.web.metrics import Metrics
from qotgate.web.options import WebOptions

LANGUAGES: tuple[Language, ...] = get_args(Language)


class Endpoint(Protocol):
    """A handler of another path, over the services of a site."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    async def stop(self) -> None:
        """End the calls under way."""


class Site:
    """The services behind the API and the pages."""

    def __init__(self, questions: Questions, options: WebOptions, gateway: Gateway) -> None:
        self.gateway = gateway
        self.store = questions.store
        self.allowance = Allowance(options.rate_limit, "http", link=gateway.engine.allowance.backend_link)
        self.connections = Connections(options.max_connections_per_address, gateway.pacer)
        self.live = Live(self.state)
        self.metrics = Metrics(questions.store, gateway, self.connections)
        self._key = questions.store.secret().encode()
        self.change(questions, options)

    def change(self, questions: Questions, options: WebOptions) -> None:
        """Apply new options and services over the same database."""
        self.options = options
        self.reference = questions.reference
        self.lang: Language = questions.lang
        self.questions = {lang: questions.varied(lang=lang) for lang in LANGUAGES}
        self.search = Search(questions.store, questions.reference)
        self.allowance.change(options.rate_limit)
        # Sites that answer differently never share a tag.
        marks = (__version__, questions.reference.digest, ",".join(questions.funds), questions.window_days)
        self._marks = "\x1f".join(map(str, marks))

    def take(self, interface: str) -> tuple[RateLimit, Taken] | None:
        """Count a request towards the allowance: returns the limit and its state, None without a limit. The
        count happens in the event loop; call this from an answering thread."""
        limit = self.allowance.limit
        if limit is None:
            return None
        taken = run_coroutine_threadsafe(self.allowance.take(interface), self.gateway.loop).result()
        return None if taken is None else (limit, taken)

    def count(self, interface: str) -> None:
        """The same. Raises RateLimited over the allowance."""
        if found := self.take(interface):
            check_allowance(interface, *found)

    def tell_wrong_token(self, scope: Scope) -> None:
        """Log an attempt with a wrong token."""
        host, _ = scope.get("client") or ("", 0)
        reason = "The token is not the one that the gateway was started with (--http-token)."
        self.gateway.engine.refusals.tell(
            "login refused", host, "http_token", peer=request_ids.peer_of(scope), reason=reason
        )

    def generation(self) -> int:
        """The number of the state of the data. Raises StoreError."""
        with self.store.reading() as connection:
            return generation(connection)

    def state(self) -> str:
        """A value that changes with every load of a file, even one with nothing new or readable. Raises
        StoreError."""
        with self.store.reading() as connection:
            return f"{generation(connection)}.{loads.last(connection)}"

    def coverage(self, state: str) -> Coverage:
        """The extent of the data in ``state``; read once for each state. Raises StoreError."""
        questions = self.questions[self.lang]
        return questions.remembered(("coverage", state), lambda: coverage(self.store, questions.funds))

    def status(self, state: str) -> Status:
        """The status of the data in ``state``, without contradictions; read once for each state. Raises
        StoreError."""
        questions = self.questions[self.lang]
        return questions.remembered(("status", state), partial(status, self.store, contradictions=0))

    def funds(self, state: str) -> list[str]:
        """The funds with loaded data in ``state``; read once for each state. Raises StoreError."""
        questions = self.questions[self.lang]
        return questions.remembered(("funds", state), partial(loaded_funds, questions))

    def tag(self, state: str, *parts: str) -> str:
        """The entity tag of a view of ``state``; ``parts`` distinguish views of one URL. It is weak: the
        bytes may differ."""
        text = "\x1f".join((self._marks, state, *parts)).encode()
        return f'W/"{hmac.digest(self._key, text, sha256).hex()[:20]}"'


def check_allowance(interface: str, limit: RateLimit, taken: Taken) -> None:
    """Raises RateLimited if a request has to wait."""
    if taken.wait:
        raise RateLimited(
            "http_rate_limited",
            interface=interface,
            limit=limit.requests,
            window=f"{limit.seconds:g}",
            seconds=ceil(taken.wait * 10) / 10,
        )


def fresh(request: Request, tag: str) -> bool:
    """Whether the caller has the version with this ``tag``."""
    known = request.headers.get("If-None-Match", "")
    return known.strip() == "*" or tag.removeprefix("W/") in (
        one.strip().removeprefix("W/") for one in known.split(",")
    )


async def site_of(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


TheSite = Annotated[Site, Depends(site_of)]
